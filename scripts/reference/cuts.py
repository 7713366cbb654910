#!/usr/bin/env python3
"""Write golden values of the kinds that are no PCA, with reference.py: what they cost, and how far they move the weights.

    cuts.py        writes test/fixtures/cuts.json

Numpy only. An operation is a dict as a recipe file has it, with its kind.
"""
import json
import os
import re

import numpy as np

import goldens as G
import reference as R

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
FIXTURES = os.path.join(ROOT, "test", "fixtures")
DTYPES = {"pocket": "BF16", "mqa-bias-f32": "F32"}


def quantise(model, bits, group, targets=None, layers=None):
    """Round to nearest, symmetric: {name: weights}. A scale for each row, or for each `group` inputs of one; in float64."""
    out = {}
    for i in range(model.layers) if layers is None else layers:
        for c in R.PROJECTIONS if targets is None else targets:
            name = "model.layers.%d.%s.weight" % (i, R.PROJECTIONS[c])
            w = model.w[name]
            parts = [w] if group == "row" else np.split(w, range(group, w.shape[1], group), 1)
            done = []
            for p in parts:
                scale = np.abs(p).max(1, keepdims=True) / (2 ** (bits - 1) - 1)
                done.append(np.rint(np.divide(p, scale, out=np.zeros_like(p), where=scale > 0)) * scale)
            out[name] = np.concatenate(done, 1)
    return out


def zero(model, weights):
    """Single weights, as layer.projection[row,column], set to 0: {name: weights}."""
    out = {}
    for layer, c, row, column in (re.match(r"(\d+)\.(\w+)\[(\d+),(\d+)\]$", w).groups() for w in weights):
        name = "model.layers.%s.%s.weight" % (layer, R.PROJECTIONS[c])
        out.setdefault(name, model.w[name].copy())[int(row), int(column)] = 0
    return out


KINDS = {"zero": zero, "quantise": quantise}

CASES = {
    "pocket": [
        {"kind": "quantise", "bits": 8, "group": "row"},
        {"kind": "quantise", "bits": 4, "group": "row"},
        {"kind": "quantise", "bits": 4, "group": 32},
        {"kind": "zero", "weights": ["0.down[3,40]", "2.q[5,6]", "5.down[100,7]"]},
        {"kind": "quantise", "bits": 2, "group": 64, "targets": ["gate", "up", "down"], "layers": [1, 3]},
    ],
    "mqa-bias-f32": [
        {"kind": "quantise", "bits": 3, "group": 16},
        {"kind": "quantise", "bits": 5, "group": "row", "targets": ["k", "o", "down"]},
    ],
}


class Watched(R.Llama):
    """Keeps what each down projection reads and gives, and the residual stream before each block."""

    def run(self, ids):
        self.seen = []
        stream = self.hidden(ids)[:-1]
        return self.seen, stream

    def lin(self, x, name):
        y = super().lin(x, name)
        if name.endswith("down_proj"):
            self.seen.append((x, y))
        return y


def outliers(folder, documents):
    """By layer: the largest input and output of down, each as [value, document, position, coordinate], the weight in the row of the
    one and the column of the other, and the median norms of the residual before the block at first and later positions."""
    model = Watched(folder)
    runs = [model.run(ids) for ids in documents]
    out = []
    for i in range(model.layers):
        def largest(which):
            tops = [(d, np.unravel_index(np.abs(seen[i][which]).argmax(), seen[i][which].shape)) for d, (seen, _) in enumerate(runs)]
            d, (p, c) = max(tops, key=lambda t: abs(runs[t[0]][0][i][which][t[1]]))
            return [float(runs[d][0][i][which][p, c]), d, int(p), int(c)]

        norms = [np.linalg.norm(stream[i], axis=1) for _, stream in runs]
        read, given = largest(0), largest(1)
        out.append({"input": read, "output": given,
                    "weight": float(model.w["model.layers.%d.mlp.down_proj.weight" % i][given[3], read[3]]),
                    "first": float(np.median([n[0] for n in norms])), "later": float(np.median(np.concatenate([n[1:] for n in norms])))})
    return out


def golden(name):
    folder = os.path.join(ROOT, "src", "pocket") if name == "pocket" else os.path.join(FIXTURES, name)
    if name == "pocket":
        encoder = G.Encoder(folder)
        documents = [encoder.encode(t)[:64] for t in G.read_texts(os.path.join(folder, "valid.txt"))[:3]]
    else:
        kept = json.load(open(os.path.join(folder, "golden.json"), encoding="utf-8"))
        documents = [kept["ids"], kept["greedy"]["ids"][len(kept["ids"]):]]
    base, rows = R.Llama(folder), []
    for case in CASES[name]:
        model = R.Llama(folder)
        edit = KINDS[case["kind"]](model, **{k: v for k, v in case.items() if k != "kind"})
        before = sum((model.w[n] ** 2).sum() for n in edit)
        error = sum(((model.w[n] - w) ** 2).sum() for n, w in edit.items())
        model.w.update({n: R.round_to(w, DTYPES[name]).astype(np.float64) for n, w in edit.items()})
        rows.append({"operation": case, "relative_error": float(np.sqrt(error / before)), "scores": R.score(model, documents, base)})
    return {"model": name, "documents": documents, "cases": rows, "outliers": outliers(folder, documents)}


if __name__ == "__main__":
    dump = lambda x: json.dumps(x, separators=(",", ":"))
    with open(os.path.join(FIXTURES, "cuts.json"), "w") as f:
        f.write("[\n%s\n]\n" % ",\n".join(dump(G.rounded(golden(n), 10)) for n in CASES))
