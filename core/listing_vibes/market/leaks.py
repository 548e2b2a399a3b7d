"""Find columns that leak the future: by their names, their text, and their correlation with the number of events."""

import re

import numpy as np
import pandas as pd

#: Names of columns whose values are known only after the moment of prediction.
LEAK_NAMES = re.compile(
    r"^(number_of_reviews.*|n_?reviews|reviews?_.*|.*_reviews?|rating.*|.*_rating|stars?|score.*|estimated_.*|availability_.*"
    r"|((number_of|num|n|total)_?)?(views?|clicks?|favou?rites?|likes?|saves|sales|orders|bookings)(_?(count|total))?"
    r"|has_availability|calendar_.*|last_.*|sold.*|is_sold|.*_sold"
    r"|days_on_market|final_price|closing_price|price_history|.*_ltm|.*_l30d|(host_)?is_superhost|host_(response|acceptance)_.*)$",
    re.IGNORECASE,
)
MOST_TEXTS = 20_000
#: From this share of cells with a rating on, and from this correlation with the number of events on, a column counts as a leak.
LEAST_SHARE, LEAST_CORRELATION = 0.05, 0.6
#: A rating or a number of reviews inside a text: "★4.87", "★New", "4.9/5", "4,5 out of 5", "231 reviews".
RATING_WORDS = (
    r"★\s*(?:\d(?:[.,]\d+)?|New)\s*(?:·|$)|\b[0-5](?:[.,]\d+)?\s*(?:/|out of)\s*5\b|\b\d+ reviews?\b"
)


def leaks_by_name(names: list[str]) -> list[str]:
    """Return those of `names` whose wording suggests future knowledge (ratings, review counts, availability, ...)."""
    return [name for name in names if LEAK_NAMES.match(name)]


def leaks_by_text(texts: pd.DataFrame) -> list[str]:
    """Return the text columns in which a share of at least `LEAST_SHARE` of the cells has a rating or a number of reviews.

    At most `MOST_TEXTS` cells of a column are read, evenly spread, which estimates a share of .05 to about .003.
    """
    leaks = []
    for name in texts.columns:
        cells = texts[name].dropna().astype("str")
        cells = cells.iloc[np.linspace(0, len(cells) - 1, min(MOST_TEXTS, len(cells))).astype(int)]
        if len(cells) and cells.str.contains(RATING_WORDS, case=False).mean() >= LEAST_SHARE:
            leaks.append(name)
    return leaks


def leaks_by_counts(numbers: pd.DataFrame, events_per_listing: np.ndarray) -> list[str]:
    """Return the numeric columns whose Spearman correlation with the events per listing (L,) is at least `LEAST_CORRELATION`.

    An attribute that is known before the events seldom predicts popularity that well; a count taken afterwards does.
    """
    counts = pd.Series(events_per_listing)
    if counts.nunique() < 2:
        return []
    columns = {name: pd.Series(numbers[name].to_numpy(float)) for name in numbers.columns}
    columns = {name: item for name, item in columns.items() if item.count() >= 50 and item.nunique() >= 3}
    return [
        name
        for name, column in columns.items()
        if abs(np.corrcoef(column.dropna().rank(), counts.rank()[column.notna()])[0, 1]) >= LEAST_CORRELATION
    ]
