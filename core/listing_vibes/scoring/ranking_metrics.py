"""Ranking metrics from 1-based ranks, always a mean over users, never over batches; the names of rankings, the same everywhere.

A baseline has its name in its class (`listing_vibes.scoring.baselines`), neighbors in `listing_vibes.scoring.neighbors.NEIGHBORS`.
"""

import numpy as np

from listing_vibes.defaults import K
from listing_vibes.words import capitalize

#: The order that lists have unless another blend is requested.
DEFAULT_RANKING = "default ranking"
#: The trained model with nothing added.
MODEL_ONLY = "model only"
#: The untrained neighbors with recency.
NEAR_RECENT = "neighbors + recency"
#: Co-visits with content in closed form, and with neighbors and recency: all that the default ranking can have without a model.
CONTENT_EASE = "content EASE"
WITHOUT_MODEL = f"{CONTENT_EASE} + {NEAR_RECENT}"
#: The ceiling of a simulated market, which knows the tastes of its users: no baseline, but an upper bound.
ORACLE = "oracle"
CEILING = "Ceiling"
#: The cutoffs k of recall and of NDCG, and the names of all metrics, in the order of `per_query`.
RECALL, NDCG = (10, 30, 100), (10, 30)
METRICS = [*(f"recall@{k}" for k in RECALL), *(f"ndcg@{k}" for k in NDCG), "mrr"]
#: The metric of comparisons.
METRIC = "recall@30"


def blend_name(*parts: str) -> str:
    """Return the name of the model blended with `parts`, such as "model + neighbors + recency"; without parts `MODEL_ONLY`."""
    return " + ".join(("model", *parts)) if parts else MODEL_ONLY


def blend_parts(name: str) -> str:
    """Return what a ranking adds to the model, joined by +; "" where it adds nothing or is not a blend of the model."""
    model, _, parts = name.partition(" + ")
    return parts.replace(" + ", "+") if model in ("model", MODEL_ONLY) else ""


def uses_model(name: str) -> bool:
    """Return whether a ranking is the trained model's, alone or blended, and so no baseline of it."""
    return name in (DEFAULT_RANKING, MODEL_ONLY) or bool(blend_parts(name))


def method_name(name: str) -> str:
    """Return the name of a ranking at the start of a line or a cell; that of the oracle says what it means."""
    return CEILING if name == ORACLE else capitalize(name)


def per_query(ranks: np.ndarray) -> np.ndarray:
    """Return the `METRICS` (Q, M) float64 of each query, whose only target has rank `ranks` (Q,), from 1.

    With one relevant listing recall@k is a hit or a miss, and the ideal DCG is 1, so NDCG@k is 1 / log2(rank + 1)
    inside the first k (Järvelin & Kekäläinen 2002). MRR is not cut off.
    """
    ranks = np.asarray(ranks, np.float64)  # (Q,)
    gain = 1 / np.log2(ranks + 1)
    columns = [(ranks <= k).astype(np.float64) for k in RECALL]
    columns += [np.where(ranks <= k, gain, 0.0) for k in NDCG]
    return np.column_stack([*columns, 1 / ranks])  # (Q, M)


def user_means(values: np.ndarray, user: np.ndarray) -> np.ndarray:
    """Return (U, M): the means of `values` (Q, M) over the queries of each user in `user` (Q,), users in ascending order."""
    _, which, size = np.unique(user, return_inverse=True, return_counts=True)
    sums = [np.bincount(which, weights=column, minlength=len(size)) for column in values.T]
    return np.column_stack(sums) / size[:, None]  # (U, M)


def smooth_recall(ranks: np.ndarray) -> np.ndarray:
    """Return 1 / (1 + (rank / 30)^4): almost 1 within the first 30, 1/2 at rank 30, then quickly 0.

    It is only used for model selection: with some hundred validation queries, recall would depend on the few targets with a rank
    close to 30.
    """
    return 1 / (1 + (np.asarray(ranks) / K) ** 4.0)


class Coverage:
    """Catalog coverage of lists, accumulated batch by batch in O(L) memory.

    `low` and `high` are the smallest and the largest user with each listing in a list: if they are equal, only one user has it,
    which is what the jackknife needs.
    """

    def __init__(self, listings: int) -> None:
        self.low = np.full(listings, np.iinfo(np.int64).max)  # (L,)
        self.high = np.full(listings, -1, np.int64)  # (L,)
        self.candidate = np.zeros(listings, bool)  # (L,)

    def add(self, user: np.ndarray, listing: np.ndarray, allowed: np.ndarray) -> None:
        """Count the `listing`s (n,) that were in lists of the users `user` (n,), chosen from the candidates `allowed` (B, L)."""
        for candidates in allowed:
            self.candidate |= candidates
        np.minimum.at(self.low, listing, user)
        np.maximum.at(self.high, listing, user)

    @property
    def value(self) -> float:
        """Return the share of candidate listings that were in at least one list."""
        return float(np.count_nonzero(self.high >= 0) / max(1, self.candidate.sum()))

    def interval(self, users: np.ndarray) -> tuple[float | None, float | None]:
        """Return the 95 % interval over the users `users` (distinct); None with fewer than two.

        It is the delete-one-user jackknife, since a bootstrap sample lacks a third of the users, so that its coverage is
        biased down. The jackknife overestimates the variance (Efron & Stein 1981, Annals of Statistics 9).
        """
        count = len(users)
        if count < 2:
            return None, None
        lone = self.low[(self.high >= 0) & (self.low == self.high)]
        # (U,) the number of listings that only this user has
        only = np.bincount(np.searchsorted(np.sort(users), lone), minlength=count)
        variance = (count - 1) / count * np.square(only - only.mean()).sum()
        half = 1.96 * float(np.sqrt(variance)) / max(1, int(self.candidate.sum()))
        return max(0.0, self.value - half), min(1.0, self.value + half)
