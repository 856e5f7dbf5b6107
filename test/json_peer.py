#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Our JSON against Python's: on generated and damaged texts both must accept the same ones, and what we print of a text
must mean to Python what the text itself does.

    json_peer.py --lib build/libeyot.so [--count 300000 | --seconds 60] [--seed 1]

Exit status 0: no difference; 1: the first one is printed; 77: no library to try."""
import argparse
import base64
import ctypes
import json
import math
import os
import random
import re
import struct
import sys
import time

PIECES = ['"', "\\", "\n", "\t", "a", "bc", "/", "\x7f", "é", "€", "🌊", "$", "$bytes", "$$ext", " ", "0123456789abcdef"]
SCALARS = ["true", "false", "null", "0", "-0", "-0.0", "1e5", "1E+2", "1e-7", "9223372036854775807", "9223372036854775808",
           "-9223372036854775808", "-9223372036854775809", "18446744073709551615", "18446744073709551616", "1e308", "5e-324",
           "2.2250738585072014e-308", "1e400", "-1e400", "1e-400", "0.1", "123456789012345678901234567890"]
DAMAGE = list('{}[]",:0123456789.eE+-\\ utrfn\n\t/') + ["\x00", "\x1f", "\x80", "\xff", "\xc3", "\xed\xa0\x80"]


class Refused(Exception):
    pass


def python_reads(data):
    """The value, or Refused: Python's json with what RFC 8259 and our limits add."""

    def constant(name):
        raise Refused(name)

    def whole(text):
        i = int(text)
        if -(2**63) <= i < 2**64:
            return i
        return real(text)

    def real(text):
        f = float(text)
        if math.isinf(f):
            raise Refused(text)
        return f

    def pairs(items):
        if len({k for k, _ in items}) != len(items):
            raise Refused("duplicate key")
        return dict(items)

    try:
        value = json.loads(data.decode("utf-8"), parse_constant=constant, parse_int=whole, parse_float=real,
                           object_pairs_hook=pairs)
    except (ValueError, RecursionError) as e:
        raise Refused(str(e)) from e
    if has_surrogate(value):
        raise Refused("half of a surrogate pair")
    return value


def has_surrogate(value):
    if isinstance(value, str):
        return any(0xD800 <= ord(c) < 0xE000 for c in value)
    if isinstance(value, dict):
        return any(has_surrogate(k) or has_surrogate(v) for k, v in value.items())
    if isinstance(value, list):
        return any(has_surrogate(v) for v in value)
    return False


def binary(text):
    """The bytes of a base64 text, None if it is not the one way to write them."""
    try:
        data = base64.b64decode(text, validate=True)
    except (ValueError, TypeError):
        return None
    return data if base64.b64encode(data).decode() == text else None


def form(key, value):
    """What a map of one key stands for, None if it is an ordinary map: eyot/copiers.h."""
    if key == "$bytes" and isinstance(value, str) and binary(value) is not None:
        return ("bytes", binary(value))
    if key == "$ext" and isinstance(value, str):
        number, colon, rest = value.partition(":")
        if re.fullmatch("0|-?[1-9][0-9]{0,2}", number) and -128 <= int(number) <= 127 and colon:
            return None if binary(rest) is None else ("ext", int(number), binary(rest))
    if key == "$float32" and isinstance(value, float):
        try:
            if struct.unpack("<f", struct.pack("<f", value))[0] == value:
                return ("float32", struct.pack("<f", value))
        except OverflowError:
            pass
    if key == "$removed" and value is True:
        return ("removed",)
    return None


def meaning(value):
    """What a text means, in a form in which == tells types, signs and the order of keys apart."""
    if isinstance(value, float):
        return ("float", struct.pack("<d", value))
    if isinstance(value, dict):
        if len(value) == 1:
            (key, inner), = value.items()
            if form(key, inner):
                return form(key, inner)
            if re.fullmatch(r"\$\$+(bytes|ext|float32|removed)", key):
                value = {key[1:]: inner}
        return ("map", [(k, meaning(v)) for k, v in value.items()])
    if isinstance(value, list):
        return ("list", [meaning(v) for v in value])
    return (type(value).__name__, value)


class Eyot:
    def __init__(self, path):
        self.lib = ctypes.CDLL(path)
        self.lib.eyot_json_parse_len.restype = ctypes.c_void_p
        self.lib.eyot_json_parse_len.argtypes = [ctypes.c_char_p, ctypes.c_size_t, ctypes.c_void_p]
        self.lib.eyot_json_print.restype = ctypes.c_void_p
        self.lib.eyot_json_print.argtypes = [ctypes.c_void_p, ctypes.c_void_p]
        self.lib.eyot_value_unref.argtypes = [ctypes.c_void_p]
        self.lib.eyot_free.argtypes = [ctypes.c_void_p]

    def reads(self, data):
        """The value as text, None if refused."""
        value = self.lib.eyot_json_parse_len(data, len(data), None)
        if not value:
            return None
        text = self.lib.eyot_json_print(value, None)
        self.lib.eyot_value_unref(value)
        if not text:
            raise AssertionError("read, but not printed")
        copy = ctypes.string_at(text)
        self.lib.eyot_free(text)
        return copy


