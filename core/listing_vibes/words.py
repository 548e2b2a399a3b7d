"""Formatting of numbers and names in sentences, of estimates and tables as text; the words of a text in any script; HTML as plain text."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Mapping
from io import StringIO
from itertools import islice
from typing import TYPE_CHECKING, Any

#: Chinese and Japanese have no spaces between words, so they are split into character bigrams, as search engines do (CJK bigrams).
_CJK = "\u3005-\u3007\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uff66-\uff9f\U00020000-\U0003ffff"
_UNSPACED = re.compile(f"[{_CJK}]+")
_WORD = re.compile(f"[{_CJK}]+|(?:(?![{_CJK}])[^\\W_])+")
#: Marks of HTML: an end tag, or a void element; "a < b" and "<3" are not.
_HTML = re.compile(r"</[a-z][a-z0-9]*\s*>|<(?:br|p|li|hr)\b[^<>]*>", re.IGNORECASE)
_TAG = re.compile(r"</?[a-zA-Z][^<>]*>")
_HIDDEN = re.compile(r"<(script|style)\b.*?(?:</\1\s*>|\Z)|<!--.*?(?:-->|\Z)", re.IGNORECASE | re.DOTALL)
#: Numbers of characters that no character has; `html.unescape` fails on one of 5,000 digits.
_NO_CHARACTER = re.compile(r"&#(?:[xX][0-9a-fA-F]{9,}|[0-9]{9,});?")
_SOME = 1_000  # texts that the script is inferred from
#: Maximum width of a table in characters; headings and cells of wider tables are wrapped.
WIDTH = 160


def count(value: int, singular: str, plural: str = "") -> str:
    """Return a counted noun: `1 listing`, `1,234 listings`."""
    return f"{value:,} {singular if value == 1 else plural or singular + 's'}"


def capitalize(text: str) -> str:
    """Return a text with a capital first letter; the others stay as they are."""
    return text[:1].upper() + text[1:]


def enumerated(names: list[str]) -> str:
    """Return names joined for a sentence: `a`, `a and b`, `a, b and c`."""
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def cut(text: str, length: int) -> str:
    """Return a text of at most `length` characters, with an ellipsis at the end if it was cut."""
    return text if len(text) <= length else text[: length - 1].rstrip() + "…"


def percent(
    share: float,
    decimals: int = 1,
    unit: str = "%",
    *,
    bounds: tuple[str, str] | None = None,
    signed: bool = False,
) -> str:
    """Return a share as a percentage: `12.3%`.

    Args:
        unit: suffix of the number, such as "%" or " %".
        bounds: prefixes for shares that are not 0 or 1 but would be rounded to 0 or 100: ("under ", "over ") gives `under 1%` and
            `over 99%`; None: they are rounded.
        signed: also write the sign of positive numbers.
    """
    least = 10.0 ** -(decimals + 2)
    if bounds and 0 < share < least:
        return f"{bounds[0]}{100 * least:.{decimals}f}{unit}"
    if bounds and 1 - least < share < 1:
        return f"{bounds[1]}{100 - 100 * least:.{decimals}f}{unit}"
    return f"{100 * share:{'+' if signed else ''}.{decimals}f}{unit}"


def words(text: str) -> list[str]:
    """Return the lower-case words of a text without punctuation; numbers stay. A script without spaces gives overlapping bigrams.

    >>> words("Sunny flat, 2 rooms"), words("東京駅近く")
    (['sunny', 'flat', '2', 'rooms'], ['東京', '京駅', '駅近', '近く'])
    """
    text = text.lower()
    if not unspaced(text):
        return re.findall(r"[^\W_]+", text)
    results: list[str] = []
    for word in _WORD.findall(text):
        pairs = [word[start : start + 2] for start in range(len(word) - 1)] if unspaced(word) else []
        results += pairs or [word]
    return results


def unspaced(text: str) -> bool:
    """Return whether a text has characters of a script without spaces."""
    return not text.isascii() and _UNSPACED.search(text) is not None


def gaps(text: str) -> int:
    """Return the number of gaps between words: spaces, and one for three characters of a script without spaces."""
    return text.count(" ") + (len("".join(_UNSPACED.findall(text))) // 3 if unspaced(text) else 0)


def is_latin(texts: Iterable[str]) -> bool:
    """Return whether most letters of the first thousand texts are Latin; True where there are no letters."""
    letters = [letter for text in islice(texts, _SOME) for letter in text if letter.isalpha()]
    return 2 * sum(letter < "\u0250" or "\u1e00" <= letter <= "\u1eff" for letter in letters) >= len(letters)


def plain_text(text: str) -> str:
    """Convert HTML to text without tags, entities and scripts, with single spaces."""
    text = _NO_CHARACTER.sub("\ufffd", _TAG.sub(" ", _HIDDEN.sub(" ", text)))
    return " ".join(html.unescape(text).split())


def without_markup(text: str) -> str:
    """Return a text unchanged, or as plain text where it has tags.

    >>> without_markup("<p>Tom&nbsp;&amp; <b>Ann</b></p>"), without_markup("a < b &amp; c > d")
    ('Tom & Ann', 'a < b &amp; c > d')
    """
    return plain_text(text) if "<" in text and _HTML.search(text) else text


if TYPE_CHECKING:
    import pandas as pd


def render_table(frame: pd.DataFrame) -> str:
    """Return a frame as text with aligned columns; numbers, and texts that begin with a number, are right-aligned."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, show_edge=False)
    texts = frame.map(_cell).to_numpy(object) if len(frame) else frame.to_numpy(object)
    for place, name in enumerate(frame.columns):
        is_right = bool(len(texts)) and all(text[:1] in "0123456789.-+<" for text in texts[:, place])
        table.add_column(Text(str(name)), justify="right" if is_right else "left", overflow="fold")
    for row in texts:
        table.add_row(*map(Text, row))
    out = StringIO()
    Console(file=out, width=WIDTH, color_system=None, emoji=False, force_jupyter=False).print(table)
    return "\n".join(line.rstrip() for line in out.getvalue().splitlines())


def _cell(value: Any) -> str:
    return "-" if value is None or value != value else str(value)


def write_interval(estimate: Mapping[str, Any], signed: bool = False) -> str:
    """Return the 95 % interval of an estimate, `low` to `high`; "one user" if there is none."""
    low, high = estimate["low"], estimate["high"]
    if low is None or low != low:
        return "one user"
    return f"{low:+.3f} to {high:+.3f}" if signed else f"{low:.3f}-{high:.3f}".replace("0.", ".")


def write_p(value: float | None) -> str:
    """Return a p-value in the usual format, such as `.031` or `< .001`."""
    if value is None:
        return "-"
    return "< .001" if value < 0.001 else f"{value:.3f}".replace("0.", ".", 1)


def write_difference(estimate: Mapping[str, Any]) -> str:
    """Return a paired difference with its 95 % interval and its corrected p-value."""
    return (
        f"{estimate['value']:+.3f} ({write_interval(estimate, signed=True)}) p {write_p(estimate['p_holm'])}"
    )
