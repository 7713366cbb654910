#!/usr/bin/env python3
"""Write golden values for a checkpoint with reference.py: tokens, forward pass, greedy text, PCA, scores, tasks.

    goldens.py MODEL_DIR TEXTS OUT_DIR [options]       numpy only; --help lists the options

TEXTS is a .json list of strings or a .txt file whose documents end at a line holding only <|end|>.
Token ids come from the encoders below, plain SentencePiece and byte-level BPE over tokenizer.json's
vocabulary and merge ranks, so they are independent of any tokenizer library.
"""
import argparse
import json
import os
import re
import unicodedata

import numpy as np

import reference as R

VARIANCES = [.99, .975, .95, .9, .8, .7, .6, .5, .4, .3, .2, .1]
MODES = ["separate", "shared-kv"]
PROMPTS = ["", "Once upon a time", "Lily and Tom went to the park.", "The dog said, \"I want to"]
ODD = ["Hello world", "  two  spaces", "tab\tand\nnewline", "na\u00efve caf\u00e9 \u2014 \u65e5\u672c\u8a9e \U0001f600", "", "a", "1234567890",
       "I'm sure you'll \"see\"\u2026"]
SCORE_RULE = "each document alone, BOS first, cut to max_tokens; every position but the first is scored; token-weighted mean, nats"
TASK_RULE = ("summed log-probability, in nats, of the tokens of context + choice past their longest common prefix with the tokens of the "
             "context alone, BOS first; the largest wins, the first on ties")


class Encoder:
    def __init__(self, folder):
        t = json.load(open(os.path.join(folder, "tokenizer.json"), encoding="utf-8"))["model"]
        self.vocab = t["vocab"]
        self.pieces = {i: p for p, i in self.vocab.items()}
        self.rank = {tuple(m.split(" ")): i for i, m in enumerate(t["merges"])}
        self.bytes = t["byte_fallback"]

    def encode(self, text):
        parts = []
        for c in ("\u2581" + text.replace(" ", "\u2581")) if text else "":
            if c not in self.vocab and not self.bytes:
                raise ValueError("%r is not in the vocabulary, and there is no byte fallback" % c)
            parts += [c] if c in self.vocab else ["<0x%02X>" % b for b in c.encode()]
        while len(parts) > 1:
            best = min(range(len(parts) - 1), key=lambda i: self.rank.get((parts[i], parts[i + 1]), 1 << 30))
            if (parts[best], parts[best + 1]) not in self.rank:
                break
            parts[best:best + 2] = [parts[best] + parts[best + 1]]
        return [1] + [self.vocab[p] for p in parts]

    def decode(self, ids):
        text, run = "", b""
        for p in [self.pieces[i] for i in ids] + [None]:
            if p in ("<s>", "</s>", "<unk>"):
                continue
            if p is not None and p.startswith("<0x") and len(p) == 6:
                run += bytes([int(p[3:5], 16)])
                continue
            text, run = text + self.characters(run), b""
            text += "" if p is None else p.replace("\u2581", " ")
        return text[1:] if text.startswith(" ") else text

    @staticmethod
    def characters(run):
        """As tokenizers' ByteFallback: a run of bytes that is no UTF-8 is as many replacement characters."""
        try:
            return run.decode("utf-8")
        except UnicodeDecodeError:
            return "\ufffd" * len(run)


def letters_and_numbers():
    """Character classes for \\p{L} and \\p{N}, which Python's re does not know."""
    ranges = {"L": [], "N": []}
    for c in range(0x110000):
        kind = unicodedata.category(chr(c))[0]
        if kind in ranges:
            spans = ranges[kind]
            if spans and spans[-1][1] == c - 1:
                spans[-1][1] = c
            else:
                spans.append([c, c])
    return {k: "".join("\\U%08x-\\U%08x" % (a, b) for a, b in spans) for k, spans in ranges.items()}


def byte_letters():
    """GPT-2's letter for each byte: itself where it can be seen, else the next unused from U+0100 on."""
    seen = [*range(33, 127), *range(161, 173), *range(174, 256)]
    hidden = [b for b in range(256) if b not in seen]
    return {**{b: chr(b) for b in seen}, **{b: chr(256 + i) for i, b in enumerate(hidden)}}


