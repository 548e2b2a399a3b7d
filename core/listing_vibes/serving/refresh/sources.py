"""What a source of new rows gives, and the store of a service as one; each knows from a small state where to go on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import pandas as pd

from listing_vibes.serving.database import shown_place
from listing_vibes.serving.refresh.logged import rows_of_store

State = dict[str, Any]  # JSON


@dataclass(frozen=True)
class Frame:
    """Rows of one file or query.

    Attributes:
        name: what errors call it.
        rows: as they were read; every cell of a CSV is text.
        folder: where relative paths in it start; None in a database.
        mark: what the state keeps of it once its rows are taken in.
        arrived: when it was there to be read, seconds since 1970.
        again: a refresh took its rows in before the run was embedded anew: of listings only those that are not there count, since
            of the others the market's own tables say what was made of them since.
    """

    name: str
    rows: pd.DataFrame
    folder: Path | None
    mark: State
    arrived: float
    again: bool = False


@dataclass(frozen=True)
class News:
    """What a look at a source found.

    Attributes:
        frames: in the order in which they are to be taken in.
        state: where the next look goes on, before the marks of `frames`.
        problems: what could not be read, a sentence each; it is tried again at the next look.
    """

    frames: list[Frame] = field(default_factory=list)
    state: State = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)


class Source(Protocol):
    """Rows that become more."""

    @property
    def place_name(self) -> str:
        """Where new rows are put, as a user is told."""

    def look(self, state: State) -> News:
        """What is new since `state` (at first empty); rows may come twice, none is left out.

        Raises:
            VibesError: the source cannot be asked.
        """


class StoreSource:
    """The events that services posted to a database, see `listing_vibes.serving.store.Store`; each once, by its id."""

    def __init__(self, place: str) -> None:
        self.place, self.place_name = place, shown_place(place)

    def look(self, state: State) -> News:
        """See `Source`."""
        mark = state.get("store", [])
        return News([store_frame(self.place, mark, lambda mark: {"store": mark})], {"store": mark})


def store_frame(place: Path | str, known: list[Any], mark: Callable[[list[Any]], State]) -> Frame:
    """The events that were posted since the mark `known`; `mark` says how the state keeps the next one."""
    rows, read, arrived = rows_of_store(place, known)
    return Frame(f"the events of {shown_place(place)}", rows, None, mark(read), arrived)


def advanced(state: State, marks: list[State]) -> State:
    """The state after frames with these marks were taken in."""
    files = dict(state.get("files", {}))
    rest: State = {}
    for mark in marks:
        files |= mark.get("files", {})
        rest |= {key: value for key, value in mark.items() if key != "files"}
    return {**state, **rest, **({"files": files} if files else {})}
