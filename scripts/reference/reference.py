#!/usr/bin/env python3
"""A slow, plain reference for Llama surgery, in numpy float64, independent of the TypeScript in src/.

It loads a Hugging Face Llama folder, runs the forward pass, fits PCA by SVD, rebuilds attention and MLP weights,
and scores text and multiple-choice tasks. `goldens.py` and `operations.py` write what it computes.

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


def windows(cfg):
    """By layer: how many positions a token attends to, its own included; None for all before it. As transformers has it."""
    layers, family = cfg["num_hidden_layers"], cfg["architectures"][0]
    if family == "MistralForCausalLM":
        return [cfg.get("sliding_window", 4096)] * layers
    if family == "Qwen2ForCausalLM" and cfg.get("use_sliding_window", False):
        return [cfg.get("sliding_window", 4096) if i >= cfg.get("max_window_layers", 28) else None for i in range(layers)]
    return [None] * layers


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

    def hidden(self, ids, sublayers=False):
        """Residual stream, a list of layers + 1 arrays (tokens, hidden): the embedding, then after each block; with sublayers
        also after the attention of each block."""
        n = len(ids)
        ang = np.arange(n)[:, None] * rope_frequencies(self.cfg, self.hd)[None, :]
        cos, sin = np.cos(ang)[:, None, :], np.sin(ang)[:, None, :]

        def rotate(v):  # (tokens, heads, head_dim)
            a, b = v[..., :self.hd // 2], v[..., self.hd // 2:]
            return np.concatenate([a * cos - b * sin, b * cos + a * sin], -1)

        back = np.arange(n)[:, None] - np.arange(n)[None, :]  # how far back key k lies from query q
        masks = [np.where((back >= 0) & (back < (window or n)), 0., -np.inf) for window in windows(self.cfg)]
        x = self.w["model.embed_tokens.weight"][np.asarray(ids)]
        out = [x]
        for i in range(self.layers):
            p = "model.layers.%d." % i
            h = self.norm(x, p + "input_layernorm")
            q = rotate(self.lin(h, p + "self_attn.q_proj").reshape(n, self.heads, self.hd))
            k = rotate(self.lin(h, p + "self_attn.k_proj").reshape(n, self.kv_heads, self.hd))
            v = self.lin(h, p + "self_attn.v_proj").reshape(n, self.kv_heads, self.hd)
            k, v = (np.repeat(t, self.heads // self.kv_heads, 1) for t in (k, v))
            s = np.einsum("qhd,khd->hqk", q, k) / np.sqrt(self.hd) + masks[i]
            s = np.exp(s - s.max(-1, keepdims=True))
            s /= s.sum(-1, keepdims=True)
            x = x + self.lin(np.einsum("hqk,khd->qhd", s, v).reshape(n, -1), p + "self_attn.o_proj")
            if sublayers:
                out.append(x)
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

PROJECTIONS = {**{c: "self_attn.%s_proj" % c for c in "qkvo"}, **{c: "mlp.%s_proj" % c for c in ("gate", "up", "down")}}
# What each mode stacks, of those that are targets. The rest stands alone; in the per-head modes q, k and v head by head.
MODES = {"separate": "", "shared-kv": "kv", "shared-qkv": "qkv", "cross-layer-kv": "kv", "per-head": "", "per-head-kv": "kv"}
DEFAULTS = {"targets": ["q", "k", "v"], "layers": None, "variance": None, "rank": None, "mean": "keep", "center": "on",
            "balance": False, "allocate": "uniform", "match": None, "control": None}


def complete(model, operation):
    """The operation with every key, its layers listed. One of variance and rank is set, the other None."""
    o = {**DEFAULTS, **operation}
    o["layers"] = list(range(model.layers)) if o["layers"] is None else o["layers"]
    assert (o["variance"] is None) != (o["rank"] is None), "one of variance and rank"
    assert o["allocate"] == "uniform" or o["variance"] is not None, "allocate wants a variance"
    assert sum([o["allocate"] != "uniform", o["match"] is not None, o["control"] is not None]) <= 1, "one of allocate, match and control"
    return o


def groups(model, o):
    """[{group, layer, parts}]: which rows share one PCA. A part is (layer, projection, head); head None means all rows,
    layer None a group over layers, which stands last."""
    heads = {"q": model.heads, "k": model.kv_heads, "v": model.kv_heads} if o["mode"].startswith("per-head") else {}
    stacked = [c for c in "qkv" if c in MODES[o["mode"]] and c in o["targets"]]
    out, across = [], []
    for i in o["layers"]:
        for c in PROJECTIONS:
            members = stacked if c in stacked else [c]
            if c not in o["targets"] or c != members[0]:
                continue
            if o["mode"] == "cross-layer-kv" and c in stacked:
                across += [(i, m, None) for m in members]
                continue
            for h in range(heads[c]) if c in heads else [None]:
                name = "".join(members) + ("" if h is None else ".%d" % h)
                out.append({"group": name, "layer": i, "parts": [(i, m, h) for m in members]})
    return out + ([{"group": "".join(stacked), "layer": None, "parts": across}] if across else [])


def weight(model, part):
    """The rows of a part, a view into the model's weights."""
    i, c, h = part
    w = model.w["model.layers.%d.%s.weight" % (i, PROJECTIONS[c])]
    return w if h is None else w[h * model.hd:(h + 1) * model.hd]


