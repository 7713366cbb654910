#!/usr/bin/env python3
"""Write golden values of probes and bases in float64: test/fixtures/probes.json.

    probes.py

Numpy only; shares no code with src/. On the random model mqa-bias-f32: ridge regressions by explicit one-hot matrices and a
linear solver, judged row by row; linear CKA by feature products; principal angles, shares and the split of the space by SVD;
orthogonal matching pursuit with a least-squares fit at each step.
"""
import json
import os

import numpy as np

import reference as R

FIXTURES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "test", "fixtures")
MODEL = "mqa-bias-f32"
LAMBDAS = [10.0 ** (-10 + i / 2) for i in range(25)]  # times the mean eigenvalue
TRAIN, VALIDATION, TEST = 0, 1, 2


def rows_of(model, documents):
    """Residuals as RMSNorm has them before its scale, (points, rows, hidden), and the token, the one before and the document of each row."""
    points, tokens, previous, document = [], [], [], []
    for d, ids in enumerate(documents):
        x = np.stack(model.hidden(ids))[:, 2:]
        points.append(x / np.sqrt((x * x).mean(-1, keepdims=True) + model.cfg["rms_norm_eps"]))
        tokens += ids[2:]
        previous += ids[1:-1]
        document += [d] * (len(ids) - 2)
    return np.concatenate(points, 1), np.array(tokens), np.array(previous), np.array(document)


def fit(x, y, parts):
    """Ridge on the training rows, the penalty with the least squared error on the validation rows."""
    xm, ym = x[parts == TRAIN].mean(0), y[parts == TRAIN].mean(0)
    a, b = x[parts == TRAIN] - xm, y[parts == TRAIN] - ym
    v, w = x[parts == VALIDATION] - xm, y[parts == VALIDATION] - ym
    gram = a.T @ a
    unit = np.trace(gram) / len(gram)
    best = None
    for relative in LAMBDAS:
        weights = np.linalg.solve(gram + relative * unit * np.eye(len(gram)), a.T @ b)
        error = ((v @ weights - w) ** 2).sum()
        if best is None or error < best[0]:
            best = (error, relative, weights)
    return {"x_mean": xm, "y_mean": ym, "relative_lambda": best[1], "weights": best[2]}


def judge(f, x, y, parts, document, scores, labels):
    """R², mean cosine, how often the right column has the largest score, and is among five; ties count against it."""
    t = parts == TEST
    guess = (x[t] - f["x_mean"]) @ f["weights"] + f["y_mean"]
    s = scores(guess)
    own = s[np.arange(len(s)), labels[t]]
    rank = (s >= own[:, None]).sum(1)
    cosine = (guess * y[t]).sum(1) / np.linalg.norm(guess, axis=1) / np.linalg.norm(y[t], axis=1)
    r2 = 1 - ((guess - y[t]) ** 2).sum() / ((y[t] - f["y_mean"]) ** 2).sum()
    return {"rows": int(t.sum()), "r2": r2, "cosine": cosine.mean(), "top1": (rank == 1).mean(), "top5": (rank <= 5).mean()}


def cka(x, y):
    x, y = x - x.mean(0), y - y.mean(0)
    return np.linalg.norm(y.T @ x) ** 2 / (np.linalg.norm(x.T @ x) * np.linalg.norm(y.T @ y))


def shared(a, b):
    return (np.linalg.svd(a @ b.T, compute_uv=False) ** 2).mean()


def resemblance(w, e):
    w, e = w - w.mean(0), e - e.mean(0)
    k = max(1, int(np.floor(min(w.shape) / 8 + .5)))
    (uw, _, vw), (ue, _, ve) = np.linalg.svd(w, full_matrices=False), np.linalg.svd(e, full_matrices=False)
    cosine = (w * e).sum(1) / np.linalg.norm(w, axis=1) / np.linalg.norm(e, axis=1)
    return {"rowCosine": cosine.mean(), "cka": cka(w, e), "hiddenSpace": shared(vw[:k], ve[:k]), "tokenSpace": shared(uw[:, :k].T, ue[:, :k].T)}


