"""Rankings of what is new in some respect: without the candidates that share an attribute with the history.

The same article in another colour, another flat of the same host: such a next listing is easy to foretell, and a figure
that rests on it says little about taste.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from scipy import sparse

from listing_vibes.errors import VibesError
from listing_vibes.market.columns import Columns as C
from listing_vibes.market.log import ranges
from listing_vibes.market.market import Market
from listing_vibes.market.splits import Queries


@dataclass(frozen=True, eq=False)
class NewBy:
    """Which listings have which values of one attribute, as a table of listings by values."""

    attribute: str
    member: sparse.csr_matrix = field(repr=False)  # (L, V) 1 where a listing has a value

    @classmethod
    def of(cls, market: Market, attribute: str) -> NewBy:
        """By an attribute of `market`; of a `multi` one a single common member makes two listings alike.

        Raises:
            VibesError: the market has no such attribute, or it is its place.
        """
        names = [one.name for one in market.attributes if one.name != C.PLACE]
        if attribute not in names:
            raise VibesError(
                f"Option --new-by is '{attribute}', which is no attribute of {market.path}; choose one of "
                f"{', '.join(names)}."
            )
        cells = market.listings[attribute]
        members = cells.reset_index(drop=True).explode().dropna()  # of a set each member has a row
        column, known = pd.factorize(members)
        ones = np.ones(len(members), np.int32)
        shape = (len(cells), max(1, len(known)))
        return cls(attribute, sparse.csr_matrix((ones, (members.index.to_numpy(), column)), shape))

    def candidates(self, listing: np.ndarray, batch: Queries) -> np.ndarray:
        """(B, L) bool: the listings that share no value with one of the history; `listing` (N,) of the log's events.

        A listing without a value shares none.
        """
        owner = np.repeat(np.arange(len(batch)), batch.length)
        told = listing[ranges(batch.start, batch.length)]
        shape = (len(batch), self.member.shape[0])
        history = sparse.csr_matrix((np.ones(len(told), np.int32), (owner, told)), shape)  # (B, L)
        shared = (history @ self.member) @ self.member.T  # (B, L)
        return np.asarray(shared.todense()) == 0
