#!/usr/bin/env python3
"""Write golden values of operations with reference.py: ranks, errors and scores of every mode, rule and control.

    operations.py [pocket] [mha-tied-f16] ...       default: all four models; writes test/fixtures/operations/<model>.json

Numpy only. No operation may hang on rounding: where a rank, or the space its components span, would turn on a difference
below MARGIN, the script stops. (Two components of equal variance at the cut would do that, or a threshold just met.)
"""
import json
import os
import sys

import numpy as np

import goldens as G
import reference as R

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
FIXTURES = os.path.join(ROOT, "test", "fixtures")
MARGIN = 1e-7  # the reference and the program agree to about 1e-12
NEAR = 1e-3  # two logits nearer than this may change places in float32
DTYPES = {"pocket": "BF16", "mha-tied-f16": "F16", "gqa-headdim-llama3-bf16-sharded": "BF16", "mqa-bias-f32": "F32"}
ALL, MLP = ["q", "k", "v", "o", "gate", "up", "down"], ["o", "gate", "up", "down"]


def operations(layers):
    """About sixty. The partner by error at .999 never gets there, for two means dropped cost more than a common one: it takes all."""
    some = [1, 2, 4] if layers > 4 else [1]
    op = lambda mode, variance=.7, **rest: {"mode": mode, **({} if "rank" in rest else {"variance": variance}), **rest}
    match = lambda rule, shared, variance=.6, **rest: op("per-head" if shared == "per-head-kv" else "separate", variance, match={"rule": rule, "mode": shared}, **rest)
    kv = {"targets": ["k", "v"]}
    out = [op(mode, .9) for mode in R.MODES]
    out += [op(mode, .6, mean="drop") for mode in ("shared-kv", "per-head", "per-head-kv", "cross-layer-kv")]
    out += [op("shared-kv", center="off"), op("separate", center="off", mean="drop", **kv), op("per-head-kv", center="off", balance=True)]
    out += [op("shared-kv", balance=True), op("shared-qkv", balance=True, mean="drop"), op("cross-layer-kv", balance=True, **kv),
            op("per-head-kv", .5, balance=True, **kv)]
    out += [op("shared-kv", rank=4), op("per-head-kv", rank=3, balance=True, **kv), op("separate", rank=1000, targets=["k", "o"]),
            op("cross-layer-kv", rank=9, mean="drop")]
    out += [op("separate", .8, targets=MLP), op("shared-kv", .8, targets=ALL), op("per-head", .8, targets=["q", "o", "down"], mean="drop"),
            op("shared-kv", .5, targets=["k", "up"]), op("per-head-kv", .5, targets=["v"]), op("shared-qkv", .5, targets=["q", "v", "gate"])]
    out += [op("shared-kv", .5, layers=[0]), op("cross-layer-kv", .5, layers=some), op("per-head", .5, layers=some, mean="drop", **kv)]
    out += [op(mode, allocate="global") for mode in ("separate", "shared-kv", "per-head", "cross-layer-kv")]
    out += [op("per-head-kv", .5, allocate="global", balance=True, mean="drop"), op("separate", allocate="global", targets=MLP)]
    out += [match(rule, "shared-kv", mean=mean, **kv) for rule in ("width", "parameters", "error") for mean in ("keep", "drop")]
    out += [match(rule, "shared-qkv") for rule in ("width", "parameters", "error")]
    out += [match("error", "shared-qkv", .8, mean="drop", targets=["q", "k", "v", "o"]), match("width", "cross-layer-kv", layers=some),
            match("parameters", "cross-layer-kv", balance=True), match("error", "cross-layer-kv", **kv), match("width", "per-head-kv", mean="drop"),
            match("parameters", "per-head-kv", **kv), match("error", "per-head-kv", balance=True, **kv),
            match("error", "shared-kv", center="off", mean="drop", **kv), match("error", "shared-kv", .999, mean="drop"), match("parameters", "shared-kv", rank=5)]
    out += [op("shared-kv", control="full-rank"), op("per-head-kv", control="full-rank", targets=["k", "v", "o"])]
    out += [op("shared-kv", control="other-layer"), op("shared-kv", control="other-layer", balance=True, mean="drop", **kv),
            op("shared-kv", rank=4, control="other-layer", center="off", **kv), op("per-head-kv", .6, control="other-layer", **kv)]
    if layers > 4:
        out += [op("shared-kv", .6, control="other-layer", layers=some), op("shared-kv", allocate="global", layers=some)]
    return out