def fit(model, parts, center=True, balance=False):
    """PCA of the stacked parts. Squared singular values, their shares, mean and components; flip: it is that of the transpose."""
    blocks = [weight(model, p) for p in parts]
    x = np.vstack(blocks)
    flip = len(parts) == 1 and x.shape[0] > x.shape[1]
    x = x.T if flip else x
    mean = x.mean(0) if center else np.zeros(x.shape[1])
    b = x - mean
    if balance and len(parts) > 1:
        of = np.concatenate([[c] * len(w) for (_, c, _), w in zip(parts, blocks)])
        for c in set(of):
            b[of == c] /= np.linalg.norm(b[of == c]) or 1
    _, s, vt = np.linalg.svd(b, full_matrices=False)
    return {"values": s ** 2, "ratio": s ** 2 / ((s ** 2).sum() or 1), "mean": mean, "components": vt, "flip": flip, "rows": len(x)}


def rank_for(ratio, variance):
    """Smallest rank whose cumulative explained variance reaches the threshold; all if none does, 0 where nothing varies."""
    hit = np.nonzero(np.cumsum(ratio) >= variance)[0]
    return int(hit[0]) + 1 if len(hit) else len(ratio) if ratio.any() else 0


def rebuild(model, g, keep_mean):
    """[(part, its rows, those rows from g's leading components)]"""
    v, out = g["components"][:g["rank"]], []
    for p in g["parts"]:
        w = weight(model, p)
        y = ((w.T if g["flip"] else w) - g["mean"]) @ v.T @ v + (g["mean"] if keep_mean else 0)
        out.append((p, w, y.T if g["flip"] else y))
    return out


def kind(g):
    """A group's name without its head number."""
    return g["group"].split(".")[0]


def largest(lists):
    """(list, place) of all numbers of all lists, largest first; on ties the earlier list, then the earlier place."""
    return [(i, j) for _, i, j in sorted((-x, i, j) for i, xs in enumerate(lists) for j, x in enumerate(xs))]


def plan(model, operation):
    """The groups of an operation, each with its fit and rank. Changes nothing."""
    o = complete(model, operation)
    if o["match"]:
        return matched(model, o)
    out = [{**g, **fit(model, g["parts"], o["center"] == "on", o["balance"])} for g in groups(model, o)]
    for g in out:
        g["rank"] = rank_for(g["ratio"], o["variance"]) if o["rank"] is None else min(o["rank"], len(g["ratio"]))
    if o["allocate"] == "global":
        for name in {kind(g) for g in out}:
            same = [g for g in out if kind(g) == name]
            taken = [i for i, _ in largest([g["ratio"] for g in same])[:sum(g["rank"] for g in same)]]
            for i, g in enumerate(same):
                g["rank"] = taken.count(i)
    if o["control"] == "full-rank":
        for g in out:
            g["rank"] = len(g["ratio"])
    if o["control"] == "other-layer":  # v from the next chosen layer, at the rank found for the layer's own
        after = dict(zip(o["layers"], o["layers"][1:] + o["layers"][:1]))
        mixed = [g for g in out if g["layer"] is not None and {"k", "v"} <= {c for _, c, _ in g["parts"]}]
        assert mixed, "no group of one layer holds its k and v"
        for g in mixed:
            g["parts"] = [(after[i] if c == "v" else i, c, h) for i, c, h in g["parts"]]
            g.update(fit(model, g["parts"], o["center"] == "on", o["balance"]))
    return out


def matched(model, o):
    """The partner of the cell whose mode is o["match"]["mode"]: its shared groups taken apart, the parts' components taken
    in order of the variance they hold until the rule says stop. Balance concerns the shared cell alone."""
    shared, rule = plan(model, {**o, "mode": o["match"]["mode"], "match": None}), o["match"]["rule"]
    assert o["mode"] == ("per-head" if o["match"]["mode"] == "per-head-kv" else "separate")
    out, keep = [], o["mean"] == "keep"
    for g in shared:
        if len(g["parts"]) == 1:
            out.append(g)
            continue
        alone = [{"group": c if h is None else "%s.%d" % (c, h), "layer": i, "parts": [(i, c, h)], "rank": 0,
                  **fit(model, [(i, c, h)], o["center"] == "on")} for i, c, h in g["parts"]]
        order = largest([a["values"] for a in alone])
        rows = [len(weight(model, p)) for p in g["parts"]]
        columns = weight(model, g["parts"][0]).shape[1]
        if rule == "width":
            n = min(g["rank"], len(order))
        elif rule == "parameters":
            spent = np.cumsum([columns + rows[i] for i, _ in order])
            n = int((spent <= g["rank"] * (columns + sum(rows))).sum())
        else:
            left = missing(alone, order, keep)
            enough = np.nonzero(left <= squared_error(model, g, keep) * (1 + 1e-9))[0]
            n = int(enough[0]) if len(enough) else len(order)
        for i, _ in order[:n]:
            alone[i]["rank"] += 1
        out += alone
    return out


