"""Export tables so that spreadsheets read them safely."""

from typing import Any

import pandas as pd

#: The first characters of a text that a spreadsheet would run as a formula.
FORMULA = ("=", "+", "-", "@", "\t", "\r")


def spreadsheet_csv(frame: pd.DataFrame) -> bytes:
    r"""Return a table as CSV with a UTF-8 byte order mark: lists joined by semicolons, and an apostrophe before texts
    that a spreadsheet would run as formulas.

    >>> spreadsheet_csv(pd.DataFrame({"title": ["=A1"], "has": [["Wifi", "Sauna"]], "change": [-1.5]})).decode("utf-8-sig")
    "title,has,change\n'=A1,Wifi; Sauna,-1.5\n"
    """
    return neutralized(frame).to_csv(index=False, lineterminator="\n").encode("utf-8-sig")


def neutralized(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the table with an apostrophe before texts that a spreadsheet would run as formulas, and lists joined."""
    safe = frame.rename(columns=_cell)
    for position, dtype in enumerate(safe.dtypes):
        if dtype.kind not in "biufcmM":  # text of Arrow or Python, and any other objects
            safe.isetitem(position, [_cell(value) for value in safe.iloc[:, position]])
    return safe


def _cell(value: Any) -> Any:
    text = "; ".join(map(str, value)) if isinstance(value, list) else value
    return f"'{text}" if isinstance(text, str) and text.startswith(FORMULA) else text
