#!/usr/bin/env python3
"""Seconds that transformers takes on the CPU to score documents, one at a time, in float32, once warm.

    baseline_transformers.py MODEL_DIR THREADS < documents.json

documents.json: lists of token ids. Prints a JSON list: the seconds of five rounds after the first, and the mean nll.
"""
import json
import sys
import time

import torch
from transformers import AutoModelForCausalLM

torch.set_num_threads(int(sys.argv[2]))
torch.set_grad_enabled(False)
model = AutoModelForCausalLM.from_pretrained(sys.argv[1], dtype=torch.float32).eval()
documents = [torch.tensor([ids]) for ids in json.load(sys.stdin)]


def score():
    total = 0.0
    for ids in documents:
        logprobs = model(ids).logits[0, :-1].double().log_softmax(-1)
        total -= logprobs.gather(1, ids[0, 1:, None]).sum().item()
    return total / sum(ids.shape[1] - 1 for ids in documents)


nll = score()
seconds = []
for _ in range(5):
    start = time.perf_counter()
    score()
    seconds.append(time.perf_counter() - start)
print(json.dumps({"seconds": seconds, "nll": nll}))
