"""`vibes monitor`: check whether a run is still good, by the data since its training and evaluation."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from listing_vibes.defaults import K
from listing_vibes.evaluation.intervals import estimates
from listing_vibes.evaluation.result import Evaluation
from listing_vibes.evaluation.run_evaluation import rank_queries
from listing_vibes.evaluation.saved import RANK
from listing_vibes.features.market_summary import MarketSummary, PhotoSpread, load_summaries, view_market
from listing_vibes.features.photos.photo_vectors import PhotoVectors, load_photo_vectors
from listing_vibes.features.several_markets import rank_name
from listing_vibes.insight.market_shift import nearest_market
from listing_vibes.insight.rankings import load_rankings, query_moments
from listing_vibes.market.columns import Columns as C
from listing_vibes.market.splits import Queries, Split
from listing_vibes.model.settings import BlendWeights
from listing_vibes.progress import Report, shown, silent
from listing_vibes.run.blends import choose_blend
from listing_vibes.run.histories import last_active
from listing_vibes.run.manifest import read_spaces
from listing_vibes.run.run import Run
from listing_vibes.run.scorers import model_scorer, run_blend
from listing_vibes.scoring.blend import ALONE
from listing_vibes.scoring.ranking_metrics import (
    DEFAULT_RANKING,
    METRIC,
    METRICS,
    MODEL_ONLY,
    Coverage,
    per_query,
    user_means,
)
from listing_vibes.serving.monitor_checks import (
    ALPHA,
    FEWEST,
    MOST,
    TRAIN,
    Check,
    ListingGroup,
    Monitored,
    Thresholds,
    attribute_checks,
    model_of,
    permutation_p,
    photo_check,
)
from listing_vibes.words import count

#: Size of the group of newest listings, which is checked separately if there are twice as many new ones, so that recent drift shows.
NEWEST = 100
#: Maximum number of sampled lists.
LISTS = 1000
#: The most queries that are ranked, a sample of the newest: more hardly narrow the interval, and take hours among a million listings.
QUERIES = 20_000


@dataclass(frozen=True, eq=False)
class NewestQueries:
    """The queries since a moment, and the results of the evaluation before it.

    Attributes:
        split: None if the market has no events.
        queries: test queries at or after `since`, or a sample of them; None if there are none.
        total: the number of queries at or after `since`.
        measured: (U,) recall@30 of the users with evaluated queries before `since`; None: the run was not evaluated.
        fit: the weights of the blend.
    """

    split: Split | None = None
    queries: Queries | None = None
    since: int | None = None
    measured: np.ndarray | None = None
    total: int = 0
    fit: BlendWeights = ALONE


def monitor(
    run: Run | Path | str,
    thresholds: Thresholds | Mapping[str, Any] | Path | str | None = None,
    *,
    blend: str | None = None,
    save: bool = True,
    progress: Report | bool = False,
) -> Monitored:
    """Check whether a run is still good: recall on the newest events, lists and drift; the function behind `vibes monitor`.

    The newest events are those after the last evaluated query, or after training.

    >>> result = monitor(run, {"recall_drop": 0.2}, save=False)
    >>> [check.name for check in result.checks][:2]
    ['recall', 'coverage']

    Args:
        run: a run with a model, or its folder.
        thresholds: values for fields of `Thresholds`, or a TOML file with them; None: the defaults.
        save: save the result as `monitor.json` in the run folder, where the page and the service's metrics read it.
        progress: called with each update of `listing_vibes.progress`, or True for a bar on stderr.

    Raises:
        VibesError: the run has no model, a threshold is unknown, or the blend was not fitted.
    """
    limits = Thresholds.of(thresholds)
    opened = run if isinstance(run, Run) else Run.open(run)
    opened.needs_model()
    _ = opened.engine  # warns if the market changed
    newest = newest_queries(opened, blend)
    with shown(progress) as report:
        evaluation = evaluate_newest(opened, newest, report)
    split = newest.split
    checks = [recall_check(newest, evaluation, opened, limits)]
    if len(opened.log):
        now, then = now_and_then(opened, None if split is None else split.t2, blend)
        checks.append(coverage_check(now, then, limits))
    # The events that trained a model of other markets are unknown.
    checks += drift_checks(opened, None if opened.transferred else split, limits)
    begin = None if newest.queries is None else newest.since
    since = str(np.datetime64(begin, "ns"))[:19] if begin is not None and opened.log.timed else begin
    result = Monitored(
        run=str(opened.path),
        of=model_of(opened.path),
        market=opened.market.name,
        market_changed=opened.market_changed,
        version=opened.version,
        checked_at=datetime.now(UTC).strftime("%Y-%m-%d %H:%M"),
        since=None if since is None else str(since),
        queries=0 if evaluation is None else len(evaluation.queries),
        thresholds=limits,
        checks=checks,
    )
    if save:
        result.save(opened.path)
    return result


def newest_queries(run: Run, blend: str | None = None) -> NewestQueries:
    """Return the queries since the last query of the evaluation, or since the end of training.

    Raises:
        VibesError: the blend was not fitted.
    """
    fit = choose_blend(run, blend)
    ranking = DEFAULT_RANKING if blend is None else MODEL_ONLY if fit is ALONE else fit.name
    if not len(run.log) or run.trained_on_everything:
        return NewestQueries()
    split, rankings, measured = run.split(), load_rankings(run), None
    begin = int(split.t2 or 0)
    if rankings is not None and RANK + ranking in rankings:
        begin = int(query_moments(rankings).max()) + 1
        values = per_query(rankings[RANK + ranking].to_numpy())
        measured = user_means(values, rankings[C.USER].to_numpy(str))[:, METRICS.index(METRIC)]
    queries = split.test.take(split.test.at >= begin)
    total = len(queries)
    queries = queries.sample(QUERIES, np.random.default_rng(run.manifest.settings.seed))
    return NewestQueries(split, queries if total else None, begin, measured, total, fit)


def evaluate_newest(run: Run, newest: NewestQueries, report: Report = silent) -> Evaluation | None:
    """Return the ranks of the run's model, with its blend, on the newest queries; None if there are none."""
    if newest.split is None or newest.queries is None:
        return None
    scorer = run_blend(run, newest.fit, model_scorer(run), newest.split.train)
    return rank_queries([scorer], run.log, newest.split, run.catalogue, newest.queries, report=report)


