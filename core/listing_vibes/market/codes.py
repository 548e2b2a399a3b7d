"""Categories whose values are codes: numbers of products, postal codes, ids of hosts; a person reads nothing in them."""

import re

import pandas as pd

LOOKED_AT = 1_000  # values of a column
MANY = 100  # different whole numbers that are codes, however short: nobody reads "69" as a manufacturer
_CODE = re.compile(r"\d{5,}|[0-9a-f-]{16,}", re.IGNORECASE)  # a year or a number of rooms is shorter


def is_code(values: pd.Series) -> bool:
    """Whether most of the different values among the first of a column are codes; those of a number or a set never are."""
    words = {one for one in values.head(LOOKED_AT) if isinstance(one, str)}
    numbered = len(words) >= MANY
    codes = [one for one in words if _CODE.fullmatch(one) or (numbered and one.isdecimal())]
    return bool(words) and 2 * len(codes) >= len(words)
