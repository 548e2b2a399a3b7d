"""A run folder, opened: neighbours in every space, and recommendations where there is a model."""

from __future__ import annotations

import json
import os
import weakref
import zipfile
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from core.errors import VibesError
from core.market.columns import Columns as C
from core.market.log import EventLog
from core.market.market import Market
from core.market.splits import Catalogue, Queries
from core.run.engine import Engine
from core.run.generations import Place, settle, stamp_of
from core.run.manifest import Manifest
from core.run.spaces import SPACES
from core.search.index import EXACT_TO, ExactIndex

PUSHES = "pushes.parquet"
PUSH_COLUMNS = (C.USER, "rank", "candidate_id", "score", "run", "at")


class Run:
    """One trained model (or none) and the embeddings of one market's listings.

    Opens without the market; what needs the market's tables opens it from the path in `run.toml`.

    Of a run that `vibes refresh` keeps fresh it is the generation that was current when it was opened, and stays that
    one: market, vectors and model fit together however long it is used. A server asks `outdated` between requests
    (two small files are read, some 0.1 ms) and, where that is True, goes on with `Run.open(run.path)` and drops this one.

    Attributes:
        path: the run's folder as it was given; figures, maps and reports lie there.
        folder: where the embeddings, the model and the tables of this state lie: `path`, or one of its generations.
        generation: how many refreshes this state has behind it; 0 = as trained or embedded.
    """

    def __init__(
        self,
        path: Path,
        manifest: Manifest,
        market: Market | None = None,
        place: Place | None = None,
        events_too: bool = True,
    ) -> None:
        self.path, self.manifest, self._market, self._events_too = path, manifest, market, events_too
        place = Place(stamp_of(path), path) if place is None else place
        self.folder, self._stamp, self.generation = place.folder, place.stamp, place.stamp.generation
        if place.lease is not None:  # what keeps the generation from being removed ends with this object
            weakref.finalize(self, os.close, place.lease)

    @classmethod
    def open(cls, path: Path | str, market: Market | None = None, events_too: bool = True) -> Run:
        """Open the run folder at `path`; without `events_too` the market's events stay on disk.

        Raises:
            VibesError: no run folder, an unfinished training, or a run of another version.
        """
        path = Path(path)
        if not (path / "run.toml").is_file() and (path / ".training").is_dir():
            raise VibesError(
                f"The training of {path} has not finished; go on with `vibes train MARKET {path} --resume`."
            )
        place = settle(path)
        run = cls(path, Manifest.load(place.folder), market, place, events_too)
        if not (run.folder / "listings.npz").is_file():
            raise VibesError(
                f"{path} lacks listings.npz; make it with `vibes embed MARKET {path} --model {path}`."
            )
        return run

    @cached_property
    def _arrays(self) -> dict[str, np.ndarray]:
        try:
            with np.load(self.folder / "listings.npz", allow_pickle=False) as stored:
                return {name: stored[name] for name in stored.files}
        except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
            raise VibesError(
                f"{self.folder / 'listings.npz'} is damaged ({error}); embed the run again."
            ) from error

    @cached_property
    def listing_ids(self) -> list[str]:
        """Ids in listing order."""
        return self._arrays["listing_id"].tolist()

    @cached_property
    def listing_row(self) -> dict[str, int]:
        """Row by listing id."""
        return {listing: row for row, listing in enumerate(self.listing_ids)}

    @property
    def spaces(self) -> list[str]:
        """The spaces this run has, of model, photos and attributes."""
        return [name for name in SPACES if name in self._arrays]

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
            vectors = self._arrays[space].astype(np.float32)
            norm = np.linalg.norm(vectors, axis=1, keepdims=True)
            self._indexes[space] = ExactIndex(vectors / np.where(norm > 0, norm, 1))
        return self._indexes[space]

    def batch_index(self, space: str) -> ExactIndex:
        """The index of one space for very many queries: by size and measured recall, see `core.search.index.choose`.

        Raises:
            VibesError: this run has no such space.
        """
        exact = self.index(space)
        if len(exact.vectors) <= EXACT_TO:
            return exact
        from core.search.index.choose import choose

        return choose(exact.vectors).index

    def vectors(self, space: str) -> np.ndarray:
        """(L, d) float32, L2-normalised; a zero row where the listing has nothing in this space."""
        return self.index(space).vectors

    def stored(self, space: str) -> np.ndarray:
        """(L, d) the vectors as the run keeps them; `vectors` are these, normalised anew."""
        self.index(space)
        return self._arrays[space]

    @property
    def market(self) -> Market:
        """The market this run's listings are of.

        Raises:
            VibesError: it is no longer where it was.
        """
        if self._market is None:
            path = self.folder / self.manifest.market  # an absolute one stays what it is
            if not path.is_dir():
                raise VibesError(
                    f"The market of {self.path} is no longer at {path}; move it back, or embed the run on the market's "
                    "new place with `vibes embed MARKET RUN --model RUN`."
                )
            tables = self.folder / "market"
            self._market = Market.open(path, None, self._events_too, tables if tables.is_dir() else None)
        return self._market

    @property
    def outdated(self) -> bool:
        """True where the run folder holds a newer state than this: refreshed, embedded or trained since."""
        return stamp_of(self.path) != self._stamp

    @cached_property
    def pushes(self) -> pd.DataFrame:
        """What to recommend to the users whom the refreshes of this run brought events of, as of the last of these.

        Columns `user_id, rank, candidate_id, score, run, at`, as `vibes recommend --all` writes them; empty without any.
        """
        path = self.folder / PUSHES
        return pd.read_parquet(path) if path.is_file() else pd.DataFrame(columns=list(PUSH_COLUMNS))

    @cached_property
    def market_changed(self) -> bool:
        """True where the market's tables differ from those this run was made from."""
        return self.market.fingerprint != self.manifest.fingerprint

    @property
    def has_model(self) -> bool:
        """True where the run holds a trained model."""
        return (self.folder / "model.safetensors").is_file()

    @cached_property
    def trained_on_everything(self) -> bool:
        """Whether no event of the market is later than the model's training, so that nothing can test it."""
        until = self.manifest.settings.split.t2
        return self.has_model and until is not None and len(self.log) > 0 and until > self.log.time.max()

    @cached_property
    def metrics(self) -> dict[str, Any] | None:
        """What `vibes evaluate` measured, or None."""
        try:
            return json.loads((self.path / "metrics.json").read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        except ValueError as error:
            raise VibesError(f"{self.path / 'metrics.json'} is damaged; evaluate the run again.") from error

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
            VibesError: the market changed since, so that its listings are not those of the embeddings.
        """
        if self.market.listings[C.LISTING].tolist() != self.listing_ids:
            raise VibesError(
                f"The listings of {self.market.path} are not those that {self.path} was embedded from; "
                f"run `vibes embed {self.market.path} {self.path} --model {self.path}`."
            )
        return Engine.load(self.folder, self.market, self.manifest.settings)

    def row(self, listing_id: str) -> int:
        """Row of a listing.

        Raises:
            VibesError: there is no such listing.
        """
        if listing_id not in self.listing_row:
            example = f" (for example '{self.listing_ids[0]}')" if self.listing_ids else ""
            raise VibesError(
                f"There is no listing '{listing_id}' in {self.path}; give one of its listing ids{example}."
            )
        return self.listing_row[listing_id]

    def similar(
        self, listing_id: str, k: int = 30, space: str = "model", allowed: np.ndarray | None = None
    ) -> pd.DataFrame:
        """The `k` listings nearest to one, best first: `listing_id, score` (cosine); never the listing itself.

        Raises:
            VibesError: no such listing or space, or the listing has nothing in this space.
        """
        row, index = self.row(listing_id), self.index(space)
        if not index.known[row]:
            raise VibesError(
                f"Listing '{listing_id}' has nothing in the space '{space}'; choose another space."
            )
        others = np.ones(len(index.known), bool) if allowed is None else allowed.copy()
        others[row] = False
        rows, scores = index.search(index.vectors[[row]], k, others)
        return self.frame(rows[0], scores[0])

    def recommend(
        self, user: str | pd.DataFrame, k: int = 30, at: pd.Timestamp | int | None = None
    ) -> pd.DataFrame:
        """The `k` best listings for a user of the market or for a history: `listing_id, score`, best first.

        Args:
            user: a user id, or a history with `listing_id` and maybe `action` and `duration_s`, oldest first.
            at: the moment (or position, in a market without timestamps); the history is what lies before it and the
                candidates are the listings live then. None: after the last event known.

        Raises:
            VibesError: no model, no such user, an empty history, an unknown listing or action.
        """
        log, query = self.query(user, at)
        vector = self.engine.encode_histories(log, query.start, query.end)  # (1, d)
        allowed = self.catalogue.candidates(log, query)[0]
        rows, scores = self.index("model").search(vector, k, allowed)
        return self.frame(rows[0], scores[0])

    def query(
        self, user: str | pd.DataFrame, at: pd.Timestamp | int | None = None
    ) -> tuple[EventLog, Queries]:
        """What `recommend` asks: a log, and one query on its history with what is live and new to the user.

        Raises:
            VibesError: what `recommend` refuses.
        """
        if not self.has_model:
            raise VibesError(f"{self.path} has no trained model, so it cannot recommend; use `vibes train`.")
        log = self.log if isinstance(user, str) else self.history_log(user)
        moment = self._moment(at)
        start, end = self._history(log, user, moment if at is not None else None)
        event, number, target, when, first, last = (
            np.array([value]) for value in (-1, 0, -1, moment, start, end)
        )
        return log, Queries(event, number, target, when, first, last, masked=True)

    def _moment(self, at: pd.Timestamp | int | None) -> int:
        return int(self.log.time.max(initial=0)) + 1 if at is None else as_moment(at)

    def _history(self, log: EventLog, user: str | pd.DataFrame, at: int | None) -> tuple[int, int]:
        if not isinstance(user, str):
            return 0, len(log)
        if user not in self._user_number:
            example = f" (for example '{log.users[0]}')" if log.users else ""
            raise VibesError(
                f"There is no user '{user}' in {self.market.path}; give one of its user ids{example}."
            )
        start, end = log.history_at(self._user_number[user], at)
        if end == start:
            raise VibesError(
                f"User '{user}' has no event before that moment, so there is no history to go by; choose a later moment."
            )
        return start, end

    @cached_property
    def _user_number(self) -> dict[str, int]:
        return {name: number for number, name in enumerate(self.log.users)}

    def history_log(self, history: pd.DataFrame) -> EventLog:
        """A history as `recommend` takes it, as the events of one user without a name.

        Raises:
            VibesError: an empty history, an unknown listing or action.
        """
        if C.LISTING not in history.columns:
            raise VibesError("The history has no column 'listing_id'; give one row an event, oldest first.")
        if history.empty:
            raise VibesError("The history is empty, so there is nothing to go by; add at least one listing.")
        events = history.reset_index(drop=True)
        events = events.assign(**{C.LISTING: events[C.LISTING].astype("str")})
        for listing in events[C.LISTING]:
            self.row(listing)
        if C.ACTION in events.columns:
            strange = events[C.ACTION].dropna()
            strange = strange[~strange.isin(self.market.actions)]
            if len(strange):
                known = ", ".join(self.market.actions) or "none"
                raise VibesError(
                    f"The history has the action '{strange.iloc[0]}', which this market does not know ({known})."
                )
        kept = [name for name in (C.LISTING, C.ACTION, C.DURATION) if name in events.columns]
        return EventLog.from_frame(
            events[kept].assign(**{C.USER: "", C.POSITION: np.arange(len(events))}), self.market
        )

    def frame(self, rows: np.ndarray, scores: np.ndarray) -> pd.DataFrame:
        """The listings `rows` (k,), -1 where there is none, as `listing_id, score`."""
        found = rows >= 0
        ids = self._arrays["listing_id"][rows[found]].astype(str)
        return pd.DataFrame({C.LISTING: ids.tolist(), "score": scores[found].astype(float)})


def as_moment(at: pd.Timestamp | int) -> int:
    """A moment in the time of a log: nanoseconds UTC, or a position as it is."""
    if isinstance(at, pd.Timestamp):
        return (at.tz_localize("UTC") if at.tzinfo is None else at).as_unit("ns").value
    return int(at)