def recall_check(newest: NewestQueries, evaluation: Evaluation | None, run: Run, limits: Thresholds) -> Check:
    """Check recall@30 on the newest events against the evaluation, by a permutation test over users."""
    if evaluation is None:
        reason = (
            "no query since the model was trained or evaluated" if len(run.log) else "no event in the market"
        )
        return Check(name="recall", sentence=f"Recall cannot be measured yet: there is {reason}.")
    ranking = evaluation.names[0]
    values = evaluation.user_values(ranking)[:, METRICS.index(METRIC)]  # (U,)
    (now,) = estimates(values[:, None], 0)
    events = count(len(evaluation.queries), "event")
    is_sample = newest.total > len(evaluation.queries)
    ranked = f"a sample of {events} of the newest {newest.total:,}" if is_sample else f"the newest {events}"
    sentence = f"Recall@30 on {ranked} of {count(len(values), 'user')} is {now['value']:.3f}"
    if now["low"] is not None:
        sentence += f" (95 %: {now['low']:.3f} to {now['high']:.3f})"
    measured, before, p, limit, crossed = newest.measured, None, None, limits.recall_drop, False
    if measured is None:
        sentence += "; there is no earlier evaluation to compare it with"
    else:
        before = float(measured.mean())
        sentence += f"; the evaluation had {before:.3f}"
        if len(values) >= FEWEST:
            p = permutation_p(lambda drawn: -float(drawn.mean()), values, measured)
            crossed = bool(limit is not None and values.mean() < (1 - limit) * before and p < ALPHA)
        sentence += f", of too few users (below {FEWEST}) to compare" if p is None else f" (p {p:.3f})"
    hint = (
        "`vibes evaluate RUN --queries OUT.parquet`; its rows with the greatest rank are the missed queries"
    )
    return Check(
        name="recall", value=now["value"], low=now["low"], high=now["high"], before=before, p=p, crossed=crossed,
        sentence=f"{sentence}.", hint=f"{hint}; if nothing in the data explains it, {training_advice(run)}.",
    )  # fmt: skip