def space(rng):
    return rng.choice(["", "", "", "", " ", "\n", "\t\r", "  "])


def number(rng):
    kind = rng.randrange(5)
    if kind == 0:
        return rng.choice(SCALARS)
    if kind == 1:
        return str(rng.randrange(-(2**66), 2**66) >> rng.randrange(66))
    if kind == 2:
        f = struct.unpack("<d", struct.pack("<Q", rng.getrandbits(64)))[0]
        return repr(f) if math.isfinite(f) else "1.5"
    digits = "".join(rng.choice("0123456789") for _ in range(rng.randrange(1, 40)))
    point = rng.randrange(len(digits))
    text = (digits[:point].lstrip("0") or "0") + "." + digits[point:]
    if kind == 3:
        text += rng.choice("eE") + rng.choice(["", "+", "-"]) + str(rng.randrange(340))
    return rng.choice(["", "-"]) + text


def string(rng):
    out = []
    for _ in range(rng.randrange(5)):
        piece = rng.choice(PIECES)
        kind = rng.randrange(4)
        if kind == 0:
            out.append("".join("\\u%04x" % unit for unit in struct.unpack(
                "<%dH" % (len(piece.encode("utf-16-le")) // 2), piece.encode("utf-16-le"))))
        elif kind == 1 and rng.random() < 0.1:
            out.append("\\u%04X" % rng.randrange(0x10000))
        else:
            out.append(json.dumps(piece, ensure_ascii=kind == 2)[1:-1])
    return '"' + "".join(out) + '"'


FORMS = ['{"$bytes":"AQID"}', '{"$bytes":"AQI="}', '{"$bytes":"AR=="}', '{"$ext":"-1:AQID"}', '{"$ext":"200:"}', '{"$ext":"7:"}',
         '{"$float32":1.5}', '{"$float32":0.1}', '{"$removed":true}', '{"$removed":false}', '{"$$removed":true}']


def text_of(rng, depth):
    kind = rng.randrange(6)
    if rng.random() < 0.02:
        return rng.choice(FORMS)
    if depth == 0 or kind < 3:
        return string(rng) if kind == 0 else number(rng) if kind == 1 else rng.choice(SCALARS)
    count = rng.randrange(6) if rng.random() < 0.97 else rng.randrange(60, 150)
    if kind < 5:
        items = []
        for i in range(count):
            key = '"k%d"' % i if count > 6 else string(rng)
            items.append(space(rng) + key + space(rng) + ":" + space(rng) + text_of(rng, depth - 1) + space(rng))
        return "{" + (",".join(items) or space(rng)) + "}"
    return "[" + (",".join(space(rng) + text_of(rng, depth - 1) + space(rng) for _ in range(count)) or space(rng)) + "]"


def damaged(rng, data):
    data = bytearray(data)
    for _ in range(rng.randrange(1, 4)):
        at = rng.randrange(len(data) + 1)
        kind = rng.randrange(4)
        junk = rng.choice(DAMAGE).encode("latin-1")
        if kind == 0:
            data[at:at] = junk
        elif kind == 1:
            data[at : at + 1] = junk
        elif kind == 2:
            del data[at : at + rng.randrange(1, 4)]
        else:
            data = data[:at]
        if not data:
            break
    return bytes(data)


def compare(eyot, data):
    """None, or what differs."""
    ours = eyot.reads(data)
    try:
        theirs = python_reads(data)
    except Refused as why:
        return None if ours is None else "we read it, Python does not: %s" % why
    if ours is None:
        return "Python reads it, we do not"
    if meaning(json.loads(ours)) != meaning(theirs):
        return "we made of it: %r" % ours
    return None


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lib", required=True)
    parser.add_argument("--count", type=int, default=300000)
    parser.add_argument("--seconds", type=float)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    if not os.path.exists(args.lib):
        print("no library at", args.lib)
        return 77
    sys.set_int_max_str_digits(0)
    eyot, rng = Eyot(args.lib), random.Random(args.seed)
    begin, tried, accepted = time.monotonic(), 0, 0
    while tried < args.count if args.seconds is None else time.monotonic() - begin < args.seconds:
        whole = (space(rng) + text_of(rng, 4) + space(rng)).encode("utf-8")
        for data in [whole] + [damaged(rng, whole) for _ in range(7)]:
            problem = compare(eyot, data)
            if problem:
                print("seed %d, text %d: %s\n%r" % (args.seed, tried, problem, data))
                return 1
            tried += 1
        accepted += 1
    print("%d texts, %d of them undamaged: no difference" % (tried, accepted))
    return 0


sys.exit(main())
