"""Measures on pages: shares as percentages, and intervals."""

import pandas as pd

from listing_vibes.words import percent
from listing_vibes_app.kit.charts import interval

RECALL_HELP = "Of the listings that users interacted with next, the share that was in our 30."


def recall_columns(table: pd.DataFrame) -> dict[str, list[str]]:
    """Return the columns "Recall@30" and "95 % interval" of lines with `value`, `low` and `high`."""
    ends = zip(table["low"], table["high"], strict=True)
    return {"Recall@30": [*map(percent, table["value"])], "95 % interval": [interval(*end) for end in ends]}
