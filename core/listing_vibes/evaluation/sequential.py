"""Sequential tests that are valid at any time: always-valid p-values and confidence sequences of a share.

The evidence against a share p after w successes among n is the likelihood ratio of a Beta mixture to p,

    M_n(p) = B(w + a, n - w + b) / B(a, b) / (p^w (1 - p)^(n - w)),

a martingale of mean 1 if p is the true share. By Ville's inequality (1939) it ever reaches 1/alpha with probability at most
alpha, at any number of checks: the mixture sequential probability ratio test (Robbins 1970, "Statistical methods related to
the law of the iterated logarithm"; Johari, Koomen, Pekelis & Walsh, KDD 2017, "Peeking at A/B tests"). The shares that were
never rejected are a confidence sequence (Howard, Ramdas, McAuliffe & Sekhon 2021, "Time-uniform, nonparametric, nonasymptotic
confidence sequences"). Nothing here is asymptotic.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import betaln

LEVEL = 0.95
#: a + b of the mixture, whose mean is the share of the null: a prior sample size. It determines the differences for which the
#: test is fastest (about 1 / sqrt), not its validity.
MIXED = 100.0
#: The numbers of outcomes after which a sequence is checked grow by this factor, from each of the first 2,000 on: they do not depend
#: on its length, so a rejected share stays rejected. Fewer checks keep the test valid.
GROWTH = 1.0005


@dataclass(frozen=True)
class AlwaysValid:
    """A share with its interval and p-value, which are valid at all times simultaneously.

    Attributes:
        value: the share so far; None without outcomes.
        p_value: of the null hypothesis.
    """

    value: float | None
    low: float
    high: float
    p_value: float


def log_evidence(wins: np.ndarray, count: np.ndarray, share: np.ndarray | float, null: float) -> np.ndarray:
    """Return log M of `wins` among `count` against `share` (all of one shape), for the mixture around `null`."""
    a, b = null * MIXED, (1 - null) * MIXED
    losses = count - wins
    mixed = betaln(wins + a, losses + b) - betaln(a, b)
    return np.asarray(mixed - wins * np.log(share) - losses * np.log1p(-np.asarray(share)))


def always_valid(outcomes: np.ndarray, null: float = 0.5, level: float = LEVEL) -> AlwaysValid:
    """Return the share of successes among `outcomes` (n,) bool in order of time, with its test."""
    count = len(outcomes)
    if not count:
        return AlwaysValid(None, 0.0, 1.0, 1.0)
    checks = _checks(count)  # (K,)
    wins = np.cumsum(outcomes, dtype=np.int64)[checks - 1]
    p = float(np.exp(-log_evidence(wins, checks, null, null).max()))
    low, high = _bounds(wins, checks, null, level)
    return AlwaysValid(float(np.mean(outcomes)), float(low.max()), float(high.min()), min(1.0, p))


def _checks(most: int) -> np.ndarray:
    """Return (K,) ascending: the numbers of outcomes up to `most` after which the sequence is checked, see `GROWTH`."""
    steps = np.arange(np.ceil(np.log(most) / np.log(GROWTH)) + 1)
    checks = np.unique(np.ceil(GROWTH**steps - 1e-9).astype(np.int64))
    return checks[checks <= most]


def _bounds(wins: np.ndarray, count: np.ndarray, null: float, level: float) -> tuple[np.ndarray, np.ndarray]:
    """Return (low (K,), high (K,)): the shares with evidence below 1 / (1 - level), which is convex with its minimum at wins / count."""
    least, limit = wins / count, -np.log1p(-level)
    results = []
    for end in (0.0, 1.0):
        out, within = np.full(len(count), end), least.copy()
        for _ in range(50):
            middle = (out + within) / 2
            with np.errstate(divide="ignore", invalid="ignore"):
                ruled_out = log_evidence(wins, count, middle, null) >= limit
            out, within = np.where(ruled_out, middle, out), np.where(ruled_out, within, middle)
        results.append(out)
    return results[0], results[1]