class ByteLevelEncoder:
    """A plain byte-level BPE encoder over tokenizer.json, as Llama 3, Qwen2 and SmolLM2 have it."""
    GPT2 = r"'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"

    def __init__(self, folder):
        t = json.load(open(os.path.join(folder, "tokenizer.json"), encoding="utf-8"))
        model = t["model"]
        self.vocab, self.whole = model["vocab"], model.get("ignore_merges", False)
        self.rank = {tuple(m.split(" ") if isinstance(m, str) else m): i for i, m in enumerate(model["merges"])}
        self.special = {a["content"]: a["id"] for a in t["added_tokens"]}
        self.pieces = {i: p for p, i in self.vocab.items()}
        self.letters = byte_letters()
        self.bytes = {c: b for b, c in self.letters.items()}
        self.compose = (t["normalizer"] or {}).get("type") == "NFC"
        post = json.dumps(t["post_processor"])
        self.start = [i for p, i in self.special.items() if '{"SpecialToken": {"id": "%s"' % p in post]
        classes, steps = letters_and_numbers(), t["pre_tokenizer"]["pretokenizers"]
        patterns = [s["pattern"]["Regex"] for s in steps if s["type"] == "Split"]
        patterns += [r"\p{N}"] * any(s["type"] == "Digits" for s in steps)
        patterns += [self.GPT2] * any(s["type"] == "ByteLevel" and s["use_regex"] for s in steps)
        named = lambda p: re.sub(r"\[([^\]]*)\]", lambda m: "[" + re.sub(r"\\p\{(.)\}", lambda n: classes[n[1]], m[1]) + "]", p)
        self.patterns = [re.compile(re.sub(r"\\p\{(.)\}", lambda n: "[" + classes[n[1]] + "]", named(p))) for p in patterns]

    def words(self, text):
        parts = [text]
        for pattern in self.patterns:  # a match is a part, and what lies between two matches is one too
            cut = []
            for part in parts:
                at = 0
                for m in pattern.finditer(part):
                    cut += [part[at:m.start()], m[0]]
                    at = m.end()
                cut.append(part[at:])
            parts = [c for c in cut if c]
        return parts

    def encode(self, text):
        ids = list(self.start)
        for chunk in re.split("(" + "|".join(map(re.escape, self.special)) + ")", text):
            if chunk in self.special:
                ids.append(self.special[chunk])
                continue
            for word in self.words(unicodedata.normalize("NFC", chunk) if self.compose else chunk):
                parts = [self.letters[b] for b in word.encode()]
                if self.whole and "".join(parts) in self.vocab:
                    parts = ["".join(parts)]
                while len(parts) > 1:
                    best = min(range(len(parts) - 1), key=lambda i: self.rank.get((parts[i], parts[i + 1]), 1 << 30))
                    if (parts[best], parts[best + 1]) not in self.rank:
                        break
                    parts[best:best + 2] = [parts[best] + parts[best + 1]]
                ids += [self.vocab[p] for p in parts]
        return ids

    def decode(self, ids):
        text = "".join(self.pieces.get(i, "") for i in ids if i not in self.special.values())
        return bytes(self.bytes[c] for c in text).decode("utf-8", "replace")


def encoder(folder):
    """The encoder of the folder's kind of tokenizer."""
    t = json.load(open(os.path.join(folder, "tokenizer.json"), encoding="utf-8"))
    return (ByteLevelEncoder if t["decoder"]["type"] == "ByteLevel" else Encoder)(folder)


def read_texts(path):
    """The documents of a .json list of strings, or of a .txt file with a line <|end|> after each; no empty ones."""
    text = open(path, encoding="utf-8").read()
    if path.endswith(".json"):
        return json.loads(text)
    documents, lines = [], []
    for line in text.split("\n") + ["<|end|>"]:
        if line == "<|end|>":
            documents.append("\n".join(lines))
            lines = []
        else:
            lines.append(line)
    return [d for d in documents if d.strip()]


def stop_ids(folder):
    stop = json.load(open(os.path.join(folder, "generation_config.json")))["eos_token_id"]
    return stop if isinstance(stop, list) else [stop]


def rounded(x, digits):
    """x with every float in it rounded: a golden file then stays the same where LAPACK's last digits differ."""
    if isinstance(x, float):
        return round(x, digits)
    if isinstance(x, dict):
        return {k: rounded(v, digits) for k, v in x.items()}
    return [rounded(v, digits) for v in x] if isinstance(x, list) else x


def norms(layers):
    return [[float(np.linalg.norm(x)) for x in layer] for layer in layers]


def forward_golden(model, enc, prompt):
    ids = enc.encode(prompt)
    h = model.hidden(ids)
    return {"prompt": prompt, "ids": ids, "residual_norms": norms(h), "last_logits": model.unembed(h[-1])[-1].tolist(),
            "lens_top1": [[int(t) for t in model.unembed(x).argmax(-1)] for x in h]}


