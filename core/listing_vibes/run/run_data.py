"""What a run has: a market, vectors of its listings in each space, a model if it was trained, and its events; in memory or in a folder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from listing_vibes.defaults import K
from listing_vibes.errors import VibesError
from listing_vibes.market.columns import Columns as C
from listing_vibes.market.display_names import NumberedUsers
from listing_vibes.market.log import EventLog, cached_log, own_memory
from listing_vibes.market.market import Market
from listing_vibes.market.moments import Moment, moment_in_log
from listing_vibes.market.precomputed_vectors import precomputed_vectors
from listing_vibes.market.splits import Catalogue, Protocol, Split
from listing_vibes.model.settings import BlendWeights
from listing_vibes.request_errors import RequestError, UnknownId
from listing_vibes.run.blends import load_blends
from listing_vibes.run.manifest import LISTINGS, SPACES, Manifest, damaged, load_photo_center
from listing_vibes.run.other_market import split_of_model
from listing_vibes.run.stored import StoredRun, market_of_run
from listing_vibes.run.versions import Stamp
from listing_vibes.scoring.late_interaction import LateInteraction
from listing_vibes.search.index import ExactIndex, Shared, normalize

if TYPE_CHECKING:
    from listing_vibes.features.market_summary import MarketSummary
    from listing_vibes.run.engine import Engine

MINUTE = 60 * 10**9  # nanoseconds


class RunData:
    """The data of a `listing_vibes.run.run.Run`, under the names that lists, evaluations and insights read."""

    manifest: Manifest
    summaries: Sequence[MarketSummary]
    stored_run: StoredRun | None
    #: A folder of vectors and events that several processes share; None if this process has its own.
    shared: Shared | None = None
    _market_in_memory: Market | None
    _photo_center: np.ndarray | None
    _evaluation: tuple[dict[str, Any] | None, list[BlendWeights]]

    @property
    def stored(self) -> StoredRun:
        """Return the folder that the run was opened from.

        Raises:
            VibesError: the run is in memory.
        """
        if self.stored_run is None:
            raise VibesError(
                "This run is in memory only; write it to a folder with `run.save(FOLDER)` first."
            )
        return self.stored_run

    @property
    def path(self) -> Path:
        """Return the run's folder as given; figures, maps and reports are in it."""
        return self.stored.path

    @property
    def folder(self) -> Path:
        """Return the folder with the embeddings, the model and the tables of this version: `path`, or one in it."""
        return self.stored.folder

    @property
    def created_folder(self) -> Path:
        """Return the folder of the version that was trained or embedded last; `folder` without a refresh since."""
        return self.stored.created_folder

    @property
    def stamp(self) -> Stamp:
        """Return the identity of this version."""
        return self.stored.stamp

    @property
    def version(self) -> int:
        """Return the number of this version; each refresh and each new embedding publishes the next one. 0 in memory."""
        return 0 if self.stored_run is None else self.stored_run.stamp.version

    @property
    def label(self) -> str:
        """Return what messages call the run: its folder, or "this run" in memory."""
        return "this run" if self.stored_run is None else str(self.stored_run.path)

    @property
    def outdated(self) -> bool:
        """Return whether the run folder has a newer version: the run was refreshed, embedded or trained since it was opened."""
        return self.stored_run is not None and self.stored_run.outdated

    @cached_property
    def _arrays(self) -> dict[str, np.ndarray]:
        return self.stored.read_arrays()

    @cached_property
    def listing_ids(self) -> list[str]:
        """Return the ids in listing order."""
        return list(self.listing_row)

    @cached_property
    def listing_row(self) -> dict[str, int]:
        """Return the row of each listing id."""
        ids = self._arrays["listing_id"].tolist()
        rows = {listing: row for row, listing in enumerate(ids)}
        if len(rows) != len(ids):
            raise damaged(self.folder / LISTINGS, "a listing id occurs twice")
        return rows

    @property
    def spaces(self) -> list[str]:
        """Return the spaces of the run (model, photos, attributes, the market's own vectors), the default space first."""
        default = self.manifest.default_space
        names = [name for name in SPACES if name in self._arrays]
        names += [name for name in self._arrays if name not in (*SPACES, "listing_id")]
        return sorted(names, key=lambda name: default is not None and name != default.space)

    @cached_property
    def _indexes(self) -> dict[str, ExactIndex]:
        return {}

    def index(self, space: str) -> ExactIndex:
        """Return the index of a space.

        Raises:
            VibesError: the run has no such space.
        """
        if space not in self.spaces:
            if space in self.market.config.vectors:
                precomputed_vectors(
                    self.market, space
                )  # raises what is wrong with them, as `vibes check` says it
                names = {"run": self.label, "market": self.market.path}
                raise RequestError("space_not_embedded", names, space=space)
            raise RequestError("unknown_space", run=self.label, space=space, choices=", ".join(self.spaces))
        if space not in self._indexes:
            stored = self._arrays[space]
            try:
                self._indexes[space] = (
                    ExactIndex.of_stored(stored)
                    if self.shared is None
                    else ExactIndex(
                        self.shared.array(
                            f"{self.path.resolve()} {space}",
                            self.stamp,
                            stored.shape,
                            np.float32,
                            partial(normalize, stored),
                        )
                    )
                )
            except ValueError as error:
                raise damaged(self.folder / LISTINGS, f"{space}: {error}") from error
        return self._indexes[space]

    def vectors(self, space: str) -> np.ndarray:
        """Return the L2-normalized vectors (L, d) float32 of a space; zeros for a listing without a vector."""
        return self.index(space).vectors

    def stored_vectors(self, space: str) -> np.ndarray:
        """Return the vectors (L, d) as stored; `vectors` normalizes them."""
        self.index(space)
        return self._arrays[space]

    @cached_property
    def market(self) -> Market:
        """Return the market of the run, restricted to the run's listings; warn if it changed since the run was written.

        Raises:
            VibesError: the market is no longer at its path, or belongs to a newer version of the run.
            MarketMismatch: the market no longer has the run's listings.
        """
        return market_of_run(self)

    @cached_property
    def market_on_disk(self) -> Market:
        """Return the current market, with all of its listings.

        Raises:
            VibesError: the market is no longer at its path, or belongs to a newer version of the run.
        """
        return self.stored.open_market() if self._market_in_memory is None else self._market_in_memory

    @property
    def has_market(self) -> bool:
        """Return whether the market exists."""
        return self._market_in_memory is not None or self.stored.market_path.is_dir()

    @cached_property
    def market_changed(self) -> bool:
        """Return whether the market's tables differ from those that the run was written from."""
        return self.stored_run is not None and self.market_on_disk.fingerprint != self.manifest.fingerprint

    @property
    def has_model(self) -> bool:
        """Return whether the run has a trained model."""
        return "engine" in vars(self) or (self.stored_run is not None and self.stored_run.has_model)

    @cached_property
    def engine(self) -> Engine:
        """Return the model over the market (needs torch).

        Raises:
            VibesError: the run has no model, or the market no longer has its listings.
        """
        from listing_vibes.run.engine import Engine  # Other uses of a run do not compute features.

        self.needs_model()
        return Engine.load(self.folder, self.market, self.manifest.settings)

    @property
    def photo_center(self) -> np.ndarray | None:
        """Return the mean photo vector (w,), the origin of the photo space; None without one."""
        return self._photo_center if self.stored_run is None else load_photo_center(self.folder)

    @property
    def metrics(self) -> dict[str, Any] | None:
        """Return the last results of `vibes evaluate`, or None."""
        return self._evaluation[0] if self.stored_run is None else self.stored_run.metrics

    @property
    def fitted_blends(self) -> list[BlendWeights]:
        """Return the blends that `vibes evaluate` fitted; none before."""
        # The file is read each time, since a run may be evaluated while it is open.
        return self._evaluation[1] if self.stored_run is None else load_blends(self.path)

    def keep_evaluation(self, metrics: dict[str, Any] | None, blends: Sequence[BlendWeights]) -> None:
        """Keep the results of an evaluation with a run in memory."""
        self._evaluation = metrics, list(blends)

    @cached_property
    def transferred(self) -> bool:
        """Return whether the model was trained on another market than that of the run."""
        # A refresh changes the fingerprint of the tables, but not the market.
        is_created = self.stored_run is None or self.created_folder == self.folder
        created = self.manifest if is_created else Manifest.load(self.created_folder)
        return bool(created.trained_on) and created.trained_on != created.fingerprint

    @property
    def trained_until(self) -> int | None:
        """Return the end of training on the run's market, in the log's time; None if no model was trained on it up to a time."""
        return None if self.transferred else self.manifest.settings.split.t1

    @cached_property
    def trained_on_everything(self) -> bool:
        """Return whether the model was trained on all events of the market, so that none is left to test it."""
        report, until = self.manifest.carried, self.manifest.settings.split.t2
        if self.transferred and report is not None and not report.shared:  # by no listing of this market
            return False
        return self.has_model and until is not None and len(self.log) > 0 and until > self.log.time.max()

    def split(self, protocol: Protocol | None = None) -> Split:
        """Return the split of the market's events into training, validation and test.

        By default it is the split of the training. A model of another market is tested on this market's own split, but if
        the two markets share listings, never on events before the end of its training.

        Raises:
            VibesError: the market has no events, or the protocol is not possible.
        """
        trained, log, catalogue = self.manifest.settings.split, self.log, self.catalogue
        transfer = self.manifest.carried if self.transferred else None
        return split_of_model(log, catalogue, trained, transfer, protocol)

    @cached_property
    def log(self) -> EventLog:
        """Return the market's events."""
        return cached_log(self.market, own_memory if self.shared is None else self.shared.array)

    @cached_property
    def catalogue(self) -> Catalogue:
        """Return when each listing is active."""
        return Catalogue.of(self.market)

    def row(self, listing_id: str) -> int:
        """Return the row of a listing.

        Raises:
            NotThere: there is no such listing.
        """
        return int(self.rows([listing_id])[0])

    def rows(self, listing_ids: Sequence[str]) -> np.ndarray:
        """Return the rows (n,) int64 of listings.

        Raises:
            NotThere: one of them is not there.
        """
        rows: Mapping[str, int]
        if len(listing_ids) == 1 and "listing_row" not in vars(self):
            # The dictionary of a million ids takes half a second, a search for one of them a hundredth of a second.
            matches = np.flatnonzero(self._arrays["listing_id"] == listing_ids[0])
            rows = dict.fromkeys(listing_ids, int(matches[0])) if len(matches) else {}
        else:
            rows = self.listing_row
        for item in listing_ids:
            if item not in rows:
                raise UnknownId("unknown_listing", listing=item, run=self.label)
        return np.array([rows[item] for item in listing_ids], np.int64)

    def rows_in(self, listing_ids: Sequence[str], space: str) -> np.ndarray:
        """Return the rows (n,) int64 of listings with a vector in a space.

        Raises:
            NotThere: one of them is not there.
            VibesError: the run has no such space, or one of them has no vector in it.
        """
        rows = self.rows(listing_ids)
        has_vector = self.index(space).known[rows]  # (n,)
        if not has_vector.all():
            missing = listing_ids[int(np.argmin(has_vector))]
            raise RequestError("no_vector", listing=missing, space=space)
        return rows

    @cached_property
    def late_interaction(self) -> LateInteraction:
        """Return how the model's scores use the listings of a history in addition to the user's vector."""
        return LateInteraction.of(self.manifest.settings.training)

    def needs_model(self) -> None:
        """Check that the run has a model.

        Raises:
            VibesError: it has none.
        """
        if not self.has_model:
            raise RequestError("no_model", run=self.label)

    def moment(self, at: Moment | None) -> int:
        """Return a moment in the time of the market's log; None means after the last known event.

        Raises:
            VibesError: the value is not a date or, in a market without timestamps, not a position.
        """
        return self.after_last_event if at is None else moment_in_log(at, self.market.timed)

    @cached_property
    def after_last_event(self) -> int:
        """Return the moment after the last known event, in the time of the market's log; 1 without events."""
        return int(self.log.time.max()) + 1 if len(self.log) else 1

    def counted_at(self, at: int) -> int:
        """Return the moment at which recent events are counted for a request at a moment.

        After the last event it is rounded down to the minute, so that successive requests share the counts.
        """
        after = self.after_last_event
        if not self.market.timed:
            return after  # Without timestamps the last events of each user count at any moment.
        return at if at <= after else max(at // MINUTE * MINUTE, after)

    @cached_property
    def user_number(self) -> Mapping[str, int]:
        """Return the number of each user in the log, by name; if names are hashed, also by id."""
        return NumberedUsers(self.log.users, self.market.names)

    def nearest(self, scores: np.ndarray, k: int = K) -> pd.DataFrame:
        """Return the `k` listings with the highest `scores` (L,), best first, as a `frame`; without those of score -inf."""
        rows = np.argsort(-scores, kind="stable")[:k]
        return self.frame(np.where(np.isfinite(scores[rows]), rows, -1), scores[rows])

    def frame(self, rows: np.ndarray, scores: np.ndarray) -> pd.DataFrame:
        """Return the listings at `rows` (k,) and their `scores` (k,) as a frame `listing_id, score`, without rows of -1."""
        result = rows >= 0
        ids = self._arrays["listing_id"][rows[result]].astype(str)
        return pd.DataFrame({C.LISTING: ids.tolist(), "score": scores[result].astype(float)})
