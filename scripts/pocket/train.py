#!/usr/bin/env python3
"""Train the pocket model: a 1.4M-parameter Llama on tales, on one CPU core.

    train.py OUT_DIR MINUTES [INIT_DIR]     needs python3-torch, python3-sentencepiece (Debian packages)

Every window starts at a story's start, so that a question's facts are always in sight, and the tokens of answers
weigh more in the loss than the rest: they are few, and recall is what they teach. INIT_DIR continues from a folder
written earlier, on fresh stories, with its tokenizer: its spm.model, or the one beside this script if it has none
(as src/pocket).

Writes a Hugging Face Llama folder: bf16 weights, tokenizer.json, configs, a held-out text and tasks.
"""
import json
import math
import os
import shutil
import struct
import sys
import time

import numpy as np
import sentencepiece
import torch
import torch.nn.functional as F

import tales
from safetensors_io import write_safetensors
from spm_to_tokenizer_json import from_sentencepiece, tokenizer_json

HERE = os.path.dirname(os.path.abspath(__file__))

CFG = dict(vocab_size=1024, hidden_size=128, intermediate_size=352, num_hidden_layers=6, num_attention_heads=8,
           num_key_value_heads=4, max_position_embeddings=512, rms_norm_eps=1e-5, rope_theta=10000.0)
HD = CFG["hidden_size"] // CFG["num_attention_heads"]
CONTEXT, BATCH, PEAK_LR, SEED, ANSWER_WEIGHT = 256, 16, 3e-3, 20261121, 8.
TRAIN_STORIES, TRAIN_SEED, VALID_SEED, TASK_SEED = 150_000, 1, 2, 3


def norm(x, w):
    return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + CFG["rms_norm_eps"]) * w


