"""A market: three validated tables, their configuration and what was odd in them."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from core.errors import VibesError
from core.market.columns import Columns as C
from core.market.config import AttributeConfig, MarketConfig
from core.market.defects import Defect
from core.market.event_stream import event_frames, no_events
from core.market.io import find_table, read_table
from core.market.kinds import Shown, kind_of
from core.market.tables import events_table, listings_table, photos_table

TABLES = ("listings", "photos", "events")


@dataclass(frozen=True)
class Attribute:
    """One attribute of a listing, as the model and the screen know it."""

    name: str
    kind: str
    label: str
    unit: str = ""

    @property
    def shown_as(self) -> Shown:
        """In which form screens show and edit it; see `core.market.kinds.Kind`."""
        return kind_of(self.kind).shown_as


@dataclass(frozen=True, eq=False)
class Market:
    """A market folder, read and validated.

    `listings` has a RangeIndex; the row of a listing is its number everywhere else. Excluded columns are gone.
    `photos` is sorted by listing and position, `events` by user and time; both may be empty.
    """

    path: Path
    config: MarketConfig
    listings: pd.DataFrame
    photos: pd.DataFrame
    events: pd.DataFrame
    actions: list[str]
    attributes: list[Attribute]
    defects: list[Defect] = field(default_factory=list)
    tables_in: Path | None = None  # see `tables`

    @classmethod
    def open(
        cls,
        path: Path | str,
        now: pd.Timestamp | None = None,
        events_too: bool = True,
        tables: Path | None = None,
    ) -> "Market":
        """Read, infer and validate the market folder at `path`; events after `now` (default: this moment) are skipped.

        Without `events_too` the events stay on disk (see `core.market.event_stream`) and `events` is empty.
        `tables` is a folder with another state of `market.toml` and the three tables (`core.serving.refresh`);
        photos and caches are those of `path` all the same.

        Raises:
            VibesError: the folder or its listings are missing, or a table cannot be used as it is.
        """
        path = Path(path)
        if not path.is_dir():
            raise VibesError(
                f"There is no market folder {path}; give the folder that holds listings.parquet or listings.csv."
            )
        tables = path if tables is None else tables
        config = MarketConfig.load(tables / "market.toml")
        source = find_table(tables, "listings")
        if source is None:
            raise VibesError(f"{tables} holds no listings.parquet, listings.csv or listings.csv.gz; add one.")
        listings, kinds, defects = listings_table(read_table(source), source, config)
        known = pd.Index(listings[C.LISTING])
        photos = pd.DataFrame(
            {
                C.LISTING: pd.Series(dtype="str"),
                C.POSITION: pd.Series(dtype="int32"),
                C.PATH: pd.Series(dtype="str"),
            }
        )
        if (source := find_table(tables, "photos")) is not None:
            photos, found = photos_table(read_table(source), source, known)
            defects = defects + found
        if events_too and (source := find_table(tables, "events")) is not None:
            moment = now if now is not None else pd.Timestamp.now("UTC")
            events, actions, found = events_table(read_table(source), source, known, config, moment)
            defects = defects + found
        else:
            events, actions = no_events(tables, config)
        return cls(path, config, listings, photos, events, actions, _attributes(kinds), defects, tables)

    @property
    def tables(self) -> Path:
        """The folder of `market.toml` and the three tables: `path`, or where one published state of them lies."""
        return self.path if self.tables_in is None else self.tables_in

    @property
    def name(self) -> str:
        """What the market calls itself, or its folder's name."""
        return self.config.name or self.path.resolve().name

    @property
    def timed(self) -> bool:
        """True where events carry timestamps (else only their order is known)."""
        return C.TIMESTAMP in self.events.columns

    @cached_property
    def listing_row(self) -> dict[str, int]:
        """Row number by listing id."""
        return {listing: row for row, listing in enumerate(self.listings[C.LISTING])}

    @cached_property
    def cover(self) -> dict[str, str]:
        """Path of the first photo by listing id."""
        first = self.photos[self.photos[C.POSITION] == 0]
        return dict(zip(first[C.LISTING], first[C.PATH], strict=True))

    @cached_property
    def after_last_event(self) -> int:
        """The moment after the last event, in the time of a log; 1 without any. Events on disk are read for it."""
        frames = [self.events] if len(self.events) else self._on_disk()
        name = C.TIMESTAMP if self.timed else C.POSITION
        return max((int(frame[name].astype("int64").max()) + 1 for frame in frames if len(frame)), default=1)

    def _on_disk(self) -> Iterator[pd.DataFrame]:
        return event_frames(self.tables, self.listings[C.LISTING], self.config)

    def live_interval(self) -> tuple[np.ndarray, np.ndarray]:
        """When each listing is live: from (L,) and until (L,), int64 nanoseconds UTC; unknown ends are open."""
        low, high = np.iinfo(np.int64).min, np.iinfo(np.int64).max
        bounds = []
        for name, default in ((C.PUBLISHED, low), (C.EXPIRES, high)):
            if name in self.listings.columns:
                moments = self.listings[name]
                bounds.append(np.where(moments.isna(), default, moments.astype("int64").to_numpy()))
            else:
                bounds.append(np.full(len(self.listings), default))
        return bounds[0], bounds[1]

    @cached_property
    def fingerprint(self) -> str:
        """sha256 over `market.toml` and the three tables as they lie on disk."""
        digest = hashlib.sha256()
        for source in [self.tables / "market.toml", *(find_table(self.tables, name) for name in TABLES)]:
            if source is not None and source.is_file():
                digest.update(source.name.encode())
                with source.open("rb") as stream:
                    digest.update(hashlib.file_digest(stream, "sha256").digest())
        return digest.hexdigest()


def _attributes(kinds: dict[str, AttributeConfig]) -> list[Attribute]:
    return [Attribute(name, s.kind, s.label, s.unit) for name, s in kinds.items() if s.kind is not None]
