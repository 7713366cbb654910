#!/usr/bin/env python3
"""Write golden values of what surgery lens and surgery unlikely measure, in float64, by their definitions alone.

    inside.py MODEL_DIR TEXTS OUT.json [--documents N] [--max-tokens N]       numpy only

Every document alone, BOS first; averages leave BOS out. Norms are medians, CKA is of residuals that RMSNorm has divided. Logarithms
are base 2.
"""
import argparse
import json

import numpy as np

import goldens as G
import reference as R

BANDS = [.1, 1e-2, 1e-4, 1e-6, 0]
LEAST_CONTEXTS = 5


def log2_softmax(logits):
    return R.log_softmax(logits) / np.log(2)


def ranks(lp, tokens):
    own = lp[np.arange(len(tokens)), tokens]
    return (lp > own[:, None]).sum(-1) + 1


def lens(model, points, ids, partners=None):
    """By point and position, with the lens of partners[i] in the place of that of i. Step figures have a point less."""
    lps = [log2_softmax(model.unembed(x)) for x in points]
    final, at = lps[-1], np.arange(len(ids))
    here = at if partners is None else np.asarray(partners)
    chosen = final.argmax(-1)
    kl = lambda p, q: (np.exp2(p) * (p - q)).sum(-1)
    return {
        "top": [lp.argmax(-1) for lp in lps],
        "entropy": [-(np.exp2(lp) * lp).sum(-1) for lp in lps],
        "kl": [kl(final, lp[here]) for lp in lps],
        "probability_final": [np.exp2(lp[here][at, chosen]) for lp in lps],
        "rank_final": [ranks(lp[here], chosen) for lp in lps],
        "rank_input": [ranks(lp[here], np.asarray(ids)) for lp in lps],
        "step_kl": [kl(b, a[here]) for a, b in zip(lps, lps[1:])],
    }


def cka(x, y):
    x, y = x - x.mean(0), y - y.mean(0)
    norm = np.linalg.norm
    return norm(y.T @ x) ** 2 / (norm(x.T @ x) * norm(y.T @ y))


def cka_error(x, y, groups):
    """Standard error by a delete-a-group jackknife."""
    without = np.array([cka(x[groups != g], y[groups != g]) for g in range(groups.max() + 1)])
    return float(np.sqrt((len(without) - 1) * without.var()))


def normalised(model, x):
    """As RMSNorm has x before its scale."""
    return x / np.sqrt((x * x).mean(-1, keepdims=True) + model.cfg["rms_norm_eps"])


def depth(model, documents, hidden):
    """Averages over all positions but BOS."""
    cells = []
    for points, ids in zip(hidden, documents):
        cells.append(lens(model, [x[1:] for x in points], ids[1:]))
    join = lambda key, p: np.concatenate([c[key][p] for c in cells])
    rows = [np.concatenate([points[p][1:] for points in hidden]) for p in range(len(hidden[0]))]
    groups = np.concatenate([np.full(len(ids) - 1, d % 20) for d, ids in enumerate(documents)])
    norm = np.linalg.norm
    out = {"points": [], "steps": []}
    for p, x in enumerate(rows):
        point = {key: float(join(key, p).mean()) for key in ("entropy", "kl", "probability_final", "rank_final", "rank_input")}
        out["points"].append({**point, "norm": float(np.median(norm(x, axis=-1))), "longest": float(norm(x, axis=-1).max()),
                              "same_top": float((join("rank_final", p) == 1).mean()),
                              "input_top": float((join("rank_input", p) == 1).mean())})
    for p, (x, y) in enumerate(zip(rows, rows[1:])):
        cosine = (x * y).sum(-1) / norm(x, axis=-1) / norm(y, axis=-1)
        x, y = normalised(model, x), normalised(model, y)
        out["steps"].append({"cosine": float(cosine.mean()), "kl": float(join("step_kl", p).mean()), "cka": float(cka(x, y)),
                             "cka_error": cka_error(x, y, groups)})
    counts = np.ones(model.w["model.embed_tokens.weight"].shape[0])
    for ids in documents:
        np.add.at(counts, ids, 1)
    unigram = np.log2(counts / counts.sum())[None]
    finals = np.concatenate([log2_softmax(model.unembed(points[-1][1:])) for points in hidden])
    out["unigram"] = {"kl": float((np.exp2(finals) * (finals - unigram)).sum(-1).mean()),
                      "rank_final": float(ranks(np.repeat(unigram, len(finals), 0), finals.argmax(-1)).mean())}
    return out


def unlikely(model, hidden):
    """Energies along tokens' directions by band of the final probability, straight from their definition."""
    w = model.w.get("lm_head.weight", model.w["model.embed_tokens.weight"])
    d = model.w["model.norm.weight"] * (w - w.mean(0))
    u = d / np.linalg.norm(d, axis=-1, keepdims=True)
    rows = [np.concatenate([points[p][1:] for points in hidden]) for p in range(len(hidden[0]))]
    final = np.exp(R.log_softmax(model.unembed(rows[-1])))
    bands = (final[..., None] < np.array(BANDS)).sum(-1)
    contexts = (bands == 0).sum(0)
    energies, out = [], []
    for x in rows:
        y = normalised(model, x)
        y = y - y.mean(0)
        z = y @ u.T / np.sqrt((y ** 2).sum(-1).mean() / y.shape[-1])
        e = z ** 2
        likely = np.where(contexts >= LEAST_CONTEXTS, (e * (bands == 0)).sum(0) / np.maximum(contexts, 1), np.nan)
        same = ~np.isnan(likely)[None] & np.ones_like(bands, bool)
        of = lambda values, mask: float(values[mask].mean()) if mask.any() else None
        there = np.broadcast_to(likely, e.shape)
        energies.append(e)
        out.append([{"pairs": int((bands == b).sum()), "energy": of(e, bands == b), "projection": of(z, bands == b),
                     "same_pairs": int((same & (bands == b)).sum()), "same_energy": of(e, same & (bands == b)),
                     "where_likely": of(there, same & (bands == b))} for b in range(len(BANDS))])
    return {"likely_tokens": int((contexts >= LEAST_CONTEXTS).sum()), "points": out}


def plain(x):
    if isinstance(x, dict):
        return {k: plain(v) for k, v in x.items()}
    return [plain(v) for v in x] if isinstance(x, list) else x.tolist() if isinstance(x, np.ndarray) else x


def main(argv=None):
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("model")
    p.add_argument("texts")
    p.add_argument("out")
    p.add_argument("--documents", type=int, default=8)
    p.add_argument("--max-tokens", type=int, default=40)
    p.add_argument("--prompt", default="Once upon a time")
    o = p.parse_args(argv)
    enc, model = G.Encoder(o.model), R.Llama(o.model)
    documents = [enc.encode(t)[:o.max_tokens] for t in G.read_texts(o.texts)[:o.documents]]
    hidden = [model.hidden(ids) for ids in documents]
    ids = enc.encode(o.prompt)
    points, partners = model.hidden(ids, sublayers=True), [(i + 2) % len(ids) for i in range(len(ids))]
    golden = {"documents": documents,
              "prompt": {"ids": ids, "partners": partners, **lens(model, points, ids), "shuffled": lens(model, points, ids, partners)},
              "depth": depth(model, documents, hidden), "unlikely": unlikely(model, hidden)}
    with open(o.out, "w", encoding="utf-8") as f:
        json.dump(G.rounded(plain(golden), 9), f, indent=1)
        f.write("\n")


if __name__ == "__main__":
    main()
