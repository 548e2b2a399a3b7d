"""Evaluation on candidates that are new in some respect: without those that share an attribute with the history.

The same article in another color, another flat of the same host: such a next listing is easy to predict, and a metric
that counts it says little about taste.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from scipy import sparse

from listing_vibes.errors import VibesError
from listing_vibes.market.columns import Columns as C
from listing_vibes.market.log import EventLog, ranges
from listing_vibes.market.market import Market
from listing_vibes.market.splits import Queries


@dataclass(frozen=True, eq=False)
class NewBy:
    """The values of one attribute by listing."""

    attribute: str
    member: sparse.csr_matrix = field(repr=False)  # (L, V) 1 if a listing has a value

    @classmethod
    def of(cls, market: Market, attribute: str) -> NewBy:
        """Read an attribute of `market`; listings share a `multi` attribute if they have one common member.

        Raises:
            VibesError: the market has no such attribute, or it is the location.
        """
        names = [item.name for item in market.attributes if item.name != C.PLACE]
        if attribute not in names:
            raise VibesError(
                f"Option --new-by is '{attribute}', which is not an attribute of {market.path}; choose one of "
                f"{', '.join(names)}."
            )
        members = market.listings[attribute].reset_index(drop=True).explode().dropna()
        column, values = pd.factorize(members)
        shape = (len(market.listings), max(1, len(values)))
        ones = np.ones(len(members), np.int32)
        return cls(attribute, sparse.csr_matrix((ones, (members.index.to_numpy(), column)), shape))

    def candidates(self, log: EventLog, queries: Queries) -> np.ndarray:
        """Return which listings share no value with the history, (Q, L) bool."""
        shared = self._history_values(log, queries) @ self.member.T
        return np.asarray(shared.todense() == 0)

    def has_new_target(self, log: EventLog, queries: Queries) -> np.ndarray:
        """Return which queries have such a listing as their target, (Q,) bool."""
        shared = self._history_values(log, queries).multiply(self.member[queries.target])
        return np.asarray(shared.sum(axis=1) == 0).ravel()

    def _history_values(self, log: EventLog, queries: Queries) -> sparse.csr_matrix:
        """Return the counts of each value in each history, (Q, V)."""
        query = np.repeat(np.arange(len(queries)), queries.length)
        listing = log.listing[ranges(queries.start, queries.length)]
        shape = (len(queries), self.member.shape[0])
        return sparse.csr_matrix((np.ones(len(listing), np.int32), (query, listing)), shape) @ self.member
