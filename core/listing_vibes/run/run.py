"""A run, opened: what is similar in every space, and recommendations, by its model or without one by untrained neighbors."""

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
from listing_vibes.run.histories import of_histories, of_users
from listing_vibes.run.popular import POPULAR
from listing_vibes.run.queries import read_listings, read_queries
from listing_vibes.run.ranking import Lists
from listing_vibes.run.recommender import Recommender
from listing_vibes.run.rules import RULED, Rules
from listing_vibes.run.run_blend import RunBlend
from listing_vibes.words import count

#: Makers of lists that are kept ready; a service may be asked by any number of rules.
RECOMMENDERS = 64


class Run(RunFolder):
    """An opened run folder that answers: `similar` and `recommend`, of one or a million queries."""

    def similar(
        self,
        listings: Any,
        k: int | None = None,
        space: str | None = None,
        allowed: np.ndarray | None = None,
        at: Moment | None = None,
        rules: Rules | Mapping[str, Any] | None = None,
    ) -> pd.DataFrame:
        """The listings nearest to one or to each of several, best first, never the listing itself.

        >>> run.similar("home-0003", k=2).columns.tolist()
        ['listing_id', 'score', 'title']
        >>> run.similar(["home-0003", "home-0004"], k=2, rules={"same": "district"})["query_id"].tolist()
        ['home-0003', 'home-0003', 'home-0004', 'home-0004']

        Args:
            listings: a listing id, as text or number, or several.
            k: how many, at most; None: that of the rules.
            space: "model", "photos" (what they look like) or "attributes"; None: the first of `spaces`,
                see `listing_vibes.run.default_space`.
            allowed: (L,) bool, which listings may be found beside the rules; None: all.
            at: the moment of `rules.live_only` and `rules.boost`; None: after the last event known.
            rules: `Rules`, or a mapping with some of their keys.

        Returns:
            `listing_id, score` (cosine), and `title` where the market names its listings; of several listings, behind a
            column `query_id` with the listing that was asked. Of several, those that have nothing in this space are left out
            with a warning, and named in `attrs["without_vectors"]`.

        Raises:
            VibesError: no such listing, space or attribute, no listing has anything in this space, or `allowed` is of other listings.
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
        moment = self.moment(at) if maker.rules.ask_moment else None
        result = maker.similar(rows, moment, rules.length(k), allowed)
        frame = self._frames(result, None if single else query, "query_id", maker.rules.says)
        if without:
            frame.attrs["without_vectors"] = without
        return frame

    def recommend(
        self,
        queries: Any,
        k: int | None = None,
        at: Moment | None = None,
        rules: Rules | Mapping[str, Any] | None = None,
        beside: str | None = None,
    ) -> pd.DataFrame:
        """The best listings for a user of the market or for a history, or for each of several, best first.

        >>> run.recommend("user-0001", k=3).columns.tolist()
        ['listing_id', 'score', 'title']
        >>> run.recommend(["user-0001", "user-0002"], k=2, at="2025-03-01")["user_id"].tolist()
        ['user-0001', 'user-0001', 'user-0002', 'user-0002']
        >>> a_history = [{"listing_id": "home-0003", "action": "view"}, {"listing_id": "home-0004", "action": "message"}]
        >>> len(run.recommend(a_history, k=5, rules={"where": "rooms>=3"}))
        5

        Args:
            queries: a user id, as text or number; a history: a frame with `listing_id` and maybe `action` and `duration_s`,
                a list of such events, or of listing ids, oldest first or in the order of their `timestamp`; or several of
                these. A list of ids is several users where all are users, and a history where all are listings.
            k: how many, at most; None: that of the rules.
            at: the moment as text, date or Timestamp (or the position, in a market without timestamps); a user's history is
                what lies before it and the candidates are the listings live then. None: after the last event known.
            rules: `Rules`, or a mapping with some of their keys; None: live listings that are not in the history.
            beside: what is added to the model, as `vibes evaluate` fitted it: "recency", "neighbors" or "ids", joined by +;
                None: what lists add unasked; "nothing": nothing. With an addition the score is no cosine and
                tells nothing but the order.

        Returns:
            `listing_id, score`, and `title` where the market names its listings; of several, behind a column `user_id`
            (empty for a history); and `rule`, as `similar` gives it. A run without a model gives the untrained neighbors of
            the history, by its first space; then `attrs["scorer"]` is "untrained neighbors". A user whom the market does not
            know at that moment, and an empty history, get popular and recent listings under the same rules (but `same`), with
            their recent events as score; then a column `fallback` is True.

        Raises:
            VibesError: an unknown listing, action or attribute, ids that may be users or listings, or nothing fitted.
        """
        query, single = read_queries(self, queries)
        rules, moment = Rules.of(rules), self.moment(at)
        names = ["" if not isinstance(item, str) else item for item in query]
        lists: list[Lists] = []
        empty: list[bool] = []
        maker = self.recommender(None, rules, beside=beside)
        for users, group in groupby(query, lambda item: isinstance(item, str)):
            subset: list[Any] = list(group)
            before = None if at is None else moment
            given = of_users(self, subset, before) if users else of_histories(self, subset)
            lists.append(maker.recommend(*given, moment, rules.length(k)))
            empty.extend(given.empty)
        created = Lists.joined(lists)
        frame = self._frames(created, None if single else names, C.USER, maker.rules.says)
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
        beside: str | None = None,
    ) -> Recommender:
        """What makes lists by a space (None: `model` for users where there is one, else the run's first) under rules; kept, so that a second question finds it ready.

        Raises:
            VibesError: no such space or attribute, or nothing fitted.
        """
        if space is None:
            space = "model" if for_users and self.has_model else self.spaces[0]
        self.index(space)
        plain = (Rules() if rules is None else rules).model_copy(
            update={"k": K}
        )  # a length is asked each time
        additions = self.additions(beside) if for_users else None

        def make() -> Recommender:
            asks = plain.ask_attributes  # else a run without its market at hand serves as well
            resolved = resolve_rules(plain, self.market, for_users) if asks else plain.decided(for_users)
            return Recommender(self, space, resolved, additions)

        return self._recommenders.get((space, plain, for_users, additions), make)

    @cached_property
    def _recommenders(self) -> Cache[tuple[Any, ...], Recommender]:
        return Cache(RECOMMENDERS)

    def additions(self, beside: str | None = None) -> RunBlend | None:
        """What `vibes evaluate` fitted to stand `beside` the model, such as "neighbors+recency"; opened once.

        None is what lists add unasked, and "nothing" is nothing.

        Raises:
            VibesError: nothing of that name, nothing fitted yet, or no model to add it to.
        """
        if not self.has_model:
            if beside not in (None, NOTHING):
                raise VibesError(
                    f"{self.path} has no trained model to which {beside} could be added; leave out --blend, or train one with "
                    "`vibes train MARKET RUN`."
                )
            return None
        # Read each time: a run may be evaluated while it is open.
        fit = serving_fit(self._fits_in, self.manifest.settings, beside)
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
        self, result: Lists, names: Sequence[str] | None, column: str, says: bool = False
    ) -> pd.DataFrame:
        """The lists one below the other; with `names`, behind a column that says whose each is."""
        full = self.frame(result.rows.ravel(), result.scores.ravel())
        if says:
            full["rule"] = [RULED[code] for code in result.ruled[result.rows >= 0]]
        full = with_titles(self, full)
        if names is None:
            return full
        length = (result.rows >= 0).sum(axis=1)
        full.insert(0, column, np.repeat(np.array(names, object), length))
        return full
