"""Ranking metrics from 1-based ranks; always a mean over users, never over batches."""

from dataclasses import dataclass

import numpy as np

from listing_vibes.defaults import K


@dataclass(frozen=True)
class Cutoffs:
    """How deep each metric looks into a list."""

    recall: tuple[int, ...] = (10, 30, 100)
    ndcg: tuple[int, ...] = (10, 30)
    coverage: int = K

    @property
    def names(self) -> list[str]:
        """The metrics of a query, in the order of `per_query`."""
        return [*(f"recall@{k}" for k in self.recall), *(f"ndcg@{k}" for k in self.ndcg), "mrr"]


DEFAULT = Cutoffs()


def per_query(ranks: np.ndarray, cutoffs: Cutoffs = DEFAULT) -> np.ndarray:
    """(Q, M) float64: the metrics `cutoffs.names` of each query, whose one target has rank `ranks` (Q,), 1 is best.

    With one relevant listing recall@k is a hit or a miss, and the ideal DCG is 1, so NDCG@k is 1 / log2(rank + 1)
    inside the first k (Järvelin & Kekäläinen 2002). MRR is not cut off.
    """
    ranks = np.asarray(ranks, np.float64)  # (Q,)
    gain = 1 / np.log2(ranks + 1)
    columns = [(ranks <= k).astype(np.float64) for k in cutoffs.recall]
    columns += [np.where(ranks <= k, gain, 0.0) for k in cutoffs.ndcg]
    return np.column_stack([*columns, 1 / ranks])  # (Q, M)


def user_means(values: np.ndarray, user: np.ndarray) -> np.ndarray:
    """(U, M): the mean of `values` (Q, M) over the queries of each user in `user` (Q,), users in ascending order."""
    _, which, size = np.unique(user, return_inverse=True, return_counts=True)
    sums = [np.bincount(which, weights=column, minlength=len(size)) for column in values.T]
    return np.column_stack(sums) / size[:, None]  # (U, M)


def smooth_recall(ranks: np.ndarray, k: int = K) -> np.ndarray:
    """1 / (1 + (rank / k)^4): nearly 1 inside the first k, a half at rank k, soon 0 behind.

    For choosing alone: of some hundred validation queries a few lie at the very edge of a list, and hits and misses
    would choose by them.
    """
    return 1 / (1 + (np.asarray(ranks) / k) ** 4.0)


class Coverage:
    """Which listings have been in anybody's list, gathered batch by batch in O(L) memory.

    `low` and `high` hold the smallest and the largest user that was shown a listing: where they are equal, one user
    alone accounts for it, which is all that the jackknife needs.
    """

    def __init__(self, listings: int) -> None:
        self.low = np.full(listings, np.iinfo(np.int64).max)  # (L,)
        self.high = np.full(listings, -1, np.int64)  # (L,)
        self.candidate = np.zeros(listings, bool)  # (L,)

    def add(self, user: np.ndarray, listing: np.ndarray, allowed: np.ndarray) -> None:
        """Count the `listing`s (n,) that were in lists of the users `user` (n,), chosen from the candidates `allowed` (B, L)."""
        for mine in allowed:
            self.candidate |= mine
        np.minimum.at(self.low, listing, user)
        np.maximum.at(self.high, listing, user)

    @property
    def value(self) -> float:
        """The share of all candidate listings that were in at least one list."""
        return float(np.count_nonzero(self.high >= 0) / max(1, self.candidate.sum()))

    def interval(self, users: np.ndarray) -> tuple[float | None, float | None]:
        """95 % interval over the users `users` (distinct), None with fewer than two.

        By the delete-one-user jackknife: a bootstrap sample lacks a third of the users, so its coverage is too low by
        construction. The jackknife's variance errs to the wide side (Efron & Stein 1981, Annals of Statistics 9).
        """
        count = len(users)
        if count < 2:
            return None, None
        lone = self.low[(self.high >= 0) & (self.low == self.high)]
        # (U,) how many listings each user alone was shown
        only = np.bincount(np.searchsorted(np.sort(users), lone), minlength=count)
        variance = (count - 1) / count * np.square(only - only.mean()).sum()
        half = 1.96 * float(np.sqrt(variance)) / max(1, int(self.candidate.sum()))
        return max(0.0, self.value - half), min(1.0, self.value + half)
