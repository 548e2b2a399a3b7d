"""Names that users gave to groups of a map; they are kept in the run, or in the user's cache if the run is read-only.

A name belongs to the most typical listing of its group at that time, so that it stays there when the map is drawn again.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from pydantic import BaseModel, TypeAdapter, ValidationError

from listing_vibes.errors import VibesError, printable
from listing_vibes.market.caches import run_cache, run_cache_file
from listing_vibes.market.documents import write_text
from listing_vibes.run.run import Run

FILE = "group_names.json"
LONGEST = 60  # characters of a name


class GroupName(BaseModel):
    """A name, and the listing whose group has it."""

    space: str
    name: str
    listing: str


_NAMES = TypeAdapter(list[GroupName])


def given_names(run: Run, space: str, ids: Sequence[str] | np.ndarray, cluster: np.ndarray) -> dict[int, str]:
    """Return the names that users gave, by group.

    Args:
        ids: (n,) listings on the map of `space`.
        cluster: (n,) group of each, -1 for none.
    """
    group_of = dict(zip(ids, cluster.tolist(), strict=True))
    return {group_of.get(item.listing, -1): item.name for item in _load(run) if item.space == space}


def save_name(run: Run, space: str, members: Sequence[str] | np.ndarray, name: str) -> None:
    """Store the name of the group with the listings `members`, the most typical first; an empty name removes it.

    Raises:
        VibesError: the name is too long, or the file cannot be written.
    """
    name = " ".join(printable(name).split())
    if len(name) > LONGEST:
        raise VibesError(f"The name has {len(name)} characters; give at most {LONGEST}.")
    listings = [str(member) for member in members]
    stored = [item for item in _load(run) if item.space != space or item.listing not in listings]
    if name:
        stored.append(GroupName(space=space, name=name, listing=listings[0]))
    write_text(run_cache(run.path) / FILE, _NAMES.dump_json(stored).decode())


def _load(run: Run) -> list[GroupName]:
    """Return the stored names; none if the file is missing or damaged."""
    try:
        return _NAMES.validate_json(run_cache_file(run.path, FILE).read_bytes())
    except (OSError, ValidationError):
        return []