def pursuit(signal, atoms, sparsity):
    taken, errors = [], [float(signal @ signal)]
    rest = signal
    for _ in range(sparsity):
        taken.append(int(np.abs(atoms @ rest).argmax()))
        values = np.linalg.lstsq(atoms[taken].T, signal, rcond=None)[0]
        rest = signal - atoms[taken].T @ values
        errors.append(float(rest @ rest))
    return {"atoms": taken, "values": list(values), "errors": errors}


def main():
    rng = np.random.default_rng(7)
    model = R.Llama(os.path.join(FIXTURES, MODEL))
    vocab = model.cfg["vocab_size"]
    e = model.w["model.embed_tokens.weight"]
    u = model.w.get("lm_head.weight", e) * model.w["model.norm.weight"]
    documents = [[1] + rng.integers(3, vocab, 48).tolist() for _ in range(8)]
    x, tokens, previous, document = rows_of(model, documents)
    parts = rng.permutation(np.resize([0, 0, 0, 0, 0, 0, 0, 1, 2, 2], len(tokens)))
    unit = e / np.linalg.norm(e, axis=1, keepdims=True)
    onehot = np.eye(vocab)
    near = lambda guess: guess @ unit.T / np.linalg.norm(guess, axis=1, keepdims=True)
    _, s, basis = np.linalg.svd(u - u.mean(0), full_matrices=True)
    assert (s[:-1] - s[1:]).min() > 1e-3 * s[0], "two directions of the unembedding could change places"
    cut = int(np.floor(len(basis) / 2 + .5))
    points = []
    for at in x:
        embedding = fit(at, e[tokens], parts)
        token = fit(at, onehot[tokens], parts)
        before = fit(at, e[previous], parts)
        seen = np.unique(tokens[parts == TRAIN])
        counts = np.bincount(tokens[parts == TRAIN], minlength=vocab)
        compared = sorted(seen, key=lambda t: (-counts[t], t))
        inside = {}
        for name, part in (("leading", basis[:cut]), ("trailing", basis[-cut:])):
            inside[name] = judge(fit(at @ part.T, e[tokens], parts), at @ part.T, e[tokens], parts, document, near, tokens)
        w = token["weights"].T  # (vocab, hidden)
        along = (w @ basis.T) ** 2
        train = at[parts == TRAIN] - at[parts == TRAIN].mean(0)
        signal = along.sum(0) * ((train @ basis.T) ** 2).sum(0)
        points.append({
            "relative_lambda": [f["relative_lambda"] for f in (embedding, token, before)],
            "embedding_weights": embedding["weights"].ravel().tolist(),
            "input": judge(embedding, at, e[tokens], parts, document, near, tokens),
            "token": judge(token, at, onehot[tokens], parts, document, lambda g: g, tokens),
            "previous": judge(before, at, e[previous], parts, document, near, previous),
            "inside": inside,
            "resemblance": resemblance(w[compared], e[compared]),
            "weight": (along.sum(0) / (w ** 2).sum()).tolist(),
            "signal": (signal / signal.sum()).tolist(),
        })
    atoms = rng.normal(size=(12, 7))
    atoms /= np.linalg.norm(atoms, axis=1, keepdims=True)
    signals = rng.normal(size=(5, 7))
    out = {
        "model": MODEL, "documents": documents, "parts": parts.tolist(), "points": points,
        "pursuit": {"atoms": atoms.ravel().tolist(), "signals": signals.ravel().tolist(), "size": 7,
                    "codes": [pursuit(signal, atoms, 4) for signal in signals]},
    }
    with open(os.path.join(FIXTURES, "probes.json"), "w") as f:
        json.dump(out, f, separators=(",", ":"), default=float)
        f.write("\n")


main()
