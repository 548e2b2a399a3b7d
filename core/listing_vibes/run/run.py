"""An open run: similar listings in every space, and recommendations by its model or by untrained neighbors."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from functools import cached_property
from itertools import groupby
from typing import Any

import numpy as np
import pandas as pd

from listing_vibes.cache import Cache
from listing_vibes.defaults import K
from listing_vibes.errors import VibesError, VibesWarning
from listing_vibes.market.columns import Columns as C
from listing_vibes.market.moments import Moment
from listing_vibes.run.describe import with_titles
from listing_vibes.run.fits import NOTHING, serving_fit
from listing_vibes.run.folder import RunFolder
from listing_vibes.run.groups import resolve_rules
from listing_vibes.run.histories import of_histories, of_users, read_listings, read_queries
from listing_vibes.run.popular import POPULAR
from listing_vibes.run.ranking import Lists
from listing_vibes.run.recommender import Recommender
from listing_vibes.run.rules import RULED, Rules
from listing_vibes.run.run_blend import RunBlend
from listing_vibes.words import count

#: Recommenders that are cached, since requests may have any number of different rules.
RECOMMENDERS = 64


class Run(RunFolder):
    """An open run folder with `similar` and `recommend`, for one query or a million."""

    def similar(
        self,
        listings: Any,
        k: int | None = None,
        space: str | None = None,
        allowed: np.ndarray | None = None,
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
            space: "model", "photos" or "attributes"; None for the first of `spaces`, see `listing_vibes.run.default_space`.
            allowed: (L,) bool, which listings may be in the list, in addition to the rules; None for all.
            at: the moment of `rules.live_only` and `rules.boost`; None for after the last known event.
            rules: `Rules`, or a mapping with some of their keys.

        Returns:
            A frame `listing_id, score` (cosine), and `title` if the market's listings have titles; for several listings, after a
            column `query_id`. Queries without a vector in this space are left out with a warning, and named in
            `attrs["without_vectors"]`.

        Raises:
            VibesError: there is no such listing, space or attribute, no query has a vector in this space, or the shape or type of
                `allowed` is wrong.
        """
        query, single = read_listings(listings)
        space = self.spaces[0] if space is None else space
        rows, available = np.array([self.row(item) for item in query], np.int64), self.index(space).known
        has_vector = available[rows]  # (Q,)
        without = [item for item, has in zip(query, has_vector, strict=True) if not has]
        if without and len(without) == len(query):
            raise VibesError(
                f"Listing '{without[0]}' has nothing in the space '{space}'; choose another space."
            )
        if without:
            warnings.warn(
                f"{count(len(without), 'listing')} of {len(query):,} (such as '{without[0]}') "
                f"{'has' if len(without) == 1 else 'have'} nothing in the space '{space}' and {'is' if len(without) == 1 else 'are'} "
                "left out; choose another space for these.",
                VibesWarning,
                stacklevel=2,
            )
            rows = rows[has_vector]
            query = [item for item, has in zip(query, has_vector, strict=True) if has]
        if allowed is not None and (
            np.shape(allowed) != available.shape or np.asarray(allowed).dtype != bool
        ):
            raise VibesError(
                f"allowed has the shape {np.shape(allowed)} and the type {np.asarray(allowed).dtype}; give a True or False for each "
                f"of the {len(available):,} listings of the run."
            )
        rules = Rules.of(rules)
        maker = self.recommender(space, rules, for_users=False)
        moment = self.moment(at) if maker.rules.needs_moment else None
        result = maker.similar(rows, moment, rules.length(k), allowed)
        frame = self._frames(result, None if single else query, "query_id", maker.rules.shows_rule)
        if without:
            frame.attrs["without_vectors"] = without
        return frame

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
                these. A list of ids is read as several users if all are users, and as a history if all are listings.
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
        query, single = read_queries(self, queries)
        rules, moment = Rules.of(rules), self.moment(at)
        names = ["" if not isinstance(item, str) else item for item in query]
        lists: list[Lists] = []
        empty: list[bool] = []
        maker = self.recommender(None, rules, blend=blend)
        for users, group in groupby(query, lambda item: isinstance(item, str)):
            subset: list[Any] = list(group)
            before = None if at is None else moment
            given = of_users(self, subset, before) if users else of_histories(self, subset)
            lists.append(maker.recommend(*given, moment, rules.length(k)))
            empty.extend(given.empty)
        created = Lists.joined(lists)
        frame = self._frames(created, None if single else names, C.USER, maker.rules.shows_rule)
        if any(empty):
            frame["fallback"] = np.repeat(empty, (created.rows >= 0).sum(axis=1))
        if scorer := POPULAR if empty and all(empty) else maker.scorer:
            frame.attrs["scorer"] = scorer
        return frame

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
        plain = (Rules() if rules is None else rules).model_copy(
            update={"k": K}
        )  # `k` is an argument of each list.
        additions = self.additions(blend) if for_users else None

        def make() -> Recommender:
            # Rules without attributes do not need the market's tables.
            needs_market = plain.needs_attributes
            resolved = (
                resolve_rules(plain, self.market, for_users) if needs_market else plain.resolved(for_users)
            )
            return Recommender(self, space, resolved, additions)

        return self._recommenders.get((space, plain, for_users, additions), make)

    @cached_property
    def _recommenders(self) -> Cache[tuple[Any, ...], Recommender]:
        return Cache(RECOMMENDERS)

    def additions(self, blend: str | None = None) -> RunBlend | None:
        """Return the cached blend `blend`, such as "neighbors+recency"; None returns the default blend, "nothing" no blend.

        Raises:
            VibesError: the run has no such blend, or no model.
        """
        if not self.has_model:
            if blend not in (None, NOTHING):
                raise VibesError(
                    f"{self.path} has no trained model to blend with {blend}; leave out --blend, or train one with "
                    "`vibes train MARKET RUN`."
                )
            return None
        # The file is read each time, since a run may be evaluated while it is open.
        fit = serving_fit(self._fits_in, self.manifest.settings, blend)
        if fit is None:
            return None
        key = fit.model_dump_json()
        if key not in self._additions:
            self._additions[key] = RunBlend(self, fit)
        return self._additions[key]

    @cached_property
    def _additions(self) -> dict[str, RunBlend]:
        return {}

    def _frames(
        self, result: Lists, names: Sequence[str] | None, column: str, shows_rule: bool = False
    ) -> pd.DataFrame:
        """Return the lists in one frame; with `names`, after a column with the name of each query."""
        full = self.frame(result.rows.ravel(), result.scores.ravel())
        if shows_rule:
            full["rule"] = [RULED[code] for code in result.ruled[result.rows >= 0]]
        full = with_titles(self, full)
        if names is None:
            return full
        length = (result.rows >= 0).sum(axis=1)
        full.insert(0, column, np.repeat(np.array(names, object), length))
        return full
