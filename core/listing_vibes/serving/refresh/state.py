"""The state between refreshes: how far the sources were read.

It is stored in the run folder and written after the publication, so after an interrupted refresh the same rows are read again, which
changes nothing.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from listing_vibes.market.documents import read_json, write_json
from listing_vibes.run.versions import stamp_of
from listing_vibes.serving.refresh.sources import Marks

STATE = "refresh.json"


@dataclass
class RefreshState:
    """The content of `refresh.json`.

    Attributes:
        embedded: id of the embedding of the run that the marks belong to; after a new embedding everything is read again.
        marks: marks by source and place.
        earlier: the marks from before the run was embedded again.
        replaced: digests of the files in the market's folder that the published state replaces.
        failing: since when frames of photos have some that cannot be read or fetched, in seconds since 1970.
    """

    embedded: list[Any] = field(default_factory=list)
    marks: dict[str, dict[str, Marks]] = field(default_factory=dict)
    earlier: dict[str, dict[str, Marks]] = field(default_factory=dict)
    replaced: dict[str, str] = field(default_factory=dict)
    failing: dict[str, float] = field(default_factory=dict)

    @classmethod
    def load(cls, run: Path) -> RefreshState:
        """Read the state of a run; an empty one before the first refresh."""
        stamp = stamp_of(run)

        def parse(stored: Any) -> RefreshState:
            return cls(**{name: stored[name] for name in stored if name in cls.__dataclass_fields__})

        state = read_json(run / STATE, "remove it, and refresh again", parse) or cls()
        embedded = [stamp.base, stamp.made]
        if state.embedded != embedded:
            state.embedded, state.earlier, state.marks = embedded, state.marks or state.earlier, {}
        return state

    def save(self, run: Path) -> None:
        """Write the state into the run folder."""
        write_json(run / STATE, asdict(self))
