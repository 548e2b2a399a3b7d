"""A market: three validated tables, their configuration and the issues found in them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa

from listing_vibes.errors import VibesError, printable
from listing_vibes.market.attribute_types import Attribute
from listing_vibes.market.columns import Columns as C
from listing_vibes.market.config import MarketConfig
from listing_vibes.market.display_names import UserNames, find_title
from listing_vibes.market.durable import inside
from listing_vibes.market.fingerprint import file_stamps, fingerprint_of
from listing_vibes.market.frames import IN_MEMORY, as_table, config_of, photo_paths, source_of
from listing_vibes.market.io import TABLES, find_table, read_header, read_table
from listing_vibes.market.listings_table import listings_table
from listing_vibes.market.tables import NEEDED, Issue, check_unwanted, events_table, photos_table, require
from listing_vibes.market.values import rows_in
from listing_vibes.market.writer import finish_writing, replacing, write_market
from listing_vibes.words import count

#: The fields of a market that are computed from its events.
OF_EVENTS = ("events", "actions", "issues")
_LOAD = "_load_events"


@dataclass(frozen=True, eq=False, repr=False)
class Market:
    """Three validated tables: those of a folder (`open`), or frames in memory (`from_frames`), which `save` writes to a folder.

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
    issues: list[Issue] = field(default_factory=list)
    tables_in: Path | None = None  # see `tables`
    frames: Mapping[str, pd.DataFrame] | None = None  # the tables as given, by name, of a market in memory
    #: Stamps of the files that it was read from; None: it was built in memory, as by `dataclasses.replace`.
    stamps: list[Any] | None = field(default=None, init=False)

    @classmethod
    def open(
        cls,
        path: Path | str,
        now: pd.Timestamp | None = None,
        events_too: bool = True,
        tables: Path | None = None,
    ) -> "Market":
        """Read, infer and validate the market folder at `path`; events after `now` (default: the current time) are skipped.

        >>> Market.open(folder / "market").name
        'A small simulated market'

        Without `events_too` the events, their actions and their issues are read on first use.
        `tables` is a folder with another version of `market.toml` and the three tables (`listing_vibes.serving.refresh`);
        photos and caches are still those of `path`.

        Raises:
            VibesError: the folder or its listings are missing, or a table cannot be used.
        """
        path = Path(path)
        if not path.is_dir():
            raise VibesError(
                f"There is no market folder {path}; give the folder that holds listings.parquet or listings.csv."
            )
        finish_writing(path)
        tables = path if tables is None else tables
        stamps = file_stamps(tables)
        config = MarketConfig.load(inside(tables, tables / "market.toml"))
        sources = {name: source for name in TABLES if (source := find_table(tables, name)) is not None}
        if "listings" not in sources:
            what = "is a run, not a market" if (path / "run.toml").is_file() else "is not a market"
            if others := sorted(file.name for file in tables.glob("listings.*")):
                raise VibesError(
                    f"{tables / others[0]} is of a type that is not read; save it as listings.csv or listings.parquet."
                )
            raise VibesError(
                f"{tables} {what}: it holds no listings.parquet, listings.csv or listings.csv.gz; give the folder that does."
            )
        market = cls._validate(path, config, sources, read_table, now, events_too, tables)
        return market._with_stamps(stamps)

    if not TYPE_CHECKING:  # otherwise mypy would accept any attribute name

        def __getattr__(self, name: str) -> Any:
            """Read the events that `open` left on disk."""
            if name not in OF_EVENTS or _LOAD not in vars(self):
                raise AttributeError(f"'{type(self).__name__}' has no attribute '{name}'")
            vars(self).update(vars(self)[_LOAD]())
            if self.stamps != file_stamps(self.tables):
                raise VibesError(
                    f"The tables of {self.tables} changed since they were opened; open them again."
                )
            return vars(self)[name]

    @classmethod
    def from_frames(
        cls,
        listings: Any,
        events: Any = None,
        photos: Any = None,
        *,
        photo_root: Path | str | None = None,
        config: MarketConfig | Mapping[str, Any] | Path | str | None = None,
        **keys: Any,
    ) -> "Market":
        """Return a market of three pandas frames in memory, validated as a folder's tables are; nothing is written.

        >>> homes = pd.DataFrame({"listing_id": [11, 12, 13], "rooms": [2, 2, 4], "rent": [800, 750, 1600]})
        >>> clicks = pd.DataFrame({"user_id": [1, 1], "listing_id": [11, 12], "timestamp": ["2024-05-01", "2024-05-02"]})
        >>> Market.from_frames(homes, clicks, name="Three homes", attributes={"rent": {"kind": "number", "unit": "EUR"}})
        Market 'Three homes': 3 listings, 2 attributes (rooms, rent), 0 photos, 2 events

        Args:
            listings: `listing_id` (text or number), and maybe `published_at`, `expires_at`, `description`, `latitude`,
                `longitude` and attributes.
            events: `user_id`, `listing_id`, `timestamp` or `position`, and maybe `action` and `duration_s`.
            photos: `listing_id`, `path`, and maybe `position`. The files stay where they are.
            photo_root: folder that paths of photos are relative to; default: the current one.
            config: what `market.toml` says: a mapping, its file, or its keys one by one as `keys` (`name`, `currency`,
                `title`, `attributes`, `actions`, `unwanted`, `excluded`, `note`).

        Raises:
            VibesError: a table cannot be used (messages call it "listings frame" and so on), an unknown key, or no photo
                at the path in `photos`.
        """
        described = config_of(config, **keys)
        given = {"listings": listings, "photos": photos, "events": events}
        frames = {name: as_table(frame, name) for name, frame in given.items() if frame is not None}
        root = Path(IN_MEMORY)
        if "photos" in frames:
            frames["photos"], root = photo_paths(frames["photos"], photo_root)
        sources = {name: source_of(name) for name in frames}
        raw_tables = {sources[name]: frame for name, frame in frames.items()}
        market = cls._validate(root, described, sources, raw_tables.__getitem__)
        return replace(market, frames=frames)

    def save(self, folder: Path | str, overwrite: bool = False) -> "Market":
        """Write the market to a folder: its tables as they were given, `market.toml`, photos, and files of vectors.

        A market in memory is that of the folder from then on.

        >>> homes = pd.DataFrame({"listing_id": ["a", "b"], "price": [900, 700]})
        >>> Market.from_frames(homes, name="Two homes").save(folder / "homes").path.name
        'homes'

        Args:
            overwrite: replace the market in `folder`, tables and `market.toml`, atomically; photo files that this market
                does not have stay.

        Returns:
            the market of the folder.

        Raises:
            VibesError: the folder holds a market and `overwrite` is False, holds other content, or cannot be written.
        """
        folder = Path(folder)
        listings, photos, events = (self.raw_table(name) for name in TABLES)
        if listings is None:
            raise VibesError(
                f"{self.name} has no tables that could be written; open it from its folder or from frames."
            )
        with replacing(folder, overwrite, "Market.save"):
            vectors = [setting.path for setting in self.config.vectors.values() if setting.path]
            write_market(folder, self.config, listings, photos, events, self.path, vectors)
            stamps = file_stamps(folder)
        self.names.store_key(folder)
        if self.is_stored:
            return Market.open(folder)
        object.__setattr__(self, "path", folder)
        object.__setattr__(self, "frames", None)
        for name in ("fingerprint", "names"):
            vars(self).pop(name, None)
        return self._with_stamps(stamps)

    @property
    def is_stored(self) -> bool:
        """True where the market is that of a folder, False where it exists in memory only."""
        return self.frames is None

    def table_name(self, name: str) -> str:
        """Return what messages call the table `name`: its file, or the frame that it was given as."""
        source = find_table(self.tables, name) if self.is_stored else source_of(name)
        return name if source is None else source.name

    def raw_table(self, name: str) -> pd.DataFrame | None:
        """Return the table `name` as it was given, with excluded columns and users' ids; None where there is none.

        Raises:
            VibesError: its file cannot be read.
        """
        if self.frames is not None:
            return self.frames.get(name)
        source = find_table(self.tables, name)
        return None if source is None else read_table(source)

    def raw_columns(self, name: str) -> list[str]:
        """Return the columns of the table `name` as it was given; none where there is no such table."""
        if self.frames is not None:
            return list(self.frames[name].columns) if name in self.frames else []
        source = find_table(self.tables, name)
        return [] if source is None else list(map(str, read_header(source).columns))

    @classmethod
    def _validate(
        cls,
        path: Path,
        config: MarketConfig,
        sources: Mapping[str, Path],
        load_table: Callable[[Path], pd.DataFrame],
        now: pd.Timestamp | None = None,
        events_too: bool = True,
        tables: Path | None = None,
    ) -> "Market":
        """Return the market of the tables that `load_table` returns for `sources`, which are also their names in messages."""
        table, kinds, issues = listings_table(
            load_table(sources["listings"]), sources["listings"], config, now
        )
        index = pd.Index(table[C.LISTING])
        types = {C.LISTING: "str", C.POSITION: "int32", C.PATH: "str"}
        photos = pd.DataFrame({name: pd.Series(dtype=dtype) for name, dtype in types.items()})
        if "photos" in sources:
            rows, photo_issues = photos_table(load_table(sources["photos"]), sources["photos"], index)
            photos = rows.reset_index(drop=True)
            issues += photo_issues
        names = UserNames(path if load_table is read_table else None, config.privacy.users == "hashed")
        source = sources.get("events")

        def load_events() -> dict[str, Any]:
            none = pd.DataFrame({C.USER: [], C.LISTING: [], C.POSITION: []})
            moment = pd.Timestamp.now("UTC") if now is None else now
            # No variable holds the cells as they are in the file, so that `events_table` can free them.
            events, actions, event_issues = events_table(
                none if source is None else load_table(source),
                source or Path("events"),
                index,
                config,
                moment,
            )
            if source is not None:
                event_issues += check_unwanted(events, actions, source, config)
            events = events.assign(**{C.USER: names.shown(events[C.USER])})
            return {"events": events, "actions": actions, "issues": [*issues, *event_issues]}

        attributes = [
            Attribute(name, setting.kind, printable(setting.label), printable(setting.unit), setting.decimal)
            for name, setting in kinds.items()
            if setting.kind is not None
        ]
        market = cls(path, config, table, photos, table.head(0), [], attributes, issues, tables)
        if load_table is read_table and source is not None:
            vars(market)[_LOAD] = load_events
        if events_too or source is None:
            vars(market).update(load_events())
        else:
            header = read_header(source)
            require(header, source, NEEDED["events"])
            for name in OF_EVENTS:
                del vars(market)[name]
            vars(market)["timed"] = C.TIMESTAMP in header.columns
        return market

    def release_events(self) -> None:
        """Free the memory of the events of a market that was opened from its folder; they are read again on next use."""
        if _LOAD in vars(self):
            _ = self.timed
            vars(self).pop("events", None)
            pa.default_memory_pool().release_unused()  # it had a third of the memory of a market of a million

    def _with_stamps(self, stamps: list[Any] | None) -> "Market":
        object.__setattr__(self, "stamps", stamps)
        return self

    def __repr__(self) -> str:
        names = [attribute.name for attribute in self.attributes]
        shown = ", ".join(names[:6]) + (", ..." if len(names) > 6 else "")
        return (
            f"Market '{self.name}': {count(len(self.listings), 'listing')}, {count(len(names), 'attribute')}{f' ({shown})' if names else ''}, "
            f"{count(len(self.photos), 'photo')}, {count(len(self.events), 'event')}"
        )

    def renamed(self, names: Mapping[str, str]) -> "Market":
        """Return the same market in memory, its attributes renamed by `names`; others keep their names."""
        attributes = [replace(item, name=names.get(item.name, item.name)) for item in self.attributes]
        listings = self.listings.rename(columns=dict(names))
        return replace(self, listings=listings, attributes=attributes)._with_stamps(self.stamps)

    def shared(self) -> "Market":
        """Return the same market with the attribute names that other markets use (`same_as` in `market.toml`)."""
        return self.renamed({item.name: self.config.shared_name(item.name) for item in self.attributes})

    @cached_property
    def title(self) -> str | None:
        """The title column of the listings: that of `market.toml`, else by `find_title`; None where there is none."""
        name = self.config.title
        if name is None:
            return find_title(self)
        return name if name in self.listings else None

    def title_text(self, row: int) -> str | None:
        """Return the title of a listing; None where it has none."""
        title = None if self.title is None else self.listings[self.title].iat[row]
        return title.strip() or None if isinstance(title, str) else None

    @property
    def tables(self) -> Path:
        """The folder of `market.toml` and the three tables: `path`, or the folder of one published version of them."""
        return self.path if self.tables_in is None else self.tables_in

    @property
    def name(self) -> str:
        """The market's configured name, or that of its folder."""
        return printable(self.config.name or (self.path.resolve().name if self.is_stored else IN_MEMORY))

    @cached_property
    def timed(self) -> bool:
        """True where events have timestamps, False where only their order is known."""
        return C.TIMESTAMP in self.events.columns

    @property
    def valid_actions(self) -> list[str]:
        """The valid actions of a history: those of the events, and those that say "not this"."""
        return [*self.actions, *(name for name in self.config.unwanted if name not in self.actions)]

    @cached_property
    def names(self) -> UserNames:
        """Return the names under which users are shown; a market with hashed users shows hashes."""
        return UserNames(self.path if self.is_stored else None, self.config.privacy.users == "hashed")

    @cached_property
    def listing_row(self) -> dict[str, int]:
        """Row number by listing id."""
        return {listing: row for row, listing in enumerate(self.listings[C.LISTING].tolist())}

    def rows(self, ids: pd.Series) -> np.ndarray:
        """Return the rows (n,) of the listings `ids` (n,), -1 for an unknown one."""
        if "listing_row" in vars(self):
            return np.array([self.listing_row.get(item, -1) for item in ids], np.int64)
        # The dictionary of a million ids takes half a second, a search for a few of them 30 ms.
        return rows_in(ids, self.listings[C.LISTING])

    @cached_property
    def cover(self) -> dict[str, str]:
        """Return the path of each listing's first photo, by listing id; listings without photos are left out."""
        first = self.photos[self.photos[C.POSITION] == 0]
        return dict(zip(first[C.LISTING].tolist(), first[C.PATH].tolist(), strict=True))

    def live_interval(self) -> tuple[np.ndarray, np.ndarray]:
        """Return when each listing is active: from (L,) and until (L,), int64 nanoseconds UTC; unknown ends are open."""
        limits, bounds = np.iinfo(np.int64), []
        for name, default in ((C.PUBLISHED, limits.min), (C.EXPIRES, limits.max)):
            moments = self.listings.get(
                name, pd.Series(pd.NaT, self.listings.index, dtype="datetime64[ns, UTC]")
            )
            bounds.append(np.where(moments.isna(), default, moments.astype("int64").to_numpy()))
        return bounds[0], bounds[1]

    @cached_property
    def fingerprint(self) -> str:
        """sha256 over `market.toml`, the three tables and files of vectors.

        Where the files or tables of this object changed since reading, it covers the tables in memory instead: never the files
        of another version.
        """
        return fingerprint_of(self)
