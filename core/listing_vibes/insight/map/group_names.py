"""Names that users gave to groups of a map; they are kept in the run, or in the user's cache if the run is read-only.

A name belongs to the listings of its group at that time, so that it stays with them when the map is drawn again.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import numpy as np

from listing_vibes.errors import VibesError, printable
from listing_vibes.market.caches import run_cache, run_cache_file
from listing_vibes.market.durable import atomic_path
from listing_vibes.run.run import Run

FILE = "group_names.json"
LONGEST = 60  # characters of a name
MEMBERS = 200  # listings stored with a name


def given_names(run: Run, space: str, ids: Sequence[str] | np.ndarray, cluster: np.ndarray) -> dict[int, str]:
    """Return the names that users gave, by group: a name goes to the group that has most of the listings it was given to.

    Args:
        ids: (n,) listings on the map of `space`.
        cluster: (n,) group of each, -1 for none.
    """
    stored = [item for item in _load(run) if item["space"] == space]
    if not stored:
        return {}
    group_of = dict(zip(ids, cluster.tolist(), strict=True))
    names = {}
    for item in stored:
        votes = Counter(group_of[name] for name in item["listings"] if name in group_of)
        if votes and (best := votes.most_common(1)[0])[0] >= 0 and 2 * best[1] > votes.total():
            names[best[0]] = item["name"]
    return names


def save_name(run: Run, space: str, members: Sequence[str] | np.ndarray, name: str) -> None:
    """Store the name of the group with the listings `members`; an empty name removes it.

    Raises:
        VibesError: the name is too long, or the file cannot be written.
    """
    name = " ".join(printable(name).split())
    if len(name) > LONGEST:
        raise VibesError(f"The name has {len(name)} characters; give at most {LONGEST}.")
    mine = set(members)
    stored = [
        item
        for item in _load(run)
        if item["space"] != space or 2 * len(mine.intersection(item["listings"])) <= len(item["listings"])
    ]
    if name:
        sample = np.random.default_rng(0).permutation(np.asarray(members, str))[:MEMBERS]
        stored.append({"space": space, "name": name, "listings": sorted(sample.tolist())})
    try:
        with atomic_path(run_cache(run.path) / FILE) as temporary:
            temporary.write_text(json.dumps(stored, ensure_ascii=False), encoding="utf-8")
    except OSError as error:
        raise VibesError(f"Cannot write {run_cache(run.path) / FILE}: {error.strerror}.") from error


def _load(run: Run) -> list[dict[str, Any]]:
    """Return the stored names; none if the file is missing or damaged."""
    with suppress(OSError, ValueError, KeyError, TypeError):
        stored = json.loads(run_cache_file(run.path, FILE).read_text(encoding="utf-8"))
        return [
            {
                "space": str(item["space"]),
                "name": str(item["name"]),
                "listings": list(map(str, item["listings"])),
            }
            for item in stored
        ]
    return []
