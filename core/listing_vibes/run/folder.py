"""A run folder, opened: its vectors, its model, its market, and what tells one state from the next."""

from __future__ import annotations

import os
import weakref
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import pandas as pd

from listing_vibes.errors import NotThere, VibesError
from listing_vibes.market.columns import Columns as C
from listing_vibes.market.documents import read_json
from listing_vibes.market.io import read_kept
from listing_vibes.market.log import EventLog
from listing_vibes.market.market import Market
from listing_vibes.market.moments import Moment, moment_in_log
from listing_vibes.market.splits import Catalogue, Protocol, Split, make_split
from listing_vibes.market.user_names import NumberedUsers
from listing_vibes.run.contents import (
    LISTINGS,
    SPACES,
    check_finite,
    check_loaded,
    check_opened,
    read_spaces,
    rows_of,
)
from listing_vibes.run.manifest import Manifest
from listing_vibes.run.market_state import market_of_run
from listing_vibes.run.metrics_file import parse_metrics
from listing_vibes.run.shared import Shared
from listing_vibes.run.transfer import MARKETS
from listing_vibes.run.versions import Lease, folder_of, lease_current, results_of, stamp_of
from listing_vibes.scoring.late_interaction import LateInteraction
from listing_vibes.search.index import ExactIndex, normalize

if TYPE_CHECKING:
    from listing_vibes.run.engine import Engine

PUSHES = "pushes.parquet"
MINUTE = 60 * 10**9  # nanoseconds
#: Ids that are compared with one that is not there, while somebody waits.
MOST_ALIKE = 3_000
PUSH_COLUMNS = (C.USER, "rank", "candidate_id", "score", "run", "at")


