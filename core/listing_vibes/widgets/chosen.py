"""The listings chosen in a widget, as a table."""

from collections.abc import Sequence

import pandas as pd

from listing_vibes.market.columns import Columns as C
from listing_vibes.run.run import Run


def chosen_frame(run: Run, selected: Sequence[str]) -> pd.DataFrame:
    """Return the market's rows of the `selected` listings in their order, with all columns."""
    market = run.market
    rows = [market.listing_row[item] for item in selected]
    return market.listings.iloc[rows].reset_index(drop=True)


def facts_of(table: pd.DataFrame, row: int) -> list[list[str]]:
    """Return (label, value) of the readable columns of a listing from `listing_vibes.run.describe.describe_listings`."""
    left_out = {"listing", "title", "score", "rule", C.LISTING}
    given = [[str(name), str(table[name].iat[row])] for name in table if name not in left_out]
    return [item for item in given if item[1] != "-"]  # without missing values