def margins(model, o):
    """How far each choice of the operation is from another: shares of variance, or relative."""
    planned = R.plan(model, o)
    for g in planned:  # the space at the cut
        if 0 < g["rank"] < len(g["values"]):
            yield (g["values"][g["rank"] - 1] - g["values"][g["rank"]]) / g["values"][0]

    def between(alone):  # what a common list left behind the last one it took
        taken = min(g["values"][g["rank"] - 1] / g["scale"] for g in alone if g["rank"])
        passed = [g["values"][g["rank"]] / g["scale"] for g in alone if g["rank"] < len(g["values"])]
        return (taken - max(passed)) / taken if passed else 1

    shared = R.plan(model, {**o, "mode": o["match"]["mode"] if o["match"] else o["mode"], "match": None, "allocate": "uniform", "control": None})
    if o["variance"] is not None:
        for g in shared:
            yield np.abs(np.cumsum(g["ratio"]) - o["variance"]).min()
    if o["allocate"] == "global":
        for name in {R.kind(g) for g in planned}:
            yield between([{**g, "scale": g["values"].sum()} for g in planned if R.kind(g) == name])
    for g in shared if o["match"] else []:
        if len(g["parts"]) > 1:
            alone = [{**a, "scale": 1} for a in planned if a["parts"][0] in g["parts"]]
            yield between(alone)
            if o["match"]["rule"] == "error":
                keep = o["mean"] == "keep"
                least = min(a["values"][a["rank"] - 1] for a in alone if a["rank"])
                left, want = sum(R.squared_error(model, a, keep) for a in alone), R.squared_error(model, g, keep)
                yield abs(left / want - 1)
                yield abs((left + least) / want - 1)


def check_match(model, o):
    """The partner keeps to its budget, counted afresh."""
    shared = R.plan(model, {**o, "mode": o["match"]["mode"], "match": None})
    alone, keep, rule = R.plan(model, o), o["mean"] == "keep", o["match"]["rule"]
    cost = lambda g: g["rank"] * (R.weight(model, g["parts"][0]).shape[1] + sum(len(R.weight(model, p)) for p in g["parts"]))
    for g in shared:
        mine = [a for a in alone if a["parts"][0] in g["parts"]]
        if rule == "width":
            assert sum(a["rank"] for a in mine) == g["rank"]
        elif rule == "parameters":
            assert 0 <= cost(g) - sum(map(cost, mine)) < 2 * cost({**g, "rank": 1})
        else:
            left, want = sum(R.squared_error(model, a, keep) for a in mine), R.squared_error(model, g, keep)
            least = min(a["values"][a["rank"] - 1] for a in mine if a["rank"])
            assert left <= want < left + least or left > want and all(a["rank"] == len(a["values"]) for a in mine)


def near_ties(models, documents):
    """Scored positions whose two largest logits, in one of the models, lie within NEAR: there the first may change places."""
    near = 0
    for ids in documents:
        top = [np.sort(m.logits(ids[:-1]), -1) for m in models]
        near += int(np.any([t[:, -1] - t[:, -2] < NEAR for t in top], 0).sum())
    return near


def golden(name):
    folder = os.path.join(ROOT, "src", "pocket") if name == "pocket" else os.path.join(FIXTURES, name)
    model = R.Llama(folder)
    if name == "pocket":
        enc = G.Encoder(folder)
        documents = [enc.encode(t)[:64] for t in G.read_texts(os.path.join(folder, "valid.txt"))[:3]]
    else:
        kept = json.load(open(os.path.join(folder, "golden.json"), encoding="utf-8"))
        n = len(kept["ids"])
        documents = [kept["ids"], kept["ids"][:1] + kept["greedy"]["ids"][n:]]  # nothing twice: a quantile between twins shows nothing
    rows, least, chosen = [], 1, None
    for op in operations(model.layers):
        o = R.complete(model, op)
        margin = float(min(margins(model, o), default=1))
        assert margin > MARGIN, "%s: %s hangs on a difference of %g" % (name, op, margin)
        least = min(least, margin)
        if o["match"]:
            check_match(model, o)
        m = R.Llama(folder)
        report = R.surgery(m, o, DTYPES[name])
        rows.append({"operation": o, "groups": report, "scores": {**R.score(m, documents, model), "near_ties": near_ties([m, model], documents)}})
        if op == {"mode": "shared-kv", "variance": .7, "balance": True}:
            chosen = {"operation": o, **R.statistics(m, documents, model)}
    rank = model.hd // 2
    angles = [{"layer": i, "rank_k": k, "rank_v": v, "cosines": R.principal_angles(model, i, k, v)} for i, k, v in ((0, rank, rank), (1, rank - 2, rank + 1))]
    print("%s: %d operations, least margin %.1e" % (name, len(rows), least), flush=True)
    return {"model": name, "rounding": "rebuilt weights rounded to %s, after the relative errors" % DTYPES[name], "documents": documents,
            "baseline": R.score(model, documents), "statistics": chosen, "principal_angles": angles, "operations": rows}


def write(name):
    os.makedirs(os.path.join(FIXTURES, "operations"), exist_ok=True)
    g = G.rounded(golden(name), 10)
    dump = lambda x: json.dumps(x, separators=(",", ":"))
    head = ",\n".join("%s:%s" % (dump(k), dump(v)) for k, v in g.items() if k != "operations")
    with open(os.path.join(FIXTURES, "operations", name + ".json"), "w") as f:
        f.write("{%s,\n\"operations\":[\n%s\n]}\n" % (head, ",\n".join(map(dump, g["operations"]))))


if __name__ == "__main__":
    for name in sys.argv[1:] or DTYPES:
        write(name)
