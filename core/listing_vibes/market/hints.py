"""What `check` says of columns that may not be read as they were meant: one hint for figures that are no numbers, and why one is unused."""

import json
import re

import pandas as pd

from listing_vibes.market.columns import Columns as C
from listing_vibes.market.defects import Defect, Notes
from listing_vibes.market.kinds import Cells
from listing_vibes.market.values import CURRENCY, is_textual, to_numbers

FIRST = 1_000  # cells by which a column is judged
MOST_UNREAD = 0.1  # share of cells that are no numbers, from which on a column is no column of numbers
#: An amount that is written in any way, but no code such as 3fa9c2, and no address.
_FIGURES = re.compile(
    rf"(?!.*[a-wyzA-WYZ]\d)(?!(?:[\W\d_]*[^\W\d_]){{9}})[-+−~≈<>≤≥(\[]*\s?(?:{CURRENCY})?\s?\d.{{0,40}}"
)
_THREE_DECIMALS = re.compile(r"\D{0,8}[1-9]\d{0,2}\.\d{3}(?!\d)[^\d.,]*")
_HUNDREDS = re.compile(r"\D{0,8}\d{1,3}(?!\d)[^\d.,]*")


def note_unparsed(name: str, column: pd.Series, notes: Notes) -> bool:
    """Add a hint to a column of figures that are no numbers in more than a tenth of its cells, and so are words; return whether."""
    if not is_textual(column):
        return False
    cells = column.dropna().astype("str").str.strip()
    first = cells.head(FIRST)
    bad = to_numbers(first)[1]
    if not len(first) or bad.mean() < MOST_UNREAD or Cells(name, column).dated:
        return False
    if first.str.fullmatch(_FIGURES).mean() <= 0.5:
        return False
    shown = ", ".join(f"'{cell[:40]}'" for cell in first[bad].unique()[:3])
    message = (
        f"is read as words: {bad.mean():.0%} of its cells, such as {shown}, are no numbers; if they are, write bare numbers, or say "
        f'[attributes.{json.dumps(name, ensure_ascii=False)}] kind = "number" in market.toml (what cannot be read is missing then), with decimal = "," '
        "where a comma parts decimals"
    )
    notes.defects.append(Defect(notes.file, name, 0, "", message))
    return True


def note_thousands(name: str, column: pd.Series, notes: Notes) -> None:
    """Add a hint to numbers that are all such as 12.345, or below 1,000, so that nothing tells thousands from three decimals."""
    if not is_textual(column):
        return
    cells = column.astype("str").str.strip().where(column.notna(), "")
    parted = cells.str.fullmatch(_THREE_DECIMALS).to_numpy(bool)
    if (
        parted.any()
        and (parted | cells.str.fullmatch(_HUNDREDS).to_numpy(bool))[cells.str.contains(r"\d")].all()
    ):
        message = (
            'is read with three decimals, as all that have a point; if it parts thousands, say decimal = "," in market.toml, '
            'else decimal = "."'
        )
        notes.add(name, parted, column, message)


def why_unused(name: str, column: pd.Series, raw: pd.DataFrame) -> str:
    """Return what to say of a column of `raw` that is no attribute."""
    if not column.notna().any():
        return "is empty; it is not used"
    dates = pd.api.types.is_datetime64_any_dtype(column.dtype) or Cells(name, column).dated
    since = {C.PUBLISHED: "since when", C.EXPIRES: "until when"}
    missing = [moment for moment in since if moment not in raw.columns]
    if not dates or not missing:
        return "holds only identifiers or dates; it is not used"
    when = " or ".join(since[moment] for moment in missing)
    return f"holds only identifiers or dates; it is not used. If it says {when} a listing can be had, call it {' or '.join(missing)}"
