"""Queries to a run from Python: one or several ids, as text or numbers, and histories in several formats."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from numbers import Integral, Real
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from listing_vibes.errors import NotThere, VibesError
from listing_vibes.market.columns import Columns as C
from listing_vibes.market.tables import as_ids
from listing_vibes.run.folder import RunFolder, no_such_listing
from listing_vibes.run.histories import Event, History

EXPLICIT = 'a history is certain as [{"listing_id": ...}, ...], users are as a frame with the column user_id'


class Queries(NamedTuple):
    """User ids and histories, and whether the query is a single one rather than a list."""

    queries: list[str | History]
    single: bool


def read_id(value: Any, what: str) -> str:
    """Return an id as text, as tables have it: 12, 12.0 and "12" are the same.

    Raises:
        VibesError: the value is neither text nor a whole number.
    """
    if isinstance(value, str):
        return str(value).strip()
    is_number = isinstance(value, Real) and not isinstance(value, bool)  # numpy's bool is not a `Real`
    if is_number and (isinstance(value, Integral) or float(value).is_integer()):
        return str(int(value))
    raise VibesError(f"{repr(value)[:40]} is not an id of a {what}; give a text or a whole number.")


def read_listings(listings: Any) -> tuple[list[str], bool]:
    """Return the ids of the listings that `Run.similar` is called with, and whether it is a single id rather than a list.

    Raises:
        VibesError: a member is not an id.
    """
    members = _members(listings)
    return [
        read_id(item, "listing") for item in ([listings] if members is None else members)
    ], members is None


def named_rows(run: RunFolder, ids: Sequence[str], rule: str) -> np.ndarray:
    """Return (n,) int64 rows of the listings that a rule names, each once.

    Raises:
        VibesError: an id is not a listing of the run.
    """
    for item in ids:
        if item not in run.listing_row:
            raise VibesError(
                f"Rule {rule} names '{item}', which is not a listing of {run.path}; give ids of its listings."
            )
    return np.array([run.listing_row[item] for item in dict.fromkeys(ids)], np.int64)


def read_queries(run: RunFolder, queries: Any) -> Queries:
    """Return the users and histories that `Run.recommend` is called with.

    A list of ids is read as several users if all are users, and as one history if all are listings. In a list of lists each
    member is a history.

    Raises:
        VibesError: an id is neither a user nor a listing or, in a list, is both; or a member is not a query.
    """
    if isinstance(queries, pd.DataFrame):
        return _read_frame(queries)
    members = _members(queries)
    if members is None and not isinstance(queries, Event | Mapping):
        user = read_id(queries, "user")
        if user not in run.user_number and user in run.listing_row:
            raise NotThere(
                f"There is no user '{user}' in {run.path}, but a listing; ask for what is similar to it, or give the history "
                f"['{user}']."
            )
        return Queries([user], True)
    members = [queries] if members is None else members
    if all(isinstance(member, Event | Mapping) for member in members):  # An empty list is an empty history.
        return Queries([_read_history(members)], True)
    if any(_is_history(member) for member in members):
        return Queries(
            [_read_history(member) if _is_history(member) else read_id(member, "user") for member in members],
            False,
        )
    return _read_ids(run, [read_id(member, "user or listing") for member in members])


def _read_ids(run: RunFolder, ids: list[str]) -> Queries:
    users, listings = (
        [item for item in ids if item in available] for available in (run.user_number, run.listing_row)
    )
    shown = ", ".join(ids[:3]) + (", ..." if len(ids) > 3 else "")
    if len(users) == len(listings) == len(ids):
        raise VibesError(f"[{shown}] may be users or listings of {run.path}; {EXPLICIT}.")
    if len(users) == len(ids) or (users and not listings):
        return Queries(list(ids), False)
    if len(listings) == len(ids):
        return Queries([[Event(item) for item in ids]], True)
    if users:
        raise VibesError(
            f"[{shown}] mixes users ('{users[0]}') and listings ('{listings[0]}'); give users, or the listings of one history."
        )
    if listings:
        missing = next(item for item in ids if item not in run.listing_row)
        raise no_such_listing(missing, run.listing_ids, run.path)
    raise NotThere(f"There is no user or listing '{ids[0]}' in {run.path}; {EXPLICIT}.")


def _read_frame(frame: pd.DataFrame) -> Queries:
    table = frame.reset_index() if {C.LISTING, C.USER} & set(frame.index.names) else frame
    if C.USER not in table.columns:
        return Queries([table], True)
    users = as_ids(table[C.USER])
    if C.LISTING not in table.columns:
        return Queries(users.tolist(), False)
    if users.nunique() > 1:
        raise VibesError(
            f"The history has events of {users.nunique()} users ({', '.join(map(repr, users.unique()[:2]))}, ...); give those of one user."
        )
    return Queries([table], True)


def _is_history(value: Any) -> bool:
    return isinstance(value, pd.DataFrame | Event | Mapping) or _members(value) is not None


def _read_history(value: Any) -> History:
    """Return one history: a table, an event, or a list of events, mappings and listing ids."""
    if isinstance(value, pd.DataFrame):
        return value
    members = [value] if isinstance(value, Event | Mapping) else _members(value) or []
    if all(isinstance(member, Event) for member in members):
        return members
    rows = [
        {C.LISTING: member.listing, C.ACTION: member.action, C.DURATION: member.duration_s}
        if isinstance(member, Event)
        else dict(member)
        if isinstance(member, Mapping)
        else {C.LISTING: read_id(member, "listing")}
        for member in members
    ]
    return pd.DataFrame(rows, dtype=object)


def _members(value: Any) -> list[Any] | None:
    """Return the members of a list, tuple, array, series or index; None for a single value."""
    is_single = isinstance(value, str | bytes | Mapping | pd.DataFrame | Event) or not isinstance(
        value, Iterable
    )
    return None if is_single or (isinstance(value, np.ndarray) and value.ndim == 0) else list(value)
