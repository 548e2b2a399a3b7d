"""Tests that may be looked at whenever one likes: always-valid p-values and intervals of a share.

The evidence against a share p after w successes among n is the likelihood ratio of a Beta mixture to p,

    M_n(p) = B(w + a, n - w + b) / B(a, b) / (p^w (1 - p)^(n - w)),

a martingale of mean 1 where p is the truth. By Ville's inequality (1939) it ever reaches 1/alpha with chance alpha at most,
however often it is looked at: the mixture sequential probability ratio test (Robbins 1970, "Statistical methods related to
the law of the iterated logarithm"; Johari, Koomen, Pekelis & Walsh, KDD 2017, "Peeking at A/B tests"). The shares that it has
never ruled out are a confidence sequence (Howard, Ramdas, McAuliffe & Sekhon 2021, "Time-uniform, nonparametric, nonasymptotic
confidence sequences"). Nothing here is asymptotic.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import betaln

LEVEL, POWER = 0.95, 0.8
#: a + b of the mixture, whose mean is the share of the null: as if so many had been seen. It decides at which differences the
#: test is quickest (about 1 / sqrt), never whether it is right.
MIXED = 100.0
#: A sequence is looked at after each of so many outcomes, then after every second until twice as many, every fourth until four
#: times: at the same places however long it becomes, so nothing that was ruled out comes back. Leaving some out keeps it valid.
LOOKS = 20_000
MOST = 10**9


@dataclass(frozen=True)
class AlwaysValid:
    """A share with its interval and p-value, each right at every moment at once.

    Attributes:
        value: of those so far; None of none.
        p_value: that it is the share of the null.
    """

    value: float | None
    low: float
    high: float
    p_value: float


def log_evidence(wins: np.ndarray, count: np.ndarray, share: np.ndarray | float, null: float) -> np.ndarray:
    """log M of `wins` among `count` against `share` (all of one shape), of the mixture around `null`."""
    a, b = null * MIXED, (1 - null) * MIXED
    losses = count - wins
    mixed = betaln(wins + a, losses + b) - betaln(a, b)
    return mixed - wins * np.log(share) - losses * np.log1p(-np.asarray(share))


def always_valid(outcomes: np.ndarray, null: float = 0.5, level: float = LEVEL) -> AlwaysValid:
    """The share of successes among `outcomes` (n,) bool, in the order in which they became known."""
    count = len(outcomes)
    if not count:
        return AlwaysValid(None, 0.0, 1.0, 1.0)
    looks = _looks(count)  # (K,)
    wins = np.cumsum(outcomes, dtype=np.int64)[looks - 1]
    p = float(np.exp(-log_evidence(wins, looks, null, null).max()))
    low, high = _bounds(wins, looks, null, level)
    return AlwaysValid(float(np.mean(outcomes)), float(low.max()), float(high.min()), min(1.0, p))


def _looks(count: int) -> np.ndarray:
    """(K,) ascending: after how many of `count` outcomes it is looked, see `LOOKS`."""
    result, step, end = [np.arange(1, min(count, LOOKS) + 1)], 2, LOOKS
    while end < count:
        result.append(np.arange(end + step, min(count, 2 * end) + 1, step))
        step, end = 2 * step, 2 * end
    return np.concatenate(result)


def _bounds(wins: np.ndarray, count: np.ndarray, null: float, level: float) -> tuple[np.ndarray, np.ndarray]:
    """(K,) each: between which shares the evidence is below 1 / (1 - level). It is convex in the share, least at wins / count."""
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


def needed(share: float, null: float = 0.5, level: float = LEVEL, power: float = POWER) -> int | None:
    """After how many outcomes the test has ended with a chance of `power`, where the true share is `share`; None: never.

    The least n at which the evidence suffices although the successes are as few as in the (1 - power) unluckiest of cases, by
    the normal approximation; tests that end before and would not have ended then make it a little pessimistic.
    """
    if share == null:
        return None
    from scipy.stats import norm

    limit = -np.log1p(-level)
    away = -np.sign(share - null) * norm.ppf(power)

    def ends(count: int) -> bool:
        wins = share * count + away * np.sqrt(count * share * (1 - share))
        if (wins - null * count) * (share - null) <= 0:
            return False
        wins = np.clip(wins, 0, count)
        return bool(log_evidence(np.array(wins), np.array(count), null, null) >= limit)

    high = 1
    while not ends(high):
        high *= 2
        if high > MOST:
            return None
    low = high // 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if ends(middle) else (middle, high)
    return high
