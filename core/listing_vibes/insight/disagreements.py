"""The test queries on which two rankings differ most, each with its history and what both list first, by their rebuilt scorers."""

import hashlib
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from pydantic import TypeAdapter, ValidationError

from listing_vibes.errors import VibesError
from listing_vibes.insight.audience import newest_listings
from listing_vibes.insight.home import state_digest
from listing_vibes.insight.rankings import best_baseline, load_rankings, query_moments, rankers
from listing_vibes.market.caches import run_cache, run_cache_file
from listing_vibes.market.columns import Columns as C
from listing_vibes.market.documents import write_text
from listing_vibes.market.splits import Queries, Split, choosing
from listing_vibes.run.run import Run
from listing_vibes.run.scorers import (
    default_ranking,
    model_scorer,
    neighbor_features,
    run_blend,
    tuned_content_ease,
    untrained_neighbors,
)
from listing_vibes.scoring.baselines import in_order
from listing_vibes.scoring.blend import COVISITS, fit_blend, moments_of
from listing_vibes.scoring.named import BY_SPACE, named_baseline
from listing_vibes.scoring.neighbors import VectorNeighbors
from listing_vibes.scoring.ranking import Scorer, checked_scores
from listing_vibes.scoring.ranking_metrics import (
    CONTENT_EASE,
    DEFAULT_RANKING,
    MODEL_ONLY,
    NEAR_RECENT,
    WITHOUT_MODEL,
    uses_model,
)
from listing_vibes.search.index import best

#: Scorers that take a few seconds to fit, on a market with at most `EVENTS` events.
QUICK = (
    "popularity", "recent popularity", "ItemKNN", "EASE", "attribute neighbors", "photo neighbors", NEAR_RECENT,
)  # fmt: skip
EVENTS = 500_000
SHOWN, LISTED = 2, 8  # queries on each side that Compare shows first, and listings of each list
FILE, STORED = "query_lists.json", 64  # the cache of lists, and the number of the newest in it
_LISTS = TypeAdapter(dict[str, list[list[str]]])  # by the digest of what they were computed from


@dataclass(frozen=True)
class Disagreement:
    """A test query with the ranks that two rankings gave to the next listing."""

    user: str
    events: int  # number of events of the user before it
    history: tuple[str, ...]  # distinct listings of these events, the newest first
    target: str  # the next listing
    ranks: tuple[int, int]  # of the target, by the first and by the second ranking


def is_quick(run: Run, scorer: str) -> bool:
    """Return whether a scorer of an evaluation can be fitted again while a user waits."""
    return uses_model(scorer) or (scorer in QUICK and len(run.log) <= EVENTS)


def usual_baseline(run: Run) -> str | None:
    """Return the best method without a model, as on the first page, among those whose ranks are known; None if there is none."""
    frame = load_rankings(run)
    ranked = [] if frame is None else rankers(frame)
    results = (run.metrics or {}).get("results", {})
    return best_baseline({name: results[name] for name in ranked if name in results})


def describe_query(run: Run, row: Mapping[str, Any]) -> Disagreement | None:
    """Return a row of `listing_vibes.insight.rankings.differing` with its history; None if the market lost the user or listing."""
    user = run.user_number.get(row[C.USER])
    if user is None or row["target"] not in run.listing_row:
        return None
    moment = pd.Timestamp(row["at"]).value if run.log.timed else int(row["at"])
    start, end = run.log.history_at(user, moment)
    ranks = int(row["first"]), int(row["second"])
    return Disagreement(
        row[C.USER], end - start, tuple(newest_listings(run, user, moment)), row["target"], ranks
    )


def first_lists(
    run: Run,
    scorer: str,
    rows: pd.DataFrame,
    k: int,
    fit: Callable[[], tuple[Split, Scorer]] | None = None,
) -> list[list[str]]:
    """Return the first `k` listings that a scorer of the run's evaluation gives for each of the test queries `rows`.

    They are cached with the run, because fitting a scorer again takes seconds to minutes.

    Args:
        fit: used instead of `refit`, for callers that keep the scorer.

    Raises:
        VibesError: it cannot be fitted again, or the market changed since.
    """
    queries = [rows[C.USER].tolist(), query_moments(rows).tolist(), rows["target"].tolist()]
    parts = [state_digest(run), scorer, k, queries]
    key = hashlib.sha256(repr(parts).encode()).hexdigest()[:16]
    try:
        lists = _LISTS.validate_json(run_cache_file(run.path, FILE).read_bytes())
    except (OSError, ValidationError):
        lists = {}
    if key not in lists:
        split, rebuilt = fit() if fit else refit(run, scorer)
        lists[key] = top_listings(run, rebuilt, queries_of(run, split, rows), k)
        with suppress(VibesError):  # without a cache that can be written they are computed again
            stored = dict([*lists.items()][-STORED:])
            write_text(run_cache(run.path) / FILE, _LISTS.dump_json(stored, indent=1).decode())
    return lists[key]


