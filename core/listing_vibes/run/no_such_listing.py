"""What is told of a listing id that is not there."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches
from itertools import islice
from pathlib import Path

from listing_vibes.errors import NotThere

#: Of so many ids at most, so many that begin alike are compared with one that is not there, while somebody waits.
MOST_COMPARED, MOST_ALIKE = 100_000, 3_000


def no_such_listing(listing_id: str, known: Sequence[str], place: Path | str) -> NotThere:
    """Return the error of an id that is not among those `known` in a `place`, with the nearest one."""
    near, like = "", listing_id.casefold().strip()[:100]
    if len(known) <= MOST_COMPARED:
        alike = (one for one in known if one[:2].casefold() == like[:2])
        by_text = {one.casefold(): one for one in islice(alike, MOST_ALIKE)}
        near = "".join(by_text[one] for one in get_close_matches(like, by_text, 1))
    if near:
        return NotThere(f"There is no listing '{listing_id}' in {place}; did you mean '{near}'?")
    example = f" (for example '{known[0]}')" if known else ""
    return NotThere(f"There is no listing '{listing_id}' in {place}; give one of its listing ids{example}.")
