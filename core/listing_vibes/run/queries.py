"""What is asked of a run from Python: ids as text or numbers, one or several, and histories in whatever form they come."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from numbers import Integral, Real
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from listing_vibes.errors import NotThere, VibesError
from listing_vibes.market.columns import Columns as C
from listing_vibes.market.tables import as_ids
from listing_vibes.run.asking import Event, History
from listing_vibes.run.folder import RunFolder
from listing_vibes.run.no_such_listing import no_such_listing

EXPLICIT = 'a history is certain as [{"listing_id": ...}, ...], users are as a frame with the column user_id'


class Queries(NamedTuple):
    """Ids and histories, and whether it was one alone that was asked, not a list with one."""

    asked: list[str | History]
    single: bool


def id_text(value: Any, what: str) -> str:
    """An id as tables have it: 12, 12.0 and "12" are the same.

    Raises:
        VibesError: it is neither text nor a whole number.
    """
    if isinstance(value, str):
        return str(value).strip()
    number = isinstance(value, Real) and not isinstance(value, bool)  # numpy's bool is no number
    if number and (isinstance(value, Integral) or float(value).is_integer()):
        return str(int(value))
    raise VibesError(f"{repr(value)[:40]} is no id of a {what}; give a text or a whole number.")


def read_listings(listings: Any) -> tuple[list[str], bool]:
    """The listings that `Run.similar` is asked of, and whether it is one alone.

    Raises:
        VibesError: something is no id.
    """
    members = _members(listings)
    single = members is None
    return [id_text(one, "listing") for one in ([listings] if members is None else members)], single


def named_rows(run: RunFolder, ids: Sequence[str], option: str) -> np.ndarray:
    """(n,) int64 rows of the listings that a rule names, each once.

    Raises:
        VibesError: one is no listing of the run.
    """
    for one in ids:
        if one not in run.listing_row:
            raise VibesError(
                f"Option {option} names '{one}', which is no listing of {run.path}; give ids of its listings."
            )
    return np.array([run.listing_row[one] for one in dict.fromkeys(ids)], np.int64)


def read_queries(run: RunFolder, queries: Any) -> Queries:
    """The users and histories that `Run.recommend` is asked of.

    A list of ids is several users where all are users, and one history where all are listings. In a list of lists each is
    a history.

    Raises:
        VibesError: an id that is of neither or, in a list, of both; something that is no query.
    """
    if isinstance(queries, pd.DataFrame):
        return _of_frame(queries)
    members = _members(queries)
    if members is None:
        if isinstance(queries, Event | Mapping):
            return Queries([_events([queries])], True)
        return Queries([_user(run, id_text(queries, "user"))], True)
    if all(isinstance(one, Event | Mapping) for one in members):  # an empty one is an empty history
        return Queries([_events(members)], True)
    if any(_is_history(one) for one in members):
        return Queries(
            [_history(one) if _is_history(one) else id_text(one, "user") for one in members], False
        )
    return _of_ids(run, [id_text(one, "user or listing") for one in members])


def _user(run: RunFolder, user: str) -> str:
    if user not in run.user_number and user in run.listing_row:
        raise NotThere(
            f"There is no user '{user}' in {run.path}, but a listing; ask for what is similar to it, or give the history "
            f"['{user}']."
        )
    return user


def _of_ids(run: RunFolder, ids: list[str]) -> Queries:
    as_users = [one in run.user_number for one in ids]
    as_listings = [one in run.listing_row for one in ids]
    shown = ", ".join(ids[:3]) + (", ..." if len(ids) > 3 else "")
    if all(as_users) and all(as_listings):
        raise VibesError(f"[{shown}] may be users or listings of {run.path}; {EXPLICIT}.")
    if all(as_users) or (any(as_users) and not any(as_listings)):
        return Queries(list(ids), False)
    if all(as_listings):
        return Queries([[Event(one) for one in ids]], True)
    if any(as_users) and any(as_listings):
        user, listing = ids[as_users.index(True)], ids[as_listings.index(True)]
        raise VibesError(
            f"[{shown}] mixes users ('{user}') and listings ('{listing}'); give users, or the listings of one history."
        )
    if any(as_listings):
        raise no_such_listing(ids[as_listings.index(False)], run.listing_ids, run.path)
    raise NotThere(f"There is no user or listing '{ids[0]}' in {run.path}; {EXPLICIT}.")


def _of_frame(frame: pd.DataFrame) -> Queries:
    table = frame.reset_index() if {C.LISTING, C.USER} & set(frame.index.names) else frame
    if C.USER not in table.columns:
        return Queries([table], True)
    users = as_ids(table[C.USER])
    if C.LISTING not in table.columns:
        return Queries(users.tolist(), False)
    if users.nunique() > 1:
        first, second = users.unique()[:2]
        raise VibesError(
            f"The history has events of {users.nunique()} users ('{first}', '{second}', ...); give those of one."
        )
    return Queries([table], True)


def _is_history(value: Any) -> bool:
    return isinstance(value, pd.DataFrame | Event | Mapping) or _members(value) is not None


def _history(value: Any) -> History:
    """One history of several: a table, events, or listing ids."""
    if isinstance(value, pd.DataFrame):
        return value
    return _events([value] if isinstance(value, Event | Mapping) else _members(value) or [])


def _events(members: list[Any]) -> History:
    """Events, and bare ids of listings."""
    if all(isinstance(one, Event) for one in members):
        return members
    rows = [
        {C.LISTING: one.listing, C.ACTION: one.action, C.DURATION: one.duration_s}
        if isinstance(one, Event)
        else dict(one)
        if isinstance(one, Mapping)
        else {C.LISTING: id_text(one, "listing")}
        for one in members
    ]
    return pd.DataFrame(rows, dtype=object)


def _members(value: Any) -> list[Any] | None:
    """What a list, tuple, array, series or index holds; None of what is one thing."""
    one = isinstance(value, str | bytes | Mapping | pd.DataFrame | Event) or not isinstance(value, Iterable)
    return None if one or (isinstance(value, np.ndarray) and value.ndim == 0) else list(value)