class RunFolder:
    """One trained model (or none) and the embeddings of one market's listings.

    Opens without the market; what needs the market's tables opens it from the path in `run.toml`.

    Of a run that `vibes refresh` keeps fresh it is the generation that was current when it was opened, and stays that
    one: market, vectors and model fit together however long it is used. A server asks `outdated` between requests
    (two small files are read, some 0.1 ms) and, where that is True, goes on with `Run.open(run.path)` and drops this one.

    Attributes:
        path: the run's folder as it was given; figures, maps and reports lie there.
        folder: where the embeddings, the model and the tables of this state lie: `path`, or one of its generations.
        generation: how many refreshes this state has behind it; 0 = as trained or embedded.
        made: where the state lies that this one is a refresh of; `folder` itself where it is none.
        shared: where indexes are made that other processes use as well; None: they are this one's own.
    """

    shared: Shared | None = None

    def __init__(
        self,
        path: Path,
        manifest: Manifest,
        market: Market | None = None,
        lease: Lease | None = None,
        events_too: bool = True,
        fits_in: Path | None = None,
    ) -> None:
        self.path, self.manifest, self._given, self._events_too = path, manifest, market, events_too
        self._fits_in = (
            path if fits_in is None else fits_in
        )  # of a state that is not published yet, elsewhere
        lease = Lease(stamp_of(path), path) if lease is None else lease
        self.folder, self.stamp, self.generation = lease.folder, lease.stamp, lease.stamp.generation
        self.made = folder_of(path, lease.stamp.made) if self.generation else lease.folder
        if lease.lock is not None:  # what keeps the version from being removed ends with this object
            weakref.finalize(self, os.close, lease.lock)

    @classmethod
    def open(cls, path: Path | str, market: Market | None = None, events_too: bool = True) -> Self:
        """Open the run folder at `path`; without `events_too` the market's events stay on disk.

        >>> run = Run.open(folder / "run")
        >>> run.spaces, run.vectors("model").shape
        (['model', 'attributes'], (120, 32))

        Raises:
            VibesError: no run folder, an unfinished training, or a run of another version.
        """
        path = Path(path)
        if not (path / "run.toml").is_file() and (path / ".training").is_dir():
            raise VibesError(
                f"The training of {path} has not finished; go on with `vibes train MARKET {path} --resume`."
            )
        lease = lease_current(path)
        run = cls(path, Manifest.load(lease.folder), market, lease, events_too)
        if run.manifest.markets is not None and not run.manifest.market:
            runs = sorted(item.parent for item in (path / MARKETS).glob("*/run.toml"))
            hint = f"open one of its runs (as {runs[0]}), or " if runs else ""
            raise VibesError(
                f"{path} is a model of several markets, without listings of its own; {hint}put it to work in a market with "
                f"`vibes embed MARKET RUN --model {path}`."
            )
        if not (run.folder / LISTINGS).is_file():
            raise VibesError(
                f"{path} lacks {LISTINGS}; make it with `vibes embed MARKET {path} --model {path}`."
            )
        check_opened(run.folder, run.manifest)
        return run

    @cached_property
    def _arrays(self) -> dict[str, np.ndarray]:
        check_loaded(self.folder, LISTINGS)
        model = {"model": self.manifest.settings.encoder_config().width}
        widths = model if self.has_model else {}
        return read_spaces(self.folder / LISTINGS, widths, whole=False)

    @cached_property
    def listing_ids(self) -> list[str]:
        """Ids in listing order."""
        return list(self.listing_row)

    @cached_property
    def listing_row(self) -> dict[str, int]:
        """Row by listing id."""
        return rows_of(self.folder / LISTINGS, self._arrays["listing_id"])

    @property
    def spaces(self) -> list[str]:
        """The spaces this run has, of model, photos, attributes and the market's own vectors; the first is what listings are compared by by default."""
        default = self.manifest.default_space
        names = [name for name in SPACES if name in self._arrays]
        names += [name for name in self._arrays if name not in (*SPACES, "listing_id")]
        return sorted(names, key=lambda name: default is not None and name != default.space)

    @cached_property
    def _indexes(self) -> dict[str, ExactIndex]:
        return {}

    def index(self, space: str) -> ExactIndex:
        """The index of one space.

        Raises:
            VibesError: this run has no such space.
        """
        if space not in self.spaces:
            raise VibesError(f"{self.path} has no space '{space}'; it has: {', '.join(self.spaces)}.")
        if space not in self._indexes:
            check_finite(self.folder / LISTINGS, space, self._arrays[space])
            stored = self._arrays[space]
            self._indexes[space] = (
                ExactIndex.of_stored(stored)
                if self.shared is None
                else self.shared.index(
                    f"{self.path.resolve()} {space}", self.stamp, stored.shape, partial(normalize, stored)
                )
            )
        return self._indexes[space]

    def vectors(self, space: str) -> np.ndarray:
        """(L, d) float32, L2-normalized; a zero row where the listing has nothing in this space."""
        return self.index(space).vectors

    def stored(self, space: str) -> np.ndarray:
        """(L, d) the vectors as the run keeps them; `vectors` are these, normalized anew."""
        self.index(space)
        return self._arrays[space]

    @cached_property
    def market(self) -> Market:
        """The market this run's listings are of, with these listings alone; a warning says where it changed since.

        Raises:
            VibesError: it is no longer where it was, or is that of a newer state by now.
            MarketMismatch: it no longer has the run's listings.
        """
        return market_of_run(self)

    @cached_property
    def market_on_disk(self) -> Market:
        """The market as it is now, whatever became of the run's listings in it.

        Raises:
            VibesError: it is no longer where it was, or is that of a newer state by now.
        """
        if self._given is not None:
            return self._given
        if not self.has_market:
            raise VibesError(
                f"The market of {self.path} is no longer at {self._market_path}; move it back, or embed the run on the market's "
                "new place with `vibes embed MARKET RUN --model RUN`."
            )
        tables = self.folder / "market"
        own = tables.is_dir()  # else they lie in the market's folder, which follows what is published
        market = Market.open(self._market_path, None, self._events_too, tables if own else None)
        if not own and self.outdated and market.fingerprint != self.manifest.fingerprint:
            raise VibesError(
                f"{self.path} was refreshed or embedded anew since it was opened; open it again."
            )
        return market

    @property
    def _market_path(self) -> Path:
        return self.folder / self.manifest.market  # an absolute one stays what it is

    @property
    def has_market(self) -> bool:
        """Whether the market is where the run says."""
        return self._given is not None or _is_folder(self._market_path)

    @property
    def outdated(self) -> bool:
        """True where the run folder holds a newer state than this: refreshed, embedded or trained since."""
        return stamp_of(self.path) != self.stamp

    @cached_property
    def pushes(self) -> pd.DataFrame:
        """What to recommend to the users whom the refreshes of this run brought events of, as of the last of these.

        Columns `user_id, rank, candidate_id, score, run, at`, as `vibes batch` writes them; empty without any.
        """
        stored = read_kept(self.folder / PUSHES, PUSH_COLUMNS, "embed the run again, and refresh it")
        return pd.DataFrame(columns=list(PUSH_COLUMNS)) if stored is None else stored

    @cached_property
    def market_changed(self) -> bool:
        """True where the market's tables differ from those this run was made from."""
        return self.market_on_disk.fingerprint != self.manifest.fingerprint

    @property
    def has_model(self) -> bool:
        """True where the run holds a trained model."""
        return (self.folder / "model.safetensors").is_file()

    @cached_property
    def transferred(self) -> bool:
        """Whether the model was trained on another market than the one that the run was made over."""
        # A refresh changes the tables, not the market.
        created = Manifest.load(self.made) if self.generation else self.manifest
        return bool(created.trained_on) and created.trained_on != created.fingerprint

    @property
    def trained_until(self) -> int | None:
        """When training on the run's own market ended, in the log's time; None where nothing trained on it until a moment."""
        return None if self.transferred else self.manifest.settings.split.t1

    @cached_property
    def trained_on_everything(self) -> bool:
        """Whether no event of the market is later than the model's training, so that nothing can test it."""
        if self._not_seen:
            return False
        until = self.manifest.settings.split.t2
        return self.has_model and until is not None and len(self.log) > 0 and until > self.log.time.max()

    @property
    def _not_seen(self) -> bool:
        """Whether the model was trained on another market, which has none of this one's listings."""
        carried = self.manifest.carried
        return self.transferred and carried is not None and not carried.shared

    def split(self, protocol: Protocol | None = None) -> Split:
        """What of the market's events trained, validates and tests.

        By default that of the training. A model that was trained on another market is tested where that market's own
        split says, but never on what lies before the end of its training where the two have listings in common.

        Raises:
            VibesError: the market has no events, or the protocol is not possible.
        """
        trained, log, catalogue = self.manifest.settings.split, self.log, self.catalogue
        if not self.transferred or self.manifest.carried is None:
            return make_split(log, catalogue, protocol or trained.protocol, trained.t1, trained.t2)
        own = make_split(log, catalogue, protocol)
        if self._not_seen or own.t1 is None or own.t2 is None or trained.t1 is None or trained.t2 is None:
            return own
        return make_split(log, catalogue, protocol, max(own.t1, trained.t1), max(own.t2, trained.t2))

    @property
    def metrics(self) -> dict[str, Any] | None:
        """What `vibes evaluate` measured last, or None."""
        return read_json(
            results_of(self.path, self.stamp) / "metrics.json", "evaluate the run again", parse_metrics
        )

    @cached_property
    def log(self) -> EventLog:
        """The market's events."""
        return EventLog.from_market(self.market)

    @cached_property
    def catalogue(self) -> Catalogue:
        """When each listing is live."""
        return Catalogue.of(self.market)

    @cached_property
    def engine(self) -> Engine:
        """The model over the market (needs torch).

        Raises:
            VibesError: the run has no model, or the market no longer has its listings.
        """
        from listing_vibes.run.engine import Engine  # what encodes nothing needs none of what makes features

        return Engine.load(self.folder, self.market, self.manifest.settings)

    def row(self, listing_id: str) -> int:
        """Row of a listing.

        Raises:
            NotThere: there is no such listing.
        """
        if listing_id not in self.listing_row:
            raise no_such_listing(listing_id, self.listing_ids, self.path)
        return self.listing_row[listing_id]

    def __repr__(self) -> str:
        model = "a trained model" if self.has_model else "no model"
        return f"Run {self.path} on the market '{self.manifest.market_name}', with {model}"

    @cached_property
    def late_interaction(self) -> LateInteraction:
        """How the model's scores look at the listings of a history beside the user's vector."""
        return LateInteraction.of(self.manifest.settings.training)

    def needs_model(self) -> None:
        """Raises:
        VibesError: the run has no model.
        """
        if not self.has_model:
            raise VibesError(
                f"{self.path} has no trained model, which this needs; train one with `vibes train MARKET RUN`."
            )

    def moment(self, at: Moment | None) -> int:
        """A moment in the time of the market's log; None: after the last event known.

        Raises:
            VibesError: it is no date, or no position where events have no timestamps.
        """
        return self.after_last_event if at is None else moment_in_log(at, self.market.timed)

    @cached_property
    def after_last_event(self) -> int:
        """The moment after the last event known, in the time of the market's log."""
        return self.market.after_last_event

    def counted_at(self, at: int) -> int:
        """The moment at which events are counted: after the last event by the minute, so that what is counted for one request
        serves the next."""
        after = self.after_last_event
        if not self.market.timed:
            return after  # the last events of each user, whenever it is
        return at if at <= after else max(at // MINUTE * MINUTE, after)

    @cached_property
    def user_number(self) -> Mapping[str, int]:
        """Number in the log by the name of a user; where names are hashed, also by the id."""
        return NumberedUsers(self.log.users, self.market.names)

    def nearest(self, scores: np.ndarray, k: int) -> pd.DataFrame:
        """The `k` listings with the greatest `scores` (L,), best first, as `frame` gives them; one with -inf is none of them."""
        rows = np.argsort(-scores, kind="stable")[:k]
        return self.frame(np.where(np.isfinite(scores[rows]), rows, -1), scores[rows])

    def frame(self, rows: np.ndarray, scores: np.ndarray) -> pd.DataFrame:
        """The listings `rows` (k,), -1 where there is none, as `listing_id, score`."""
        result = rows >= 0
        ids = self._arrays["listing_id"][rows[result]].astype(str)
        return pd.DataFrame({C.LISTING: ids.tolist(), "score": scores[result].astype(float)})


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except (OSError, ValueError):  # a name that no system takes
        return False


def no_such_listing(listing_id: str, known: Sequence[str], where: Path | str) -> NotThere:
    """Return the error of an id that is not among those `known`, with the nearest one of those that begin alike."""
    like = listing_id.strip()[:100].casefold()
    alike = [item for item in known if item[:2].casefold() == like[:2]][:MOST_ALIKE]
    neighbors = get_close_matches(like, by_text := {item.casefold(): item for item in alike}, 1)
    hint = f"did you mean '{by_text[neighbors[0]]}'?" if neighbors else "give one of its listing ids."
    return NotThere(f"There is no listing '{listing_id}' in {where}; {hint}")
