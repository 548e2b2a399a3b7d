"""An open run: similar listings in every space, and recommendations by its model or by untrained neighbors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from listing_vibes.cache import Cache
from listing_vibes.defaults import K
from listing_vibes.errors import VibesError
from listing_vibes.market.columns import Columns as C
from listing_vibes.market.moments import Moment
from listing_vibes.run.describe import with_titles
from listing_vibes.run.fits import NOTHING, serving_fit
from listing_vibes.run.folder import RunFolder
from listing_vibes.run.histories import of_histories, of_users, parse_listings, parse_queries
from listing_vibes.run.ranking import Lists
from listing_vibes.run.recommender import POPULAR, Recommender
from listing_vibes.run.rules import RULED, Rules
from listing_vibes.run.run_blend import RunBlend

#: Recommenders that are cached, since requests may have any number of different rules.
RECOMMENDERS = 64


class Run(RunFolder):
    """An open run folder with `similar` and `recommend`, for one query or a million."""

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
            space: "model", "photos" or "attributes"; None for the first of `spaces`, see `listing_vibes.run.spaces`.
            at: the moment of `rules.live_only` and `rules.boost`; None for after the last known event.
            rules: `Rules`, or a mapping with some of their keys.

        Returns:
            A frame `listing_id, score` (cosine), and `title` if the market's listings have titles; for several listings, after a
            column `query_id`.

        Raises:
            VibesError: there is no such listing, space or attribute, or a query has no vector in this space.
        """
        ids, single = parse_listings(listings)
        space = self.spaces[0] if space is None else space
        rows, rules = self.rows_in(ids, space), Rules.of(rules)
        maker = self.recommender(space, rules, for_users=False)
        moment = self.moment(at) if maker.rules.needs_moment else None
        result = maker.similar(rows, moment, rules.length(k))
        return self._frames(result, None if single else ids, "query_id", maker.rules.shows_rule)

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
        query, single = parse_queries(self, queries)
        rules, moment = Rules.of(rules), self.moment(at)
        maker = self.recommender(None, rules, blend=blend)
        users = [item for item in query if isinstance(item, str)]  # all of them, or none
        given = of_users(self, users, None if at is None else moment)
        if len(users) < len(query):
            given = of_histories(self, [item for item in query if not isinstance(item, str)])
        result, empty = maker.recommend(*given, moment, rules.length(k)), given.empty
        names = None if single else users or [""] * len(query)
        frame = self._frames(result, names, C.USER, maker.rules.shows_rule)
        if empty.any():
            frame["fallback"] = np.repeat(empty, (result.rows >= 0).sum(axis=1))
        if scorer := POPULAR if len(empty) and empty.all() else maker.scorer:
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
        # `k` is an argument of each list.
        plain = (Rules() if rules is None else rules).model_copy(update={"k": K})
        additions = self.additions(blend) if for_users else None

        return self._recommenders.get(
            (space, plain, for_users, additions),
            lambda: Recommender(self, space, plain.resolved(for_users), additions),
        )

    @cached_property
    def _recommenders(self) -> Cache[tuple[Any, ...], Recommender]:
        return Cache(RECOMMENDERS)

    def additions(self, blend: str | None = None) -> RunBlend | None:
        """Return the cached blend `blend`, such as "neighbors+recency"; None returns the default blend, "nothing" no blend.

        Raises:
            VibesError: the run has no such blend, or no model.
        """
        if not self.has_model and blend not in (None, NOTHING):
            raise VibesError(
                f"{self.path} has no trained model to blend with {blend}; leave out --blend, or train one with "
                "`vibes train MARKET RUN`."
            )
        # The file is read each time, since a run may be evaluated while it is open.
        fit = serving_fit(self.path, self.manifest.settings, blend)
        return None if fit is None else self._blends.get(fit.model_dump_json(), lambda: RunBlend(self, fit))

    @cached_property
    def _blends(self) -> Cache[str, RunBlend]:
        return Cache(RECOMMENDERS)

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
