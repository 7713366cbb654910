#!/usr/bin/env python3
"""A slow, plain reference for Llama surgery, in numpy float64, independent of the TypeScript in src/.

It loads a Hugging Face Llama folder, runs the forward pass, fits PCA by SVD, rebuilds the
attention weights, and scores text and multiple-choice tasks. `goldens.py` writes what it computes.

Shapes follow the checkpoint: a projection W is (out_features, in_features) and acts as x @ W.T.
"""
import glob
import json
import os
import struct

import numpy as np


def read_safetensors(folder):
    """{name: float64 array} from model.safetensors or from the shards of its index."""
    out = {}
    for path in sorted(glob.glob(os.path.join(folder, "*.safetensors"))):
        data = open(path, "rb").read()
        n, = struct.unpack_from("<Q", data)
        for name, t in json.loads(data[8:8 + n]).items():
            if name == "__metadata__":
                continue
            a, b = t["data_offsets"]
            raw = np.frombuffer(data, np.uint8, b - a, 8 + n + a)
            if t["dtype"] == "BF16":
                w = (raw.view(np.uint16).astype(np.uint32) << 16).view(np.float32)
            else:
                w = raw.view({"F16": np.float16, "F32": np.float32, "F64": np.float64}[t["dtype"]])
            out[name] = w.astype(np.float64).reshape(t["shape"])
    return out


def round_to(w, dtype):
    """float64 values as a checkpoint of this dtype would hold them: to float32, then to nearest even."""
    w = w.astype(np.float32)
    if dtype == "F16":
        w = w.astype(np.float16)
    elif dtype == "BF16":
        u = w.view(np.uint32)
        w = ((u + 0x7FFF + ((u >> 16) & 1)) & 0xFFFF0000).astype(np.uint32).view(np.float32)
    elif dtype != "F32":
        raise ValueError("dtype %r: expected F32, F16 or BF16" % dtype)
    return w.astype(np.float64)


def rope_frequencies(cfg, hd):
    """(head_dim / 2,) radians a position. Newer configs hold rope_theta and rope_scaling in one rope_parameters."""
    s = {"rope_theta": cfg.get("rope_theta", 10000.0), **(cfg.get("rope_scaling") or {}), **(cfg.get("rope_parameters") or {})}
    inv = s["rope_theta"] ** (-np.arange(0, hd, 2) / hd)
    kind = s.get("rope_type", s.get("type"))
    if kind == "linear":
        inv = inv / s["factor"]
    elif kind == "llama3":
        low = s["original_max_position_embeddings"] / s["low_freq_factor"]
        high = s["original_max_position_embeddings"] / s["high_freq_factor"]
        wave = 2 * np.pi / inv
        blend = (s["original_max_position_embeddings"] / wave - s["low_freq_factor"]) / (
            s["high_freq_factor"] - s["low_freq_factor"])
        mid = (1 - blend) * inv / s["factor"] + blend * inv
        inv = np.where(wave < high, inv, np.where(wave > low, inv / s["factor"], mid))
    elif kind not in (None, "default"):
        raise ValueError("rope type %r" % kind)
    return inv