def training_advice(run: Run) -> str:
    """Return the advice for training after a shift of the market; "" if the market has no events to train on."""
    if not run.transferred:
        return TRAIN
    command = f"`vibes train {run.market.path} RUN --init-from {run.path}`"
    return f"train a model of this market with {command}" if len(run.log) else ""


@dataclass(frozen=True, eq=False)
class SampledLists:
    """Lists of the users who were active last before a moment.

    Attributes:
        active: (L,) bool, the candidates; rows: (n, k) rows of listings, -1 in shorter lists.
    """

    active: np.ndarray
    rows: np.ndarray

    @classmethod
    def of(cls, run: Run, at: int, most: int, blend: str | None = None) -> "SampledLists":
        """Return the lists at a moment of the `most` users who were active last before it."""
        users, start, end = last_active(run, at)
        order = np.argsort(users[:most])
        lists = run.recommender(blend=blend).recommend(run.log, start[order], end[order], at, K)
        return cls(run.catalogue.live(at) & run.index("model").known, lists.rows)

    @property
    def coverage(self) -> tuple[float, float | None, float | None]:
        """Return the share of active listings that are in at least one list, with its jackknife interval over users."""
        result, users = Coverage(len(self.active)), np.arange(len(self.rows))
        has_listing = self.rows >= 0
        user = np.repeat(users, has_listing.sum(axis=1))
        result.add(user, self.rows[has_listing], self.active[None])
        return result.value, *result.interval(users)


def now_and_then(
    run: Run, then: int | None, blend: str | None = None
) -> tuple[SampledLists, SampledLists | None]:
    """Return the lists after the last event and those at the moment `then`.

    Both have the same number of lists per active listing, since more lists show more of a catalogue.
    """
    log, now = run.log, run.after_last_event
    if then is None or not log.timed:
        return SampledLists.of(run, now, LISTS, blend), None
    users = [len(np.unique(log.user[log.time < at])) for at in (now, then)]
    active = [max(1, int(run.catalogue.live(at).sum())) for at in (now, then)]
    each = min(min(LISTS, number) / listings for number, listings in zip(users, active, strict=True))
    first, second = (max(2, round(each * listings)) for listings in active)
    return SampledLists.of(run, now, first, blend), SampledLists.of(run, then, second, blend)


def coverage_check(now: SampledLists, then: SampledLists | None, limits: Thresholds) -> Check:
    """Check the share of active listings that are in at least one list."""
    value, low, high = now.coverage
    sentence = f"{count(len(now.rows), 'list')} of {K} show {value:.0%} of the {count(int(now.active.sum()), 'active listing')}"
    before, limit, crossed = None, limits.coverage_drop, False
    if then is not None:
        before, least, _ = then.coverage
        sentence += (
            f"; at the start of the test period the same number of lists per listing showed {before:.0%}"
        )
        is_significant = high is not None and least is not None and high < least
        crossed = limit is not None and value < (1 - limit) * before and is_significant
    return Check(
        name="coverage", value=value, low=low, high=high, before=before, crossed=crossed, sentence=f"{sentence}.",
        hint="the listings that are in no list: what they have in common, and whether photos or attributes are missing.",
    )  # fmt: skip


