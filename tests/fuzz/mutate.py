"""Mutation of inputs that are right: bytes flipped, cut, doubled, joined, numbers and words made hostile."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Sequence

#: What has broken readers before.
TOKENS = (
    b"\x00", b"\xff" * 4, b"\xef\xbb\xbf", b"\xed\xa0\x80", b"\\ud800", b"NaN", b"Infinity", b"-1", b"0", b"1e400", b"1e-400",
    b"9" * 400, b"9" * 5000, b"-" + b"9" * 5000, b"18446744073709551616", b"2147483648", b"null", b"true", b"{}", b"[]", b'""',
    b"[" * 2000, b'{"a":' * 2000, b"\xe2\x80\xae", b"\x1b[2J", b"../../etc/passwd", b"%00", b"\r\n", b"a" * 3000, b"1_000",
    b"1979-05-27T07:32:00Z", b"9999-12-31T23:59:59.999999999", b"0x7fffffffffffffff", b"=", b'"""', b"'", b"#", b",", b"\t",
)  # fmt: skip
_NUMBER = re.compile(rb"-?\d+(\.\d+)?")

Change = Callable[[random.Random, bytearray, Sequence[bytes]], None]


def mutated(rng: random.Random, corpus: Sequence[bytes]) -> bytes:
    """One of `corpus`, changed in one to eight places."""
    data = bytearray(rng.choice(corpus))
    for _ in range(rng.choice((1, 1, 1, 2, 3, 8))):
        rng.choice(CHANGES)(rng, data, corpus)
    return bytes(data)


def _flip(rng: random.Random, data: bytearray, corpus: Sequence[bytes]) -> None:
    if data:
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)


def _byte(rng: random.Random, data: bytearray, corpus: Sequence[bytes]) -> None:
    if data:
        data[rng.randrange(len(data))] = rng.choice((0, 1, 127, 128, 255, rng.randrange(256)))


def _cut(rng: random.Random, data: bytearray, corpus: Sequence[bytes]) -> None:
    first = rng.randint(0, len(data))
    last = len(data) if rng.random() < 0.3 else min(len(data), first + rng.randint(1, 64))
    del data[first:last]


def _double(rng: random.Random, data: bytearray, corpus: Sequence[bytes]) -> None:
    first = rng.randint(0, len(data))
    part = bytes(data[first : first + rng.randint(1, 64)])
    data[first:first] = part * rng.choice((1, 1, 2, 50))


def _token(rng: random.Random, data: bytearray, corpus: Sequence[bytes]) -> None:
    first = rng.randint(0, len(data))
    data[first : first + rng.choice((0, 0, 1, 4))] = rng.choice(TOKENS)


def _number(rng: random.Random, data: bytearray, corpus: Sequence[bytes]) -> None:
    """One of the numbers, or a word in quotes, becomes a hostile token."""
    found = list(_NUMBER.finditer(bytes(data[:20_000])))
    if found:
        one = rng.choice(found)
        data[one.start() : one.end()] = rng.choice(TOKENS)


def _join(rng: random.Random, data: bytearray, corpus: Sequence[bytes]) -> None:
    """The head of this one and the tail of another."""
    other = rng.choice(corpus)
    data[rng.randint(0, len(data)) :] = other[rng.randint(0, len(other)) :]


CHANGES: tuple[Change, ...] = (_flip, _flip, _byte, _cut, _double, _token, _token, _number, _number, _join)