class Llama:
    def __init__(self, folder):
        self.cfg = json.load(open(os.path.join(folder, "config.json")))
        self.w = read_safetensors(folder)
        self.layers = self.cfg["num_hidden_layers"]
        self.heads = self.cfg["num_attention_heads"]
        self.kv_heads = self.cfg.get("num_key_value_heads") or self.heads
        self.hd = self.cfg.get("head_dim") or self.cfg["hidden_size"] // self.heads

    def lin(self, x, name):
        y = x @ self.w[name + ".weight"].T
        b = self.w.get(name + ".bias")
        return y if b is None else y + b

    def norm(self, x, name):
        return x / np.sqrt((x * x).mean(-1, keepdims=True) + self.cfg["rms_norm_eps"]) * self.w[name + ".weight"]

    def hidden(self, ids):
        """Residual stream, a list of layers + 1 arrays (tokens, hidden): the embedding, then after each block."""
        n = len(ids)
        ang = np.arange(n)[:, None] * rope_frequencies(self.cfg, self.hd)[None, :]
        cos, sin = np.cos(ang)[:, None, :], np.sin(ang)[:, None, :]

        def rotate(v):  # (tokens, heads, head_dim)
            a, b = v[..., :self.hd // 2], v[..., self.hd // 2:]
            return np.concatenate([a * cos - b * sin, b * cos + a * sin], -1)

        mask = np.triu(np.full((n, n), -np.inf), 1)
        x = self.w["model.embed_tokens.weight"][np.asarray(ids)]
        out = [x]
        for i in range(self.layers):
            p = "model.layers.%d." % i
            h = self.norm(x, p + "input_layernorm")
            q = rotate(self.lin(h, p + "self_attn.q_proj").reshape(n, self.heads, self.hd))
            k = rotate(self.lin(h, p + "self_attn.k_proj").reshape(n, self.kv_heads, self.hd))
            v = self.lin(h, p + "self_attn.v_proj").reshape(n, self.kv_heads, self.hd)
            k, v = (np.repeat(t, self.heads // self.kv_heads, 1) for t in (k, v))
            s = np.einsum("qhd,khd->hqk", q, k) / np.sqrt(self.hd) + mask
            s = np.exp(s - s.max(-1, keepdims=True))
            s /= s.sum(-1, keepdims=True)
            x = x + self.lin(np.einsum("hqk,khd->qhd", s, v).reshape(n, -1), p + "self_attn.o_proj")
            h = self.norm(x, p + "post_attention_layernorm")
            g = self.lin(h, p + "mlp.gate_proj")
            x = x + self.lin(g / (1 + np.exp(-g)) * self.lin(h, p + "mlp.up_proj"), p + "mlp.down_proj")
            out.append(x)
        return out

    def unembed(self, x):
        head = "lm_head.weight" if "lm_head.weight" in self.w else "model.embed_tokens.weight"
        return self.norm(x, "model.norm") @ self.w[head].T

    def logits(self, ids):
        return self.unembed(self.hidden(ids)[-1])

    def greedy(self, ids, new_tokens, stop=()):
        ids = list(ids)
        for _ in range(new_tokens):
            t = int(self.logits(ids)[-1].argmax())
            if t in stop:
                break
            ids.append(t)
        return ids


def log_softmax(x):
    x = x - x.max(-1, keepdims=True)
    return x - np.log(np.exp(x).sum(-1, keepdims=True))


# --- PCA -------------------------------------------------------------------------------------

def pca(x):
    """Centred PCA of the rows of x. Returns mean (features,), components (k, features), ratio (k,)."""
    mean = x.mean(0)
    _, s, vt = np.linalg.svd(x - mean, full_matrices=False)
    return mean, vt, s ** 2 / (s ** 2).sum()


def rank_for(ratio, variance):
    """Smallest rank whose cumulative explained variance reaches the threshold; all of them if none does."""
    c = np.cumsum(ratio)
    hit = np.nonzero(c >= variance)[0]
    return int(hit[0]) + 1 if len(hit) else len(ratio)


def project(x, mean, components, keep_mean):
    y = (x - mean) @ components.T @ components
    return y + mean if keep_mean else y


MODES = {"separate": ["q", "k", "v"], "shared-kv": ["q", "kv"], "shared-qkv": ["qkv"], "cross-layer-kv": ["q", "kv"]}


def operate(model, variance, mode, keep_mean=True, dtype=None):
    """Rebuild q/k/v of every layer. Returns a report per layer: {group: {rank, of, explained, X_relative_error}}.

    separate: one PCA for each of q, k, v. shared-kv: one for q, one for k stacked on v. shared-qkv: one for all three.
    cross-layer-kv: q as before, and one PCA for the k and v of all layers stacked (k0, v0, k1, v1, ...).
    A single matrix with more rows than columns is fitted on its transpose, as the original experiment does.
    keep_mean=False reproduces that experiment, which centres the rows and never adds the mean back.
    dtype (BF16, F16, F32) rounds the rebuilt weights to what a checkpoint of that dtype holds; the relative
    errors are those before rounding. Ranks and scores then describe the file as written.
    """
    name = lambda i, c: "model.layers.%d.self_attn.%s_proj.weight" % (i, c)
    report = [{"layer": i} for i in range(model.layers)]

    def rebuild(label, members):  # members: [(layer, projection)]
        x = np.vstack([model.w[name(*m)] for m in members])
        flip = len(members) == 1 and x.shape[0] > x.shape[1]
        mean, comp, ratio = pca(x.T if flip else x)
        r = rank_for(ratio, variance)
        for i, c in members:
            w = model.w[name(i, c)]
            y = project(w.T if flip else w, mean, comp[:r], keep_mean)
            y = y.T if flip else y
            row = report[i].setdefault(label, {"rank": r, "of": len(ratio), "explained": float(np.cumsum(ratio)[r - 1])})
            row[c + "_relative_error"] = float(np.linalg.norm(w - y) / np.linalg.norm(w))
            model.w[name(i, c)] = y if dtype is None else round_to(y, dtype)

    for label in MODES[mode]:
        if mode == "cross-layer-kv" and label == "kv":
            rebuild(label, [(i, c) for i in range(model.layers) for c in label])
        else:
            for i in range(model.layers):
                rebuild(label, [(i, c) for c in label])
    return report


# --- scores ----------------------------------------------------------------------------------

def score(model, documents, base=None):
    """Token-weighted scores over documents (lists of ids, BOS first; position 0 is never scored).

    Returns nll (nats per token), perplexity and tokens; with `base`, also mean KL(base || model) in
    nats and how often both models put the same token first.
    """
    nll = kl = same = tokens = 0
    for ids in documents:
        lp = log_softmax(model.logits(ids[:-1]))
        t = np.asarray(ids[1:])
        nll -= lp[np.arange(len(t)), t].sum()
        tokens += len(t)
        if base is not None:
            bp = log_softmax(base.logits(ids[:-1]))
            kl += (np.exp(bp) * (bp - lp)).sum()
            same += (bp.argmax(-1) == lp.argmax(-1)).sum()
    out = {"tokens": tokens, "nll": float(nll / tokens), "perplexity": float(np.exp(nll / tokens))}
    if base is not None:
        out.update(kl=float(kl / tokens), same_top=float(same / tokens))
    return out


def choice_log_probability(model, context, whole):
    """Summed log-probability (nats) of the tokens of `whole` past its longest common prefix with `context`."""
    n = 0
    while n < min(len(context), len(whole)) and context[n] == whole[n]:
        n += 1
    lp = log_softmax(model.logits(whole[:-1]))
    return float(sum(lp[i - 1, whole[i]] for i in range(n, len(whole))))


def score_tasks(model, rows, encode):
    """Multiple choice: the choice with the largest summed log-probability after the context, the first on ties.

    rows: [{context, choices, answer, task?}]. Returns accuracy, accuracy by task, and per row the log-probabilities.
    """
    results, by_task = [], {}
    for row in rows:
        context = encode(row["context"])
        lp = [choice_log_probability(model, context, encode(row["context"] + c)) for c in row["choices"]]
        results.append({"task": row.get("task"), "answer": row["answer"], "predicted": lp.index(max(lp)), "log_probabilities": lp})
        by_task.setdefault(row.get("task"), []).append(results[-1]["predicted"] == row["answer"])
    mean = lambda hits: sum(hits) / len(hits)
    return {"items": len(rows), "accuracy": mean([h for hits in by_task.values() for h in hits]),
            "by_task": {t: {"items": len(h), "accuracy": mean(h)} for t, h in by_task.items()}, "rows": results}
