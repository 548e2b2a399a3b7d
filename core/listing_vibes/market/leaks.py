"""Columns that tell the future: by their names, and by how well they foretell the number of events."""

import re

import numpy as np
import pandas as pd

#: Names of columns that hold what became known only after the moment of prediction.
LEAK_NAMES = re.compile(
    r"^(number_of_reviews.*|n_?reviews|reviews?_.*|.*_reviews?|rating.*|.*_rating|stars?|score.*|estimated_.*|availability_.*"
    r"|((number_of|num|n|total)_?)?(views?|clicks?|favou?rites?|likes?|saves|sales|orders|bookings)(_?(count|total))?"
    r"|has_availability|calendar_.*|last_.*|sold.*|is_sold|.*_sold"
    r"|days_on_market|final_price|closing_price|price_history|.*_ltm|.*_l30d|(host_)?is_superhost|host_(response|acceptance)_.*)$",
    re.IGNORECASE,
)

MOST_TEXTS = 20_000
#: A rating or a number of reviews inside a text: "★4.87", "★New", "4.9/5", "4,5 out of 5", "231 reviews".
RATING_WORDS = re.compile(
    r"★\s*(?:\d(?:[.,]\d+)?|New)\s*(?:·|$)|\b[0-5](?:[.,]\d+)?\s*(?:/|out of)\s*5\b|\b\d+ reviews?\b",
    re.IGNORECASE,
)


def leaks_by_name(names: list[str]) -> list[str]:
    """Those of `names` that by their wording hold the future (ratings, review counts, availability, ...)."""
    return [name for name in names if LEAK_NAMES.match(name)]


def leaks_by_text(texts: pd.DataFrame, threshold: float = 0.05) -> list[str]:
    """Text columns of which a share of at least `threshold` of the cells that are there tells a rating or a number of reviews.

    So many as `MOST_TEXTS` are read of a column at most, evenly spread: that tells a share of .05 to some .003.
    """
    found = []
    for name in texts.columns:
        cells = texts[name].dropna().astype("str")
        if len(cells) > MOST_TEXTS:
            cells = cells.iloc[np.linspace(0, len(cells) - 1, MOST_TEXTS).astype(int)]
        if (
            len(cells)
            and np.mean([RATING_WORDS.search(cell) is not None for cell in cells.tolist()]) >= threshold
        ):
            found.append(name)
    return found


def leaks_by_counts(
    numbers: pd.DataFrame, events_per_listing: np.ndarray, threshold: float = 0.6
) -> list[str]:
    """Numeric columns whose Spearman correlation with the events per listing (L,) is at least `threshold`.

    An attribute known beforehand seldom foretells popularity that well; a count taken afterwards does.
    """
    counts = pd.Series(events_per_listing).rank()
    if counts.nunique() < 2:
        return []
    found = []
    for name in numbers.columns:
        column = pd.Series(numbers[name].to_numpy(float))
        known = column.notna()
        if known.sum() < 50 or column[known].nunique() < 3:
            continue
        if abs(np.corrcoef(column[known].rank(), counts[known])[0, 1]) >= threshold:
            found.append(name)
    return found
