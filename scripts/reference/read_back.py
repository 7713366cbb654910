#!/usr/bin/env python3
"""Read every .safetensors of a folder with nothing but the standard library, and print what it holds.

    read_back.py FOLDER [ORIGINAL_FOLDER]

Prints JSON {name: {dtype, shape, sha256 of the bytes}}; with ORIGINAL_FOLDER each tensor also has "same", true where
dtype, shape and bytes are the original's. One line on stderr and exit 1 where a file breaks the format, the index
disagrees with the files, or the two folders hold different names.
"""
import glob
import hashlib
import json
import os
import struct
import sys

SIZE = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2, "I64": 8, "I32": 4, "I16": 2, "I8": 1, "U8": 1, "BOOL": 1}
MAX_HEADER = 100_000_000


class Broken(Exception):
    pass


def unique(pairs):
    names = [k for k, _ in pairs]
    if len(set(names)) < len(names):
        raise Broken("duplicate key %r" % next(n for n in names if names.count(n) > 1))
    return dict(pairs)


def read_header(f, size):
    """(tensors, where their bytes start) of an open file, with the offsets proved to tile the rest of it."""
    if size < 8:
        raise Broken("%d bytes, too short for a header length" % size)
    n, = struct.unpack("<Q", f.read(8))
    if n > MAX_HEADER or 8 + n > size:
        raise Broken("header length %d in a file of %d bytes" % (n, size))
    head = f.read(n)
    if head[:1] != b"{":
        raise Broken("the header does not start with '{'")
    header = json.loads(head.decode("utf-8"), object_pairs_hook=unique)
    meta = header.pop("__metadata__", {})
    if not all(isinstance(v, str) for v in meta.values()):
        raise Broken("__metadata__ holds something other than strings")
    at = 0
    for name, t in sorted(header.items(), key=lambda kv: kv[1]["data_offsets"]):
        a, b = t["data_offsets"]
        if t["dtype"] not in SIZE:
            raise Broken("tensor %s: dtype %s" % (name, t["dtype"]))
        count = 1
        for d in t["shape"]:
            if type(d) is not int or d < 0:
                raise Broken("tensor %s: shape %s" % (name, t["shape"]))
            count *= d
        if a != at:
            raise Broken("tensor %s starts at %d, expected %d" % (name, a, at))
        if b - a != count * SIZE[t["dtype"]]:
            raise Broken("tensor %s: %d bytes for %s %s" % (name, b - a, t["dtype"], t["shape"]))
        at = b
    if 8 + n + at != size:
        raise Broken("tensors end at %d, the file at %d" % (8 + n + at, size))
    return header, 8 + n


def digest(f, start, length):
    h = hashlib.sha256()
    f.seek(start)
    while length:
        part = f.read(min(length, 1 << 24))
        h.update(part)
        length -= len(part)
    return h.hexdigest()


def read_folder(folder):
    paths = sorted(glob.glob(os.path.join(folder, "*.safetensors")))
    if not paths:
        raise Broken("%s: no .safetensors file" % folder)
    out, files, total = {}, {}, 0
    for path in paths:
        with open(path, "rb") as f:
            try:
                header, start = read_header(f, os.path.getsize(path))
            except (Broken, ValueError, KeyError, TypeError) as e:
                raise Broken("%s: %s" % (path, e if isinstance(e, Broken) else repr(e)))
            for name, t in header.items():
                if name in out:
                    raise Broken("%s: tensor %s is also in %s" % (path, name, files[name]))
                a, b = t["data_offsets"]
                out[name] = {"dtype": t["dtype"], "shape": t["shape"], "sha256": digest(f, start + a, b - a)}
                files[name] = os.path.basename(path)
                total += b - a
    index = os.path.join(folder, "model.safetensors.index.json")
    if os.path.exists(index):
        listed = json.load(open(index, encoding="utf-8"))
        if listed["weight_map"] != files:
            wrong = sorted(set(listed["weight_map"].items()) ^ set(files.items()))
            raise Broken("%s: weight_map and the files differ, first at %s" % (index, wrong[0]))
        stated = listed.get("metadata", {}).get("total_size", total)
        if stated != total:
            raise Broken("%s: total_size %s, the tensors have %d bytes" % (index, stated, total))
    elif len(paths) > 1:
        raise Broken("%s: %d files and no model.safetensors.index.json" % (folder, len(paths)))
    return out


def main():
    if len(sys.argv) not in (2, 3):
        sys.exit("usage: read_back.py FOLDER [ORIGINAL_FOLDER]")
    try:
        out = read_folder(sys.argv[1])
        if len(sys.argv) == 3:
            original = read_folder(sys.argv[2])
            if original.keys() != out.keys():
                raise Broken("names in one folder only: %s" % sorted(original.keys() ^ out.keys()))
            out = {name: {**t, "same": t == original[name]} for name, t in out.items()}
    except Broken as e:
        sys.exit("read_back.py: %s" % e)
    print(json.dumps(out, indent=1))


if __name__ == "__main__":
    main()