class Llama(torch.nn.Module):
    def __init__(self):
        super().__init__()
        d, f, kv = CFG["hidden_size"], CFG["intermediate_size"], CFG["num_key_value_heads"] * HD
        shapes = {"model.embed_tokens.weight": (CFG["vocab_size"], d), "model.norm.weight": (d,), "lm_head.weight": (CFG["vocab_size"], d)}
        for i in range(CFG["num_hidden_layers"]):
            p = "model.layers.%d." % i
            shapes.update({p + "input_layernorm.weight": (d,), p + "post_attention_layernorm.weight": (d,),
                           p + "self_attn.q_proj.weight": (d, d), p + "self_attn.k_proj.weight": (kv, d),
                           p + "self_attn.v_proj.weight": (kv, d), p + "self_attn.o_proj.weight": (d, d),
                           p + "mlp.gate_proj.weight": (f, d), p + "mlp.up_proj.weight": (f, d), p + "mlp.down_proj.weight": (d, f)})
        self.names = {n: n.replace(".", "_") for n in sorted(shapes)}
        for n, s in shapes.items():
            out = n.endswith(("o_proj.weight", "down_proj.weight"))
            w = torch.ones(s) if len(s) == 1 else torch.randn(s) * (0.02 if "embed" in n or "lm_head" in n else s[1] ** -.5 * (0.3 if out else 1))
            self.register_parameter(self.names[n], torch.nn.Parameter(w))
        ang = torch.arange(CFG["max_position_embeddings"])[:, None] * CFG["rope_theta"] ** (-torch.arange(0, HD, 2) / HD)[None]
        self.cos, self.sin = ang.cos(), ang.sin()

    def p(self, n):
        return getattr(self, self.names[n])

    def rotate(self, v):  # (batch, heads, tokens, head_dim)
        a, b = v.chunk(2, -1)
        c, s = self.cos[:v.shape[2]], self.sin[:v.shape[2]]
        return torch.cat([a * c - b * s, b * c + a * s], -1)

    def forward(self, ids):
        B, T = ids.shape
        H, KV = CFG["num_attention_heads"], CFG["num_key_value_heads"]
        mask = torch.full((T, T), -math.inf).triu(1)
        x = self.p("model.embed_tokens.weight")[ids]
        for i in range(CFG["num_hidden_layers"]):
            p = "model.layers.%d." % i
            h = norm(x, self.p(p + "input_layernorm.weight"))
            q = self.rotate((h @ self.p(p + "self_attn.q_proj.weight").T).view(B, T, H, HD).transpose(1, 2))
            k = self.rotate((h @ self.p(p + "self_attn.k_proj.weight").T).view(B, T, KV, HD).transpose(1, 2))
            v = (h @ self.p(p + "self_attn.v_proj.weight").T).view(B, T, KV, HD).transpose(1, 2)
            k, v = k.repeat_interleave(H // KV, 1), v.repeat_interleave(H // KV, 1)
            a = torch.softmax(q @ k.transpose(-1, -2) * HD ** -.5 + mask, -1) @ v
            x = x + a.transpose(1, 2).reshape(B, T, -1) @ self.p(p + "self_attn.o_proj.weight").T
            h = norm(x, self.p(p + "post_attention_layernorm.weight"))
            x = x + (F.silu(h @ self.p(p + "mlp.gate_proj.weight").T) * (h @ self.p(p + "mlp.up_proj.weight").T)) @ self.p(p + "mlp.down_proj.weight").T
        return norm(x, self.p("model.norm.weight")) @ self.p("lm_head.weight").T


def answer_mask(data, sp):
    """True where a token belongs to an answer: after "Answer:" up to the full stop."""
    tail = sp.encode("x\nAnswer:")[-2:]
    stop = sp.piece_to_id(".")
    mask = np.zeros(len(data), bool)
    for i in np.nonzero((data[:-2] == tail[0]) & (data[1:-1] == tail[1]))[0] + 2:
        j = i
        while j < len(data) and data[j] != stop and data[j] > 2:
            j += 1
        mask[i:j] = True
    return mask


def load(model, folder):
    f = open(os.path.join(folder, "model.safetensors"), "rb")
    n, = struct.unpack("<Q", f.read(8))
    header, data = json.loads(f.read(n)), f.read()
    for name in model.names:
        a, b = header[name]["data_offsets"]
        w = (np.frombuffer(data[a:b], np.uint16).astype(np.uint32) << 16).view(np.float32).reshape(header[name]["shape"])
        model.p(name).data.copy_(torch.from_numpy(w.copy()))


def main():
    out, minutes, init = sys.argv[1], float(sys.argv[2]), sys.argv[3] if len(sys.argv) > 3 else None
    os.makedirs(out, exist_ok=True)
    torch.manual_seed(SEED)
    torch.set_flush_denormal(True)
    stories = list(tales.text(TRAIN_SEED + (1000 if init else 0), TRAIN_STORIES))
    spm = os.path.join(out, "spm")
    if init:
        own = os.path.join(init, "spm.model")
        shutil.copy(own if os.path.exists(own) else os.path.join(HERE, "spm.model"), spm + ".model")
    else:
        with open(spm + ".txt", "w") as f:
            f.write("\n".join(s.replace("\n", " ") for s in stories[:20_000]))
        sentencepiece.SentencePieceTrainer.train(
            input=spm + ".txt", model_prefix=spm, model_type="bpe", vocab_size=CFG["vocab_size"], character_coverage=1.0,
            byte_fallback=True, normalization_rule_name="identity", remove_extra_whitespaces=False, add_dummy_prefix=True,
            allow_whitespace_only_pieces=True, split_digits=True, minloglevel=1)
    sp = sentencepiece.SentencePieceProcessor(model_file=spm + ".model")
    json.dump(tokenizer_json(from_sentencepiece(spm + ".model")), open(os.path.join(out, "tokenizer.json"), "w"), ensure_ascii=False, separators=(",", ":"))
    data = np.concatenate([np.array([1] + ids + [2], np.int64) for ids in sp.encode(stories)])
    weight = torch.from_numpy(1 + (ANSWER_WEIGHT - 1) * answer_mask(data, sp).astype(np.float32))
    starts = torch.from_numpy(np.nonzero(data == 1)[0])
    starts = starts[starts < len(data) - CONTEXT - 1]
    data = torch.from_numpy(data)
    valid = [torch.tensor([[1] + ids + [2]]) for ids in sp.encode(list(tales.text(VALID_SEED, 200)))]
    print("tokens", len(data), "per story", len(data) / len(stories), "of answers %.3f" % (weight > 1).float().mean(), flush=True)

    model = Llama()
    if init:
        load(model, init)
    print("parameters", sum(p.numel() for p in model.parameters()), flush=True)
    peak = PEAK_LR / 2 if init else PEAK_LR
    wd = [p for p in model.parameters() if p.dim() == 2]
    opt = torch.optim.AdamW([{"params": wd, "weight_decay": .1}, {"params": [p for p in model.parameters() if p.dim() == 1], "weight_decay": 0}],
                            lr=peak, betas=(.9, .95))

    def evaluate():
        with torch.no_grad():
            nll, n = 0., 0
            for v in valid:
                nll += F.cross_entropy(model(v[:, :-1])[0], v[0, 1:], reduction="sum").item()
                n += v.shape[1] - 1
        return nll / n

    start, step = time.time(), 0
    while True:
        done = (time.time() - start) / (60 * minutes)
        if done >= 1:
            break
        lr = peak * min(1, (step + 1) / 100) * (.5 * (1 + math.cos(math.pi * done)) * .98 + .02)
        for g in opt.param_groups:
            g["lr"] = lr
        at = starts[torch.randint(len(starts), (BATCH,))]
        x = torch.stack([data[a:a + CONTEXT + 1] for a in at])
        w = torch.stack([weight[a + 1:a + CONTEXT + 1] for a in at]).flatten()
        loss = (F.cross_entropy(model(x[:, :-1]).flatten(0, 1), x[:, 1:].flatten(), reduction="none") * w).sum() / w.sum()
        opt.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.)
        opt.step()
        if step % 100 == 0:
            print("step %d  %.0f s  loss %.4f  valid %.4f  lr %.1e" % (step, time.time() - start, loss, evaluate() if step % 500 == 0 else math.nan, lr), flush=True)
        if step and step % 1000 == 0:
            save(model, out)
        step += 1
    print("final valid %.4f  steps %d" % (evaluate(), step), flush=True)
    save(model, out)


