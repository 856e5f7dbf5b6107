#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# Makes the corpora of entry_fuzz and log_fuzz, in the form that test/fuzz/entries.h reads: "golden-…" of the records in
# test/golden/, to be made again when some of a new version were added; "bomb-…", small ones that stand for much.
import pathlib

here = pathlib.Path(__file__).resolve().parent
graphs = ["values", "routes", "loops", "failed", "frontier", "bytes", "waits-2", "asked-2"]


def graph_of(run):
    name = run.rsplit("-", 1)[0] if run[-2:-1] == "-" else run
    name = {"half": "failed"}.get(name, name)
    return next((i for i, g in enumerate(graphs) if g in (name, name + "-2")), None)


def parts(record):
    """kind, version, payload; the first two as the bytes that choose them"""
    return record[3] - 1, record[2] - 1, record[9 + record[8] : -4]


def chosen(runs):
    """the newest version of each run, and the oldest"""
    newest = {}
    for run in runs:
        newest[run.name.rsplit("-", 1)[0] if run.name[-2:-1] == "-" else run.name] = run
    return [run for run in runs if run in newest.values() or run.name[-2:-1] != "-"]


def write(corpus, name, data):
    path = here / "corpus" / corpus
    path.mkdir(parents=True, exist_ok=True)
    (path / name).write_bytes(data)


seen = set()
golden = here.parent / "golden"
for run in chosen(sorted(p for p in golden.iterdir() if p.is_dir())):
    graph = graph_of(run.name)
    records = sorted(run.glob("*.record"))
    if graph is None or not records:
        continue
    log = bytes([graph])
    for record in records:
        kind, version, payload = parts(record.read_bytes())
        log += bytes([kind, version]) + len(payload).to_bytes(2, "little") + payload
        if payload[:24] not in seen:
            seen.add(payload[:24])
            write("entry", f"golden-{run.name}-{record.stem}", bytes([graph, kind, version]) + payload)
    write("log", f"golden-{run.name}", log)


def varint(n):
    out = b""
    while n >= 0x80:
        out += bytes([n & 0x7F | 0x80])
        n >>= 7
    return out + bytes([n])


def text(s):
    return varint(len(s)) + s


def value(json):
    return len(json).to_bytes(4, "little") + json


def who(node, path=b"\0"):
    return text(node) + varint(0) + path


def snapshot(updates, versions, live, root=b"{}"):
    """versions: (parent, numbers of updates from 1) …; live: (node, version) …; of version 3 of the format"""
    out = varint(0) + bytes(16) + value(root) + varint(len(updates))
    out += b"".join(who(b"begin") + varint(0) + value(u) for u in updates)
    out += varint(1 + len(versions))
    for parent, numbers in versions:
        out += varint(parent) + varint(len(numbers)) + b"".join(map(varint, numbers))
    out += varint(len(live)) + b"".join(who(n) + varint(v) + bytes(3) for n, v in live)
    return out + bytes(2)


def bomb(name, payload, graph="frontier", kind=7, version=3):
    head = bytes([graphs.index(graph)])
    write("entry", name, head + bytes([kind - 1, version - 1]) + payload)
    write("log", name, head + bytes([kind - 1, version - 1]) + len(payload).to_bytes(2, "little") + payload)


much = b'{"log":[' + b",".join([b"1"] * 300) + b"]}"
bomb("bomb-update_again", snapshot([much], [(0, [1] * 400)], [(b"begin", 1)]))
bomb("bomb-update_down_the_line", snapshot([much], [(i, [1]) for i in range(200)], [(b"begin", 200)]))
bomb("bomb-update_of_siblings", snapshot([much, much], [(0, [1, 2])] * 200, [(b"begin", 1)]))
bomb("bomb-versions", snapshot([], [(0, [])] * 500, [(b"begin", 1)]))
bomb("bomb-line_of_versions", snapshot([], [(i, [0]) for i in range(300)], [(b"begin", 300)]))
bomb("bomb-local_dropped", snapshot([], [(0, [0] * 500)], [(b"begin", 1)]))
bomb("bomb-live", snapshot([], [], [(b"begin", 0)] * 100))
bomb("bomb-deep_value", snapshot([], [], [(b"begin", 0)], b'{"a":' + b"[" * 510 + b"]" * 510 + b"}"))
bomb("bomb-too_deep_value", snapshot([], [], [(b"begin", 0)], b'{"a":' + b"[" * 512 + b"]" * 512 + b"}"))
bomb("bomb-path", who(b"begin", varint(300) + b"\0\1\0" * 300) + bytes(5), kind=1)
bomb("bomb-path_numbers", who(b"begin", varint(1) + b"\2" + varint(500) + bytes(500)) + bytes(5), kind=1)
for name, count in (("count", 2**32), ("count_64", 2**64 - 1)):
    bomb("bomb-" + name + "_of_updates", varint(0) + bytes(16) + value(b"{}") + varint(count))
    bomb("bomb-" + name + "_of_versions", varint(0) + bytes(16) + value(b"{}") + bytes(1) + varint(count))
    bomb("bomb-" + name + "_of_edges", who(b"begin") + varint(1) + bytes(1) + varint(count), kind=1)
    bomb("bomb-" + name + "_of_parts", who(b"begin", varint(count)), kind=2)