def groups_of(run: Run, split: Split | None) -> list[ListingGroup]:
    """Return the groups of listings to compare with training: the newest, all since training, and all active ones.

    New since training are listings published after it, and those added by refreshes, whose rows are last.

    Args:
        split: the split of the training; None: unknown, for another market's model.
    """
    number, since = len(run.listing_ids), run.catalogue.since
    active = run.catalogue.live(run.after_last_event)
    embedded = len(
        read_spaces(run.created_folder / "listings.safetensors")["listing_id"]
    )  # before all refreshes
    new = np.arange(number) >= embedded
    if split is not None:
        has_events = run.log.counts(split.train) > 0
        if split.t1 is not None:
            new |= (since >= split.t1) & ~has_events
        is_dated = since > np.iinfo(np.int64).min
        # Listings with neither an event nor a date took no part in training and differed from the rest from the start.
        active &= new | has_events | (is_dated & (split.t1 is None or since < split.t1))
    groups = [ListingGroup("live", "the active listings", np.flatnonzero(active))]
    if new.any() and not new.all():
        rows = np.flatnonzero(new)
        words = f"the listings since {'the run was made' if split is None else 'training'}"
        groups.insert(0, ListingGroup("new", words, rows))
        if len(rows) > 2 * NEWEST:
            last = rows[np.lexsort((rows, since[rows]))][-NEWEST:]
            groups.insert(0, ListingGroup("newest", f"the newest {NEWEST} listings", np.sort(last)))
    return groups


def drift_checks(run: Run, split: Split | None, limits: Thresholds) -> list[Check]:
    """Return the checks of the drift of listings and photos since training, see `groups_of`."""
    market, featurizer, groups = run.market, run.engine.featurizer, groups_of(run, split)
    new = next((group.rows for group in groups if group.name == "new"), np.zeros(0, np.int64))
    here, photos = view_market(featurizer, market), _photos(run)
    listing = market.photos[C.LISTING].map(run.listing_row).to_numpy()
    # The training data of a model of other markets differs from this market from the start, which is not drift.
    seen = None if run.transferred else nearest_market(load_summaries(run.folder), here)[0]
    if seen is None and (split is not None or len(new)):  # the run's listings as they are in the market now
        trained = np.setdiff1d(np.arange(len(run.listing_ids)), new)
        then = None if photos is None else replace(photos, ok=photos.ok & np.isin(listing, trained))
        seen = MarketSummary.of(market, trained, featurizer, None)
        seen = seen.model_copy(update={"photos": PhotoSpread.of(featurizer, then)})
    checks: list[Check | None] = []
    if seen is not None:
        labels = {market.config.shared_name(item.name): item.label for item in market.attributes}
        labels |= {attribute.name: attribute.label for attribute in market.attributes}
        labels |= {rank_name(name): f"{label} (rank in the market)" for name, label in labels.items()}
        checks += attribute_checks(seen, here, groups, labels, limits, training_advice(run))
        if photos is not None and featurizer.photo is not None:
            rows = np.flatnonzero(photos.ok)
            sample = rows[np.linspace(0, len(rows) - 1, min(len(rows), MOST)).astype(int)]
            rows = np.union1d(rows[np.isin(listing[rows], groups[0].rows)][-MOST:], sample)
            reduced = featurizer.photo.transform(np.asarray(photos.vectors[rows], np.float32))
            checks.append(photo_check(seen, reduced, listing[rows].astype(np.int64), groups, limits))
    return [check for check in checks if check is not None]


def _photos(run: Run) -> PhotoVectors | None:
    """Return the vectors of the market's photos by the model's encoder; None if there are none."""
    featurizer, market = run.engine.featurizer, run.market
    if featurizer.photo is None or not len(market.photos):
        return None
    photos = load_photo_vectors(market.path, market.photos, featurizer.photo_encoder)
    return photos if photos is not None and photos.ok.any() else None