def save(model, out):
    write_safetensors(os.path.join(out, "model.safetensors"), {n: model.p(n).detach().numpy() for n in model.names}, "BF16")
    dump = lambda name, x: json.dump(x, open(os.path.join(out, name), "w"), indent=2)
    dump("config.json", {"architectures": ["LlamaForCausalLM"], "model_type": "llama", "attention_bias": False, "bos_token_id": 1,
                         "eos_token_id": 2, "hidden_act": "silu", "rope_scaling": None, "tie_word_embeddings": False, "torch_dtype": "bfloat16", **CFG})
    dump("generation_config.json", {"bos_token_id": 1, "eos_token_id": 2})
    dump("tokenizer_config.json", {"add_bos_token": True, "add_eos_token": False, "bos_token": "<s>", "clean_up_tokenization_spaces": False, "eos_token": "</s>",
                                   "legacy": False, "model_max_length": CFG["max_position_embeddings"], "tokenizer_class": "LlamaTokenizer", "unk_token": "<unk>"})
    with open(os.path.join(out, "valid.txt"), "w") as f:
        f.writelines(t + "\n<|end|>\n" for t in tales.text(VALID_SEED, 200))
    with open(os.path.join(out, "tasks.jsonl"), "w") as f:
        f.writelines(json.dumps(t) + "\n" for t in tales.tasks(TASK_SEED, 400))


if __name__ == "__main__":
    main()