def options(argv):
    listed = lambda kind: lambda s: [kind(x) for x in s.split(",")]
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("model")
    p.add_argument("texts")
    p.add_argument("out")
    p.add_argument("--documents", type=int, help="score the first N documents (default: all)")
    p.add_argument("--max-tokens", type=int, default=256)
    p.add_argument("--token-samples", type=int, default=8, help="documents in tokens.json, after the odd strings")
    p.add_argument("--variances", type=listed(float), default=VARIANCES, metavar="V,V")
    p.add_argument("--modes", type=listed(str), default=MODES, metavar="M,M", help="of " + ", ".join(R.MODES))
    p.add_argument("--means", type=listed(str), default=["keep", "drop"], metavar="keep,drop")
    p.add_argument("--dtype", choices=["BF16", "F16", "F32"], help="round the rebuilt weights as a checkpoint of this dtype does")
    p.add_argument("--prompt", action="append", dest="prompts", help="repeatable; for forward.json and greedy.json")
    p.add_argument("--new-tokens", type=int, default=160)
    p.add_argument("--sample-prompt", default="Once upon a time", help="of the samples in scores.json")
    p.add_argument("--sample-tokens", type=int, default=60)
    p.add_argument("--tasks", help="a .jsonl of {context, choices, answer}: writes tasks.json")
    p.add_argument("--task-items", type=int, help="score the first N tasks (default: all)")
    o = p.parse_args(argv)
    for mode in o.modes:
        if mode not in R.MODES:
            p.error("mode %r: allowed are %s" % (mode, ", ".join(R.MODES)))
    for mean in o.means:
        if mean not in ("keep", "drop"):
            p.error("mean %r: allowed are keep, drop" % mean)
    return o


def main(argv=None):
    o = options(argv)
    os.makedirs(o.out, exist_ok=True)
    enc, model, stop = encoder(o.model), R.Llama(o.model), stop_ids(o.model)
    texts, prompts = read_texts(o.texts), o.prompts or PROMPTS
    docs = [enc.encode(t)[:o.max_tokens] for t in texts[:o.documents]]

    def dump(name, x):
        with open(os.path.join(o.out, name), "w", encoding="utf-8") as f:
            json.dump(x, f, ensure_ascii=False, indent=1)
            f.write("\n")

    dump("tokens.json", [{"text": t, "ids": enc.encode(t)} for t in ODD + texts[:o.token_samples]])
    dump("forward.json", rounded([forward_golden(model, enc, p) for p in prompts], 6))

    greedy = []
    for p in prompts:
        ids = model.greedy(enc.encode(p), o.new_tokens, stop)
        greedy.append({"prompt": p, "max_new_tokens": o.new_tokens, "ids": ids, "text": enc.decode(ids)})
    dump("greedy.json", greedy)

    if o.tasks:
        rows = [json.loads(line) for line in open(o.tasks, encoding="utf-8")][:o.task_items]
        tasks = R.score_tasks(model, rows, enc.encode)
        print("tasks %.4f of %d" % (tasks["accuracy"], tasks["items"]), flush=True)
        dump("tasks.json", {"tasks": os.path.basename(o.tasks), "rule": TASK_RULE, **rounded(tasks, 6)})

    baseline = R.score(model, docs)
    print("original nll %.6f perplexity %.6f" % (baseline["nll"], baseline["perplexity"]), flush=True)
    pca, scores = [], []
    for mode in o.modes:
        for mean in o.means:
            for v in o.variances:
                m = R.Llama(o.model)
                report = R.operate(m, v, mode, mean == "keep", o.dtype)
                row = {"mode": mode, "variance": v, "mean": mean}
                pca.append({**row, "layers": report})
                scores.append({**row, **R.score(m, docs, model)})
                scores[-1]["sample"] = enc.decode(m.greedy(enc.encode(o.sample_prompt), o.sample_tokens, stop))
                print(row, "ppl %.4f kl %.4f" % (scores[-1]["perplexity"], scores[-1]["kl"]), flush=True)
    dump("pca.json", rounded(pca, 10))
    dump("scores.json", rounded({
        "text": os.path.basename(o.texts), "documents": len(docs), "max_tokens": o.max_tokens, "rule": SCORE_RULE,
        "rounding": "rebuilt weights rounded to %s, after the relative errors" % o.dtype if o.dtype else "none: rebuilt weights in float64",
        "sample_prompt": o.sample_prompt, "sample_tokens": o.sample_tokens, "baseline": baseline, "operated": scores}, 10))


if __name__ == "__main__":
    main()