def refit(run: Run, scorer: str) -> tuple[Split, Scorer]:
    """Return the split that the run was evaluated with, and a scorer of that evaluation.

    Raises:
        VibesError: see `split_of` and `scorer_of`.
    """
    split = split_of(run)
    return split, scorer_of(run, split, scorer)


def split_of(run: Run) -> Split:
    """Return the split that the run was evaluated with.

    Raises:
        VibesError: the market changed.
    """
    metrics = run.metrics or {}
    split = run.split(metrics.get("protocol"))
    return split if split.protocol == "temporal" else split.with_history(metrics.get("history_hidden"))


def scorer_of(run: Run, split: Split, name: str) -> Scorer:
    """Return the scorer with the name `name` in an evaluation of the run: the model or a blend as fitted; a baseline or neighbors,
    tuned on validation again, which takes a while.

    Raises:
        VibesError: it cannot be rebuilt, such as the ceiling of a simulated market.
    """
    if uses_model(name):
        model = model_scorer(run)
        if name == DEFAULT_RANKING:
            return default_ranking(run, model, split)
        if name == MODEL_ONLY:
            return model
        fit = next((load_fit for load_fit in run.fitted_blends if load_fit.name == name), None)
        if fit is not None:
            return run_blend(run, fit, model, split.train)
    seed, spaced = run.manifest.settings.seed, name.replace(" ", "-")
    space = BY_SPACE.get(spaced)
    if space is not None and space in run.spaces:
        return VectorNeighbors.tune(run.vectors(space), run.log, split, run.catalogue, name, seed)
    if name in (NEAR_RECENT, CONTENT_EASE, WITHOUT_MODEL):
        neighbors = untrained_neighbors(run, split, tune=False)  # a blend has its own decay
        features = neighbor_features(neighbors)
        if name != NEAR_RECENT:
            features[COVISITS] = tuned_content_ease(run, neighbors, split)
        if name == CONTENT_EASE:
            return features[COVISITS]
        query = choosing(split, run.log, run.catalogue)
        moments = moments_of(run.log, query.train, run.catalogue)
        return fit_blend(name, features, moments, run.log, query, run.catalogue, seed)
    kinds = {kind.name: key for key, kind in in_order().items()}
    key = kinds.get(name, spaced if space is not None else None)
    if key is None:
        raise VibesError(f"The list of '{name}' cannot be rebuilt, only its ranks are known.")
    return named_baseline(key, run.market, run.log, split, run.catalogue, seed=seed)


def queries_of(run: Run, split: Split, frame: pd.DataFrame) -> Queries:
    """Return the test queries of the rows `frame` of an evaluation: `user_id, at, target`.

    Raises:
        VibesError: the market no longer has one of them.
    """
    test = split.test
    columns = (
        frame[C.USER].map(run.user_number),
        query_moments(frame),
        frame["target"].map(run.listing_row),
    )
    available = pd.MultiIndex.from_arrays([test.user, test.at, test.target])
    rows = available.get_indexer(
        pd.MultiIndex.from_arrays([column.fillna(-1).astype("int64") for column in columns])
    )
    if (rows < 0).any():
        raise VibesError(f"{run.market.path} changed since {run.path} was evaluated; evaluate it again.")
    return test.take(rows)


def top_listings(run: Run, scorer: Scorer, queries: Queries, k: int) -> list[list[str]]:
    """Return the ids of the `k` best candidates of each query, the best first; ties are in the market's order."""
    scores = checked_scores(scorer, queries, run.log.listings)  # (Q, L)
    rows, _ = best(np.where(run.catalogue.candidates(run.log, queries), scores, -np.inf), k)
    return [[run.listing_ids[row] for row in line if row >= 0] for line in rows]
