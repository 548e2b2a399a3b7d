"""A run: made in memory, opened and saved; lists by it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from listing_vibes.cache import Cache
from listing_vibes.defaults import K
from listing_vibes.market.columns import Columns as C
from listing_vibes.market.market import Market
from listing_vibes.market.moments import Moment
from listing_vibes.run.blends import choose_blend
from listing_vibes.run.manifest import Manifest
from listing_vibes.run.query import Query
from listing_vibes.run.recommender import Recommender
from listing_vibes.run.rules import Rules
from listing_vibes.run.run_data import RunData
from listing_vibes.run.stored import StoredRun
from listing_vibes.scoring.blend import ALONE, Blend

if TYPE_CHECKING:
    from listing_vibes.features.market_summary import MarketSummary
    from listing_vibes.run.engine import Engine

#: Recommenders that are cached, since requests may have any number of different rules.
RECOMMENDERS = 64


class Run(RunData):
    """A market, the vectors of its listings in each space, a model if it was trained, and a blend; `similar` and `recommend`.

    It is made in memory, or opened from the folder that `save` wrote. An open run stays at the version that was current when it
    was opened, while `vibes refresh` writes newer ones. A server checks `outdated` between requests (about 0.1 ms) and replaces
    the run by `Run.open(run.path)` if it is True.

    Args:
        market: the market, whose listings the rows of all arrays are.
        manifest: settings, and what was trained on what.
        spaces: vectors (L, d) by space; a row of zeros is a listing without a vector. They are stored as float16.
        engine: the model over the market; None without one.
        summaries: of the markets that the model was trained on.
        photo_center: (w,) the mean photo vector, the origin of the photo space.
    """

    def __init__(
        self,
        market: Market,
        manifest: Manifest,
        spaces: Mapping[str, np.ndarray],
        engine: Engine | None = None,
        summaries: Sequence[MarketSummary] = (),
        photo_center: np.ndarray | None = None,
    ) -> None:
        self.manifest, self.summaries = manifest, summaries
        self.stored_run = None
        self._market_in_memory = market
        self._photo_center = photo_center
        self._arrays = {"listing_id": market.listings[C.LISTING].to_numpy(str)} | {
            name: np.asarray(vectors, np.float16) for name, vectors in spaces.items()
        }
        self._evaluation = None, []
        if engine is not None:
            self.engine = engine

    @classmethod
    def open(cls, path: Path | str, market: Market | None = None) -> Run:
        """Open the run folder at `path`; the market is opened and its events are read on first use.

        >>> run = Run.open(folder / "run")
        >>> run.spaces, run.vectors("model").shape
        (['model', 'attributes'], (120, 32))

        Raises:
            VibesError: `path` is not a run folder, its training has not finished, or its format is another one.
        """
        run = cls.__new__(cls)
        stored = run.stored_run = StoredRun.open(Path(path))
        run.manifest, run._market_in_memory, run.summaries = stored.manifest, market, ()
        return run

    def save(self, folder: Path | str) -> Run:
        """Write the run to a folder and open it from there.

        A market in memory is written to `market` in the folder. A run that is there gets a new version.

        Raises:
            VibesError: the folder cannot be written, or another process writes it.
        """
        from listing_vibes.run.save import save_run  # It imports torch for a model.

        save_run(self, Path(folder))
        return Run.open(folder)

    def encode(self, listings: pd.DataFrame | Sequence[Mapping[str, Any]]) -> dict[str, np.ndarray]:
        """Return the vectors (n, d) of listings that the market lacks, in the model's and the attributes space.

        >>> run.encode([{"rooms": 2, "price": 1200}])["model"].shape
        (1, 32)

        Args:
            listings: a row per listing with values by attribute; missing ones are unknown. With photos see
                `listing_vibes.run.newcomers`.

        Raises:
            VibesError: an attribute is unknown, or a value cannot be parsed.
        """
        from listing_vibes.run.newcomers import Newcomers  # It imports torch for a model.

        rows = listings.to_dict("records") if isinstance(listings, pd.DataFrame) else listings
        drafts = [{str(name): value for name, value in row.items() if not _is_missing(value)} for row in rows]
        return Newcomers(self).encode_tables(drafts)

    def similar(
        self,
        listings: Any,
        k: int | None = None,
        space: str | None = None,
        at: Moment | None = None,
        rules: Rules | Mapping[str, Any] | None = None,
    ) -> pd.DataFrame:
        """Return the nearest listings of one listing or of each of several, best first, without the listing itself.

        >>> run.similar("home-0003", k=2).columns.tolist()
        ['listing_id', 'score', 'title']
        >>> run.similar(["home-0003", "home-0004"], k=2, rules={"same": "district"})["query_id"].tolist()
        ['home-0003', 'home-0003', 'home-0004', 'home-0004']

        Args:
            listings: a listing id, as text or number, or several.
            k: the maximum number of listings; None for that of the rules.
            space: "model", "photos" or "attributes"; None for the first of `spaces`, see `listing_vibes.run.embedding`.
            at: the moment of `rules.live_only` and `rules.boost`; None for after the last known event.
            rules: `Rules`, or a mapping with some of their keys.

        Returns:
            A frame `listing_id, score` (cosine), and `title` if the market's listings have titles; for several listings, after a
            column `query_id`.

        Raises:
            VibesError: there is no such listing, space or attribute, or a query has no vector in this space.
        """
        return Query.similar(listings, k=k, space=space, at=at, rules=rules).compile(self).frame()

    def recommend(
        self,
        queries: Any,
        k: int | None = None,
        at: Moment | None = None,
        rules: Rules | Mapping[str, Any] | None = None,
        blend: str | None = None,
    ) -> pd.DataFrame:
        """Return the best listings for a user or a history, or for each of several, best first.

        >>> run.recommend("user-0001", k=3).columns.tolist()
        ['listing_id', 'score', 'title']
        >>> run.recommend(["user-0001", "user-0002"], k=2, at="2025-03-01")["user_id"].tolist()
        ['user-0001', 'user-0001', 'user-0002', 'user-0002']
        >>> a_history = [{"listing_id": "home-0003", "action": "view"}, {"listing_id": "home-0004", "action": "message"}]
        >>> len(run.recommend(a_history, k=5, rules={"where": "rooms>=3"}))
        5

        Args:
            queries: a user id, as text or number; or a history: a frame with `listing_id` and optionally `action` and
                `duration_s`, a list of such events, or of listing ids, oldest first or sorted by `timestamp`; or several of
                these, all users or all histories. A list of ids is several users if all are users, and a history if all are listings.
            k: the maximum number of listings; None for that of the rules.
            at: the moment as text, date or Timestamp (or the position, in a market without timestamps); a user's history has
                the events before it, and the candidates are active at it. None for after the last known event.
            rules: `Rules`, or a mapping with some of their keys; None for active listings that are not in the history.
            blend: the blend, as `vibes evaluate` fitted it: "recency", "neighbors" or "ids", joined by +; None for the default
                blend; "nothing" for the model only. The score of a blend is not a cosine, and only its order has a meaning.

        Returns:
            A frame `listing_id, score`, and `title` if the market's listings have titles; for several queries, after a column
            `user_id` (empty for a history); and with pins or `fill` a column `rule`. A run without a model returns untrained
            neighbors of the history in its first space, and `attrs["scorer"]` is "untrained neighbors". For an unknown user and
            an empty history it returns popular and recent listings under the same rules (except `same`), with the number of
            recent events as score, and a column `fallback` is True.

        Raises:
            VibesError: a listing, action or attribute is unknown, ids may be users or listings, or the blend is not fitted.
        """
        return Query.recommend(self, queries, k=k, at=at, rules=rules, blend=blend).compile(self).frame()

    def recommender(
        self,
        space: str | None = None,
        rules: Rules | None = None,
        for_users: bool = True,
        blend: str | None = None,
    ) -> Recommender:
        """Return the cached recommender of a space (None: the model for users if there is one, else the run's first space) under rules.

        Raises:
            VibesError: there is no such space or attribute, or the blend is not fitted.
        """
        if space is None:
            space = "model" if for_users and self.has_model else self.spaces[0]
        self.index(space)
        # `k` is an argument of each list.
        plain = (Rules() if rules is None else rules).model_copy(update={"k": K})
        fit = choose_blend(self, blend) if for_users else ALONE
        return self._recommenders.get(
            (space, plain, for_users, fit.model_dump_json()),
            lambda: Recommender(self, space, plain.resolved(for_users), fit),
        )

    @cached_property
    def _recommenders(self) -> Cache[tuple[Any, ...], Recommender]:
        return Cache(RECOMMENDERS)

    @cached_property
    def blends(self) -> Cache[tuple[str, str], Blend]:
        """Return the cache of the recommenders' blends, by space and weights."""
        return Cache(RECOMMENDERS)

    def __repr__(self) -> str:
        model = "a trained model" if self.has_model else "no model"
        where = "in memory" if self.stored_run is None else self.path
        return f"Run {where} on the market '{self.manifest.market_name}', with {model}"


def _is_missing(value: Any) -> bool:
    """Return whether a cell is empty; a list of a set is not."""
    return value is None or (not isinstance(value, list | tuple | np.ndarray) and bool(pd.isna(value)))
