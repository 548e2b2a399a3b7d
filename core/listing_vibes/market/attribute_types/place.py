"""Geographic locations, from the columns latitude and longitude."""

from typing import Any

import numpy as np
import pandas as pd

from listing_vibes.errors import VibesError
from listing_vibes.market.attribute_types import AttributeType, AttributeVocabulary, Tokens
from listing_vibes.market.attribute_types._vocabulary import MOST_BEYOND
from listing_vibes.market.columns import MAX_COORDINATE
from listing_vibes.market.columns import Columns as C
from listing_vibes.market.values import to_numbers

PLACE_GRIDS = (4, 8, 16)  # cells per side, at quantiles of the training listings' coordinates


class Place(AttributeType):
    """One token with a set of three map cells, coarse to fine."""

    single_valued = short = has_traits = has_column = False
    shown_as = "place"

    def columns(self, name: str) -> tuple[str, ...]:
        return C.LATITUDE, C.LONGITUDE

    def parse(self, value: Any, label: str, column: str) -> Any:
        number, bad = to_numbers(pd.Series([value], dtype=object))
        if bad.any() or abs(number[0]) > MAX_COORDINATE[column]:
            raise VibesError(f"{label} is '{value}'; give degrees up to {MAX_COORDINATE[column]:.0f}.")
        return number[0]

    def distinct(self, listings: pd.DataFrame, name: str) -> int:
        return len(listings[[C.LATITUDE, C.LONGITUDE]].dropna().drop_duplicates())

    def words(self, listings: pd.DataFrame, name: str) -> list[str]:
        pairs = zip(listings[C.LATITUDE], listings[C.LONGITUDE], strict=True)
        return ["" if pd.isna(a) or pd.isna(b) else f"{a:.2f} {b:.2f}" for a, b in pairs]

    def fit(self, listings: pd.DataFrame, name: str, bins: int, min_count: int) -> AttributeVocabulary:
        grids = []
        for cells in PLACE_GRIDS:
            inner = np.linspace(0, 1, cells + 1)[1:-1]
            axes = (listings[axis].dropna().to_numpy(float) for axis in (C.LATITUDE, C.LONGITUDE))
            grids.append([np.quantile(axis, inner).tolist() if len(axis) else [] for axis in axes])
        return AttributeVocabulary(name=name, kind="place", grids=grids)

    def outgrown(self, entry: AttributeVocabulary, listings: pd.DataFrame) -> float:
        """Count locations outside the inner edges of the finest grid by more than the extent of these: those of another town."""
        places = listings[[C.LATITUDE, C.LONGITUDE]].dropna().to_numpy(float)  # (n, 2)
        if not len(places):
            return 0.0
        finest = entry.grids[-1] if entry.grids else [[], []]
        if not all(finest):  # it was fitted without locations
            return 1.0
        low, high = np.array([[edges[0], edges[-1]] for edges in finest]).T  # (2,)
        beyond = (places < 2 * low - high) | (places > 2 * high - low)
        share = float(beyond.any(axis=1).mean())
        return share if share > MOST_BEYOND else 0.0

    def tokenize(self, entry: AttributeVocabulary, listings: pd.DataFrame) -> list[Tokens]:
        degrees = listings[[C.LATITUDE, C.LONGITUDE]].to_numpy(float)  # (L, 2)
        present = np.flatnonzero(np.isfinite(degrees).all(axis=1))
        cells, first = [], entry.first  # coarse to fine
        for edges in entry.grids:
            row, column = (np.searchsorted(of, degrees[present, axis]) for axis, of in enumerate(edges))
            width = len(edges[1]) + 1
            cells.append(first + row * width + column)
            first += (len(edges[0]) + 1) * width
        return [Tokens(present, sets=np.stack(cells, axis=1).tolist())]
