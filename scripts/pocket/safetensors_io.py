"""Write float tensors to one safetensors file, in F32, F16 or BF16."""
import json
import struct

import numpy as np


def to_dtype(w, dtype):
    """The little-endian bytes of w in the given dtype; BF16 rounds the float32 value to nearest even."""
    w = np.ascontiguousarray(w, dtype=np.float32)
    if dtype == "F32":
        return w.tobytes()
    if dtype == "F16":
        return w.astype(np.float16).tobytes()
    if dtype != "BF16":
        raise ValueError("dtype %r: expected F32, F16 or BF16" % dtype)
    u = w.view(np.uint32)
    return ((u + 0x7FFF + ((u >> 16) & 1)) >> 16).astype(np.uint16).tobytes()


def write_safetensors(path, tensors, dtype):
    header, blobs, at = {"__metadata__": {"format": "pt"}}, [], 0
    for name, w in tensors.items():
        blob = to_dtype(w, dtype)
        header[name] = {"dtype": dtype, "shape": list(w.shape), "data_offsets": [at, at + len(blob)]}
        blobs.append(blob)
        at += len(blob)
    head = json.dumps(header, separators=(",", ":")).encode()
    head += b" " * (-len(head) % 8)
    with open(path, "wb") as f:
        f.write(struct.pack("<Q", len(head)) + head)
        for blob in blobs:
            f.write(blob)
