"""A request for lists, what it is once every name in it is found in a run, and its lists as frames, tables and sentences.

Commands, URLs of pages, HTTP requests, Python and batches fill a `Query`. `Query.compile` reads its ids, space, moment, conditions,
style directions and pins and raises every error that the request has, before anything is queued or ranked together with others.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from listing_vibes.errors import VibesError, printable
from listing_vibes.market.amounts import display_unit, number, price, years_of
from listing_vibes.market.attribute_types import type_of
from listing_vibes.market.columns import Columns as C
from listing_vibes.market.display_names import is_code
from listing_vibes.market.market import Market
from listing_vibes.market.moments import Moment
from listing_vibes.model.settings import Resolved
from listing_vibes.run.candidates import Lists
from listing_vibes.run.conditions import explain_unmet
from listing_vibes.run.histories import (
    History,
    HistoryBatch,
    of_histories,
    of_users,
    parse_listings,
    parse_queries,
)
from listing_vibes.run.recommender import POPULAR, Recommender
from listing_vibes.run.rules import RULED, Rules
from listing_vibes.run.stored import MarketMismatch
from listing_vibes.words import cut

if TYPE_CHECKING:
    from listing_vibes.run.run import Run

ATTRIBUTES = 4  # of a listing in a table


@dataclass(frozen=True, eq=False)
class Query:
    """A request for one list or several of one kind: for listings, for users or for histories.

    Attributes:
        listings: ids of the listings whose similar ones are requested.
        users: ids; an unknown user has an empty history. With `histories` also given: whose these are, for the rule `owner`.
        histories: histories to use instead of those of the market.
        single: whether one list is requested, rather than a table of several.
        k: the maximum number of listings of each list; None for that of the rules.
        at: the moment; None for after the last known event.
        space: of similar listings; None for the first of the run.
        blend: of recommendations, see `Run.recommend`.
    """

    listings: Sequence[str] | None = None
    users: Sequence[str] | None = None
    histories: Sequence[History] | None = None
    single: bool = True
    k: int | None = None
    at: Moment | None = None
    space: str | None = None
    blend: str | None = None
    rules: Rules | Mapping[str, Any] | None = None

    @classmethod
    def similar(cls, listings: Any, **options: Any) -> Query:
        """Return the query of `Run.similar` for a listing id or several; `options` are the other fields.

        Raises:
            VibesError: a member is not an id.
        """
        ids, single = parse_listings(listings)
        return cls(listings=ids, single=single, **options)

    @classmethod
    def recommend(cls, run: Run, queries: Any, **options: Any) -> Query:
        """Return the query of `Run.recommend` for what it is called with; `options` are the other fields.

        Raises:
            VibesError: see `listing_vibes.run.histories.parse_queries`.
        """
        members, single = parse_queries(run, queries)
        if all(isinstance(member, str) for member in members):
            return cls(
                users=[member for member in members if isinstance(member, str)], single=single, **options
            )
        histories = [member for member in members if not isinstance(member, str)]
        return cls(histories=histories, single=single, **options)

    def compile(self, run: Run) -> CompiledQuery:
        """Return the query with everything that it names found in `run`.

        Raises:
            VibesError: any error of the request; ranking the result raises none.
        """
        rules = Rules.of(self.rules)
        k = rules.length(self.k)
        if self.listings is not None:
            space = run.spaces[0] if self.space is None else self.space
            rows = run.rows_in(self.listings, space)
            maker = run.recommender(space, rules, for_users=False)
            at = run.moment(self.at) if maker.rules.needs_moment or self.at is not None else None
            return CompiledQuery(self, run, maker, at if maker.rules.needs_moment else None, k, rows)
        moment = run.moment(self.at)
        maker = run.recommender(None, rules, blend=self.blend)
        if self.histories is not None:
            histories = of_histories(run, self.histories)
        else:
            histories = of_users(run, self.users or [], None if self.at is None else moment)
        return CompiledQuery(self, run, maker, moment, k, None, histories)


@dataclass(frozen=True, eq=False)
class CompiledQuery:
    """A query whose names are found in a run: B lists by one recommender at one moment.

    Attributes:
        rows: (B,) the listings whose similar ones are requested; None for `histories`.
    """

    query: Query
    run: Run
    recommender: Recommender
    at: int | None
    k: int
    rows: np.ndarray | None = None
    histories: HistoryBatch | None = None

    @property
    def is_empty(self) -> np.ndarray:
        """Return (B,) bool: which lists are for an empty history, and so of popular and recent listings."""
        return np.zeros(0, bool) if self.histories is None else self.histories.empty

    @property
    def group(self) -> tuple[object, ...]:
        """Return the key of the queries that `rank_together` ranks in one call: their lists do not depend on the others."""
        k = self.k if self.recommender.rules.diversity else None
        log = None if self.histories is None else self.histories.log is self.run.log
        return id(self.recommender), self.rows is None, log, self.at, k

    def rank(self) -> Lists:
        """Return the B lists."""
        if self.rows is not None:
            return self.recommender.similar(self.rows, self.at, self.k)
        assert self.histories is not None and self.at is not None
        return self.recommender.recommend(*self.histories, self.at, self.k, self.query.users)

    def frame(self) -> pd.DataFrame:
        """Return the lists as `Run.similar` and `Run.recommend` do."""
        query, lists = self.query, self.rank()
        frame = self.run.frame(lists.rows.ravel(), lists.scores.ravel())
        if self.recommender.rules.shows_rule:
            frame["rule"] = [RULED[code] for code in lists.ruled[lists.rows >= 0]]
        frame, length = with_titles(self.run, frame), (lists.rows >= 0).sum(axis=1)
        if not query.single:
            names = query.listings or query.users or [""] * len(lists.rows)
            column = "query_id" if query.listings is not None else C.USER
            frame.insert(0, column, np.repeat(np.array(names, object), length))
        if self.is_empty.any():
            frame["fallback"] = np.repeat(self.is_empty, length)
        if self.rows is None and (scorer := self.scorer):
            frame.attrs["scorer"] = scorer
        return frame

    @property
    def scorer(self) -> str:
        """Return the name of the scorer of lists for users if it is not a trained model; else empty."""
        return POPULAR if len(self.is_empty) and self.is_empty.all() else self.recommender.scorer


def rank_together(queries: Sequence[CompiledQuery]) -> list[Lists]:
    """Return the lists of each query; those of one `group` are ranked in one call, with the lists that each has alone."""
    results: dict[int, Lists] = {}
    groups: dict[tuple[object, ...], list[int]] = {}
    for position, query in enumerate(queries):
        groups.setdefault(query.group, []).append(position)
    for members in groups.values():
        several = [queries[position] for position in members]
        lists, low = _joined(several).rank(), 0
        for position, query in zip(members, several, strict=True):
            count = len(query.rows) if query.rows is not None else len(query.is_empty)
            results[position] = Lists(*(column[low : low + count, : query.k] for column in lists))
            low += count
    return [results[position] for position in range(len(queries))]


def _joined(queries: Sequence[CompiledQuery]) -> CompiledQuery:
    """Return one query for the lists of several of one group."""
    first, k = queries[0], max(query.k for query in queries)
    if len(queries) == 1:
        return first
    if first.rows is not None:
        return replace(first, k=k, rows=np.concatenate([query.rows for query in queries]))
    parts = [query.histories for query in queries if query.histories is not None]
    users = [user for query in queries for user in query.query.users or [""] * len(query.is_empty)]
    joined = replace(first.query, users=users)
    if parts[0].log is first.run.log:
        start, end = (np.concatenate([part[number] for part in parts]) for number in (1, 2))
        return replace(first, query=joined, k=k, histories=HistoryBatch(parts[0].log, start, end))
    histories = [history for query in queries for history in query.query.histories or []]
    return replace(first, query=joined, k=k, histories=of_histories(first.run, histories))


def default_blend_sentence(settings: Resolved) -> str:
    """Return what the default blend adds to the model, after a space; empty if nothing is added."""
    if settings.blend is None:
        return ""
    trained = ", with recent events also in training" if settings.training.recent_days else ""
    return f" Scores are a blend: {settings.blend.note}{trained}."


def list_sentence(run: Run, recommended: pd.DataFrame, blend: str | None = None) -> str:
    """Return how a list of recommendations was made with the requested `blend`; empty if by the model only."""
    if not len(recommended):
        return ""
    if "fallback" in recommended:
        return "There is no history, so these are popular and recent listings; give a history with --history FILE."
    blended = default_blend_sentence(run.manifest.settings)
    if not run.has_model:
        return f"{run.label} has no trained model: this list holds untrained neighbors of the history, by {run.spaces[0]}.{blended}"
    return f"{blended.strip()} Use --blend nothing for the model only." if blended and blend is None else ""


def explain_empty(run: Run, rules: Rules) -> str:
    """Return why a list by `rules` has no listing, and what to do."""
    if (sentence := explain_unmet(run.market, rules)) is not None:
        return f"No listing found: {sentence[0].lower()}{sentence[1:]}"
    return (
        "No listing found: none is active at that moment, allowed by the rules and not part of the request; choose another "
        "moment with --at, or remove a rule."
    )


def describe_listings(run: Run, ranked: pd.DataFrame) -> pd.DataFrame:
    """Return `ranked` (listing_id, score) with the title, a few short attributes, words before codes, and the price.

    Without the market's tables, `ranked` is returned unchanged.
    """
    market = _market(run)
    if market is None:
        return ranked
    table = pd.DataFrame({"listing": [printable(str(listing)) for listing in ranked[C.LISTING]]})
    rows = market.rows(ranked[C.LISTING])
    title = market.title
    short = [a for a in market.attributes if type_of(a.kind).short and a.name != title]
    short = sorted(short, key=lambda a: is_code(market.listings[a.name]))[:ATTRIBUTES]  # Codes come last.
    columns = ([("title", title)] if title is not None else []) + [(a.label, a.name) for a in short]
    if (cost := price(market)) is not None:
        unit = display_unit(market, cost)
        columns = [column for column in columns if column[1] != cost.name]
        columns.append((f"{cost.label} ({unit})" if unit else cost.label, cost.name))
    for label, name in columns:
        values, grouped = market.listings[name].iloc[rows], name not in years_of(market)
        table[label] = [cut(cell_text(value, grouped), 48) for value in values]
    table["score"] = [f"{score:.3f}" for score in ranked["score"]]
    if "rule" in ranked:
        table["rule"] = ranked["rule"].tolist()
    return table


def with_titles(run: Run, ranked: pd.DataFrame) -> pd.DataFrame:
    """Return `ranked` with a last column `title`, if the market is available and its listings have titles.

    `attrs["market_changed"]` is True if the market changed since the run was written.
    """
    market = _market(run)
    if market is None:
        return ranked
    if run.market_changed:
        ranked.attrs["market_changed"] = True
    if market.title is None:
        return ranked
    titles = market.listings[market.title].iloc[market.rows(ranked[C.LISTING])]
    return ranked.assign(title=titles.tolist())


def _market(run: Run) -> Market | None:
    """Return the run's market, or None if it is not available, since a list of ids does not need it.

    Raises:
        MarketMismatch: it no longer has the run's listings.
    """
    try:
        return run.market
    except MarketMismatch:
        raise
    except VibesError:
        return None


def cell_text(value: Any, grouped: bool = True) -> str:
    """Return a value of an attribute as text; `grouped=False` for years."""
    if isinstance(value, list):
        return ", ".join(printable(str(item)) for item in value) or "none"
    if value is None or value is pd.NA or value != value:
        return "-"
    if isinstance(value, bool | np.bool_):
        return "yes" if value else "no"
    if isinstance(value, int | float | np.number):
        return number(float(value), grouped=grouped)
    return printable(str(value))  # It comes from users, so control characters must not reach the terminal.
