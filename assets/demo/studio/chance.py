"""Random streams that depend on a home's seed and a name, so that adding a draw in one place moves no other."""

import zlib
from collections.abc import Mapping, Sequence
from typing import TypeVar

import numpy as np

Rng = np.random.Generator
T = TypeVar("T")


def stream(seed: int, *names: str | int) -> Rng:
    """A generator for one purpose of one home; the same seed and names give the same draws."""
    return np.random.default_rng([seed & 0xFFFFFFFF, zlib.crc32("/".join(map(str, names)).encode())])


def pick(rng: Rng, options: Sequence[T]) -> T:
    """One of the options, each as likely as its share of the sequence."""
    return options[int(rng.integers(len(options)))]


def weighted(rng: Rng, options: Mapping[str, float]) -> str:
    """One key, with probability in proportion to its value."""
    names = sorted(options)
    weights = np.array([options[name] for name in names], dtype=float)
    return names[int(rng.choice(len(names), p=weights / weights.sum()))]