def squared_error(model, g, keep_mean):
    return sum(((w - y) ** 2).sum() for _, w, y in rebuild(model, g, keep_mean))


def missing(alone, order, keep_mean):
    """Squared error of groups of one part with none, one, two ... of the components in `order` taken."""
    values = np.array([alone[i]["values"][j] for i, j in order] + [0])
    mean = 0 if keep_mean else sum(a["rows"] * (a["mean"] ** 2).sum() for a in alone)
    return np.cumsum(values[::-1])[::-1] + mean


def surgery(model, operation, dtype=None):
    """Rebuild the weights that an operation names. Returns [{group, layer, rank, of, explained, relative_error: {part: error}}].

    operation: mode, variance or rank, and what differs from DEFAULTS. match: {rule: width | parameters | error, mode: that of
    the shared cell}, with mode that of the partner. Every fit sees the original weights.
    A single matrix with more rows than columns is fitted on its transpose, as the original experiment does.
    mean drop reproduces that experiment, which centres the rows and never adds the mean back.
    dtype (BF16, F16, F32) rounds the rebuilt weights to what a checkpoint of that dtype holds; the relative
    errors are those before rounding. Ranks and scores then describe the file as written.
    """
    o = complete(model, operation)
    keep_mean = o["mean"] == "keep" or o["control"] == "full-rank"
    planned = plan(model, o)
    report, written = [], []
    for g in planned:
        parts = rebuild(model, g, keep_mean)
        written += parts
        report.append({"group": g["group"], "layer": g["layer"], "rank": g["rank"], "of": len(g["ratio"]),
                       "explained": float(g["ratio"][:g["rank"]].sum()),
                       "relative_error": {".".join(str(x) for x in p if x is not None): float(np.linalg.norm(w - y) / np.linalg.norm(w))
                                          for p, w, y in parts}})
    for _, w, y in written:
        w[:] = y if dtype is None else round_to(y, dtype)
    return report


def operate(model, variance, mode, keep_mean=True, dtype=None):
    """surgery on q, k and v of every layer, with a report per layer: {group: {rank, of, explained, X_relative_error}}."""
    report = [{"layer": i} for i in range(model.layers)]
    for g in surgery(model, {"mode": mode, "variance": variance, "mean": "keep" if keep_mean else "drop"}, dtype):
        for part, error in g["relative_error"].items():
            i, c = part.split(".")[:2]
            row = report[int(i)].setdefault(g["group"], {n: g[n] for n in ("rank", "of", "explained")})
            row[c + "_relative_error"] = error
    return report


def principal_angles(model, layer, rank_k, rank_v):
    """Cosines, largest first, between the spaces of the leading right singular vectors of the centred k and of the centred v."""
    k, v = (weight(model, (layer, c, None)) for c in "kv")
    k, v = (np.linalg.svd(w - w.mean(0), full_matrices=False)[2][:r] for w, r in ((k, rank_k), (v, rank_v)))
    return np.linalg.svd(k @ v.T, compute_uv=False).tolist()


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


def statistics(model, documents, base):
    """Sums for each document, and over all scored tokens the spread of KL(base || model) and of the change in the right token's probability."""
    rows, kls, changes = [], [], []
    for ids in documents:
        bp, lp = (log_softmax(m.logits(ids[:-1])) for m in (base, model))
        at = np.arange(len(ids) - 1), np.asarray(ids[1:])
        kl, same = (np.exp(bp) * (bp - lp)).sum(-1), bp.argmax(-1) == lp.argmax(-1)
        rows.append({"tokens": len(kl), "nll": float(-lp[at].sum()), "base_nll": float(-bp[at].sum()), "kl": float(kl.sum()), "same_top": int(same.sum())})
        kls.append(kl)
        changes.append(np.exp(lp[at]) - np.exp(bp[at]))
    kl, change, n = np.concatenate(kls), np.concatenate(changes), sum(r["tokens"] for r in rows)
    q = lambda p: float(np.quantile(kl, p))
    return {"documents": rows, "tokens": n, "kl": {"mean": float(kl.mean()), "median": q(.5), "p99": q(.99), "p99_9": q(.999), "max": float(kl.max())},
            "delta_p": {"mean": float(change.mean()), "rms": float(np.sqrt((change ** 2).mean()))}, "same_top": sum(r["same_top"] for r in rows) / n}


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
