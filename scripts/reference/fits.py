#!/usr/bin/env python3
"""Write golden values of the kind fit with reference.py: ranks, errors of weights and outputs, scores.

    fits.py        writes test/fixtures/fits.json

Numpy only. The fit to outputs is made as SVD-LLM makes it: the second moment C = L L^T (Cholesky), the SVD of W L, and L taken
off again. Where C is regular that has to equal U U^T W with the leading eigenvectors U of W C W^T to 1e-8, or this stops.
"""
import json
import os

import numpy as np

import goldens as G
import reference as R
from cuts import DTYPES, FIXTURES, ROOT

INPUTS = {"q": "q", "k": "q", "v": "q", "o": "o", "gate": "gate", "up": "gate", "down": "down"}


class Recording(R.Llama):
    """What the projections of each layer read."""
    def __init__(self, folder):
        super().__init__(folder)
        self.read = {}

    def lin(self, x, name):
        self.read.setdefault(name, []).append(x)
        return super().lin(x, name)

    def record(self, documents):
        self.read = {}
        for ids in documents:
            self.hidden(ids)

    def inputs(self, layer, c):
        """(positions, inputs) of a projection over all documents recorded."""
        return np.concatenate(self.read["model.layers.%d.%s" % (layer, R.PROJECTIONS[INPUTS[c]])])


def rank_of(w, energies, o):
    m, n = w.shape
    if o.get("energy") is not None:
        return int(np.searchsorted(np.cumsum(energies) / energies.sum(), o["energy"]) + 1)
    return min(o["rank"] if o.get("rank") is not None else int(m * n * (1 - o["ratio"]) / (m + n)), m, n)


def whitened(w, x, o):
    """W', its rank, from the Cholesky factor of C."""
    c = x.T @ x
    factor = np.linalg.cholesky(c)
    u, s, vt = np.linalg.svd(w @ factor, full_matrices=False)
    r = rank_of(w, s ** 2, o)
    made = np.linalg.solve(factor.T, (u[:, :r] * s[:r] @ vt[:r]).T).T
    own = np.linalg.eigh(w @ c @ w.T)[1][:, ::-1][:, :r]
    far = np.linalg.norm(made - own @ own.T @ w) / np.linalg.norm(w)
    assert far < 1e-8, "whitened SVD and U U^T W differ by %g" % far
    return made, r


def scaled(w, x, o):
    s = np.abs(x).mean(0) ** .5
    u, e, vt = np.linalg.svd(w * s, full_matrices=False)
    r = rank_of(w, e ** 2, o)
    return (u[:, :r] * e[:r] @ vt[:r]) / s, r


def plain(w, x, o):
    u, e, vt = np.linalg.svd(w, full_matrices=False)
    r = rank_of(w, e ** 2, o)
    return u[:, :r] * e[:r] @ vt[:r], r


OBJECTIVES = {"outputs": whitened, "scaled": scaled, "weights": plain}


def operate(model, o, documents, dtype):
    """Replaces the weights of a Recording. Ranks and errors of each group, layer by layer."""
    o = {"objective": "outputs", "mode": "shared-kv", "targets": ["q", "k", "v"], "layers": list(range(model.layers)), **o}
    original = {n: w.copy() for n, w in model.w.items()}
    found, edits = [], {}
    model.record(documents)
    for layer in o["layers"]:
        for g in R.groups(model, {**o, "layers": [layer]}):
            parts = g["parts"]
            x = model.inputs(layer, parts[0][1])
            blocks = [R.weight(model, p) for p in parts]
            made, r = OBJECTIVES[o["objective"]](np.concatenate(blocks), x, o)
            error, at = {}, 0
            for part, w in zip(parts, blocks):
                new = made[at:at + len(w)]
                at += len(w)
                if o["objective"] != "weights":
                    error[part[1]] = float(np.linalg.norm((w - new) @ x.T) / np.linalg.norm(w @ x.T))
                name = "model.layers.%d.%s.weight" % (layer, R.PROJECTIONS[part[1]])
                rows = slice(None) if part[2] is None else slice(part[2] * model.hd, (part[2] + 1) * model.hd)
                edits.setdefault(name, original[name].copy())[rows] = new
            found.append({"layer": layer, "group": g["group"], "rank": r, "output_error": error})
        if o.get("sequential"):  # all of a layer are fitted before the first of them changes
            model.w.update({n: R.round_to(w, dtype).astype(np.float64) for n, w in edits.items()})
            model.record(documents)
    before = sum((original[n] ** 2).sum() for n in edits)
    error = float(np.sqrt(sum(((original[n] - w) ** 2).sum() for n, w in edits.items()) / before))
    model.w.update({n: R.round_to(w, dtype).astype(np.float64) for n, w in edits.items()})
    return found, error


ALL = ["q", "k", "v", "o", "gate", "up", "down"]
CASES = [
    {"rank": 5},
    {"mode": "separate", "targets": ALL, "ratio": .2},
    {"mode": "separate", "targets": ALL, "ratio": .4, "sequential": True},
    {"mode": "shared-qkv", "energy": .9},
    {"mode": "per-head", "rank": 3},
    {"mode": "per-head-kv", "targets": ["k", "v", "o"], "energy": .95},
    {"objective": "scaled", "mode": "separate", "targets": ALL, "ratio": .3},
    {"objective": "weights", "mode": "separate", "targets": ["k", "down"], "ratio": .5},
]


def golden(name):
    folder = os.path.join(ROOT, "src", "pocket") if name == "pocket" else os.path.join(FIXTURES, name)
    random = np.random.default_rng(7)
    if name == "pocket":
        encoder = G.Encoder(folder)
        every = [encoder.encode(t)[:64] for t in G.read_texts(os.path.join(folder, "valid.txt"))[:12]]
        documents, calibration = every[:3], every[3:]
    else:
        vocabulary = json.load(open(os.path.join(folder, "config.json")))["vocab_size"]
        draw = lambda count: [[1] + random.integers(3, vocabulary, 40).tolist() for _ in range(count)]
        documents, calibration = draw(2), draw(4)
    base, rows = R.Llama(folder), []
    for case in CASES:
        model = Recording(folder)
        groups, error = operate(model, case, calibration, DTYPES[name])
        rows.append({"operation": {"kind": "fit", **case}, "relative_error": error, "groups": groups,
                     "scores": R.score(model, documents, base)})
    return {"model": name, "documents": documents, "calibration": calibration, "cases": rows}


if __name__ == "__main__":
    dump = lambda x: json.dumps(x, separators=(",", ":"))
    with open(os.path.join(FIXTURES, "fits.json"), "w") as f:
        f.write("[\n%s\n]\n" % ",\n".join(dump(G.rounded(golden(n), 10)) for n in DTYPES))
