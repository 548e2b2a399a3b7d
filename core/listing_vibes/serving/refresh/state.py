"""The state between refreshes: how far the sources were read.

It is stored in the run folder and written after the publication, so after an interrupted refresh the same rows are read again, which
changes nothing.
"""

from pathlib import Path
from typing import Any

from pydantic import BaseModel

from listing_vibes.market.documents import read_json, write_text
from listing_vibes.run.versions import stamp_of
from listing_vibes.serving.refresh.sources import Marks

STATE = "refresh.json"


class RefreshState(BaseModel):
    """The content of `refresh.json`.

    Attributes:
        embedded: id of the embedding of the run that the marks belong to; after a new embedding everything is read again.
        marks: marks by source and place.
        earlier: the marks from before the run was embedded again.
        replaced: digests of the files in the market's folder that the published state replaces.
        failing: since when frames of photos have some that cannot be read or fetched, in seconds since 1970.
    """

    embedded: list[Any] = []
    marks: dict[str, dict[str, Marks]] = {}
    earlier: dict[str, dict[str, Marks]] = {}
    replaced: dict[str, str] = {}
    failing: dict[str, float] = {}

    @classmethod
    def load(cls, run: Path) -> "RefreshState":
        """Read the state of a run; an empty one before the first refresh."""
        stamp = stamp_of(run)
        state = read_json(run / STATE, "remove it, and refresh again", cls.model_validate) or cls()
        embedded = [stamp.base, stamp.made]
        if state.embedded != embedded:
            state.embedded, state.earlier, state.marks = embedded, state.marks or state.earlier, {}
        return state

    def save(self, run: Path) -> None:
        """Write the state into the run folder."""
        write_text(run / STATE, self.model_dump_json())
