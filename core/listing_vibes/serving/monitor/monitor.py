"""`vibes monitor`: check whether a run is still good, by the data since its training and evaluation."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from listing_vibes.features.market_ranks import rank_name
from listing_vibes.features.market_summary import MarketSummary, PhotoSpread, load_summaries, view_market
from listing_vibes.features.photos.vectors import PhotoVectors, load_photo_vectors
from listing_vibes.insight.market_shift import nearest_market
from listing_vibes.market.columns import Columns as C
from listing_vibes.market.log import DAY
from listing_vibes.market.moments import Moment
from listing_vibes.progress import Report, shown
from listing_vibes.run.contents import read_spaces
from listing_vibes.run.run import Run
from listing_vibes.serving.monitor.checks import Check, Monitored, Thresholds, model_of
from listing_vibes.serving.monitor.drift import MOST, Group, attribute_checks, history_check, photo_check
from listing_vibes.serving.monitor.lists import list_checks, now_and_then
from listing_vibes.serving.monitor.recall import (
    NewestQueries,
    evaluate_newest,
    newest_queries,
    recall_check,
    training_advice,
)

#: Maximum number of compared histories, and the number of last events of each that count.
HISTORIES, LAST = 1000, 5
#: Size of the group of newest listings, which is checked separately if there are twice as many new ones, so that recent drift shows.
NEWEST = 100


def monitor(
    run: Run | Path | str,
    thresholds: Thresholds | Mapping[str, Any] | Path | str | None = None,
    *,
    since: Moment | None = None,
    blend: str | None = None,
    save: bool = True,
    progress: Report | bool = False,
) -> Monitored:
    """Check whether a run is still good: recall on the newest events, lists, drift and age; the function behind `vibes monitor`.

    >>> found = monitor(run, {"recall_drop": 0.2}, save=False)
    >>> [check.name for check in found.checks][:2]
    ['recall', 'coverage']

    Args:
        run: a run with a model, or its folder.
        thresholds: values for fields of `Thresholds`, or a TOML file with them; None: the defaults.
        since: start of the newest events; None: after the last evaluated query, or after training.
        blend: the blend, as for `Run.recommend`.
        save: save the result as `monitor.json` in the run folder, where the page and the service's metrics read it.
        progress: called with each update of `listing_vibes.progress`, or True for a bar on stderr.

    Raises:
        VibesError: the run has no model, a threshold or moment is unknown, or the blend was not fitted.
    """
    limits = Thresholds.of(thresholds)
    opened = run if isinstance(run, Run) else Run.open(run)
    opened.needs_model()
    _ = opened.engine  # warns if the market changed
    newest = newest_queries(opened, since, blend)
    with shown(progress) as report:
        evaluation = evaluate_newest(opened, newest, blend, report)
    split = newest.split
    train = None if split is None or opened.transferred else split.train
    checks = [recall_check(newest, evaluation, opened, limits)]
    if len(opened.log):
        now, then = now_and_then(opened, None if split is None else split.t2, blend)
        checks += list_checks(now, then, None if train is None else opened.log.counts(train) == 0, limits)
    checks += drift_checks(opened, newest, train, limits) + _age_checks(opened, limits)
    begin = newest.since if newest.queries is not None else None
    result = Monitored(
        run=str(opened.path),
        of=model_of(opened.path),
        market=opened.market.name,
        market_changed=opened.market_changed,
        version=opened.version,
        checked_at=datetime.now(UTC).strftime("%Y-%m-%d %H:%M"),
        since=str(np.datetime64(begin, "ns"))[:19]
        if begin is not None and opened.log.timed
        else begin and str(begin),
        queries=0 if evaluation is None else len(evaluation.queries),
        thresholds=limits,
        checks=checks,
        evaluation=evaluation,
    )
    if save:
        result.save(opened.path)
    return result


def groups_of(run: Run, t1: int | None, train: np.ndarray | None) -> list[Group]:
    """Return the groups of listings to compare with training: the newest, all since training, and all active ones.

    New since training are listings published after it, and those added by refreshes, whose rows are last.

    Args:
        t1: the end of training; train: (N,) bool, the training events; None: unknown, for another market's model.
    """
    number, active, since = (
        len(run.listing_ids),
        run.catalogue.live(run.after_last_event),
        run.catalogue.since,
    )
    embedded = len(read_spaces(run.made / "listings.safetensors")["listing_id"])  # before all refreshes
    new = np.arange(number) >= embedded
    if train is not None:
        has_events = run.log.counts(train) > 0
        if t1 is not None:
            new |= (since >= t1) & ~has_events
        is_dated = since > np.iinfo(np.int64).min
        # Listings with neither an event nor a date took no part in training and differed from the rest from the start.
        active &= new | has_events | (is_dated & (t1 is None or since < t1))
    groups = [Group("live", "the active listings", np.flatnonzero(active))]
    if new.any() and not new.all():
        rows = np.flatnonzero(new)
        words = f"the listings since {'training' if train is not None else 'the run was made'}"
        groups.insert(0, Group("new", words, rows))
        if len(rows) > 2 * NEWEST:
            last = rows[np.lexsort((rows, since[rows]))][-NEWEST:]
            groups.insert(0, Group("newest", f"the newest {NEWEST} listings", np.sort(last)))
    return groups


def drift_checks(
    run: Run, newest: NewestQueries, train: np.ndarray | None, limits: Thresholds
) -> list[Check]:
    """Return the checks of the drift of listings, photos and histories since training."""
    split, market, featurizer = newest.split, run.market, run.engine.featurizer
    groups = groups_of(run, split.t1 if split is not None and train is not None else None, train)
    new = next((group.rows for group in groups if group.name == "new"), np.zeros(0, np.int64))
    here, photos = view_market(featurizer, market), _photos(run)
    listing = market.photos[C.LISTING].map(run.listing_row).to_numpy()
    # The training data of a model of other markets differs from this market from the start, which is not drift.
    seen = None if run.transferred else nearest_market(load_summaries(run.folder), here)[0]
    if seen is None and (train is not None or len(new)):  # the run's listings as they are in the market now
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
            first = photos.parts[0] if photos.parts and len(featurizer.photo_reducers) > 1 else photos
            rows = np.flatnonzero(photos.ok)
            sample = rows[np.linspace(0, len(rows) - 1, min(len(rows), MOST)).astype(int)]
            rows = np.union1d(rows[np.isin(listing[rows], groups[0].rows)][-MOST:], sample)
            reduced = featurizer.photo.transform(np.asarray(first.vectors[rows], np.float32))
            checks.append(photo_check(seen, reduced, listing[rows].astype(np.int64), groups, limits))
    if split is not None and split.t1 is not None and newest.queries is not None:
        before, after = _last_histories(run, newest)
        checks.append(history_check(before, after, limits))
    return [check for check in checks if check is not None]


def _photos(run: Run) -> PhotoVectors | None:
    """Return the vectors of the market's photos by the model's encoder; None if there are none."""
    featurizer, market = run.engine.featurizer, run.market
    if featurizer.photo is None or not len(market.photos):
        return None
    photos = load_photo_vectors(market.path, market.photos, featurizer.photo_encoder)
    return photos if photos is not None and photos.ok.any() else None


def _last_histories(run: Run, newest: NewestQueries) -> list[np.ndarray]:
    """Return the vectors (n, d) of the last events of users at the end of training, and at the newest queries."""
    log, queries, split = run.log, newest.queries, newest.split
    assert queries is not None and split is not None
    trained = np.flatnonzero(split.train)
    last = trained[np.append(log.user[trained][1:] != log.user[trained][:-1], True)]
    last = np.sort(last[np.argsort(-log.time[last], kind="stable")[:HISTORIES]])
    is_last = np.append(queries.user[1:] != queries.user[:-1], True)  # last query of each user
    vectors = []
    for end in (last + 1, queries.end[is_last][:HISTORIES]):
        start = np.maximum(log.start[log.user[end - 1]], end - LAST)
        encoded = run.engine.encode_histories(log, start, end, listings=run.vectors("model"))
        vectors.append(encoded.astype(np.float64))
    return vectors


def _age_checks(run: Run, limits: Thresholds) -> list[Check]:
    """Return the checks of the age of the vectors and of the newest event, in days."""

    def check(name: str, limit: float | None, days: float, hint: str) -> Check:
        age = f"{days:.0f} days" if days >= 2 else f"{24 * days:.0f} hours"
        crossed = limit is not None and days > limit
        return Check(name=name, value=days, crossed=crossed, sentence=f"Age of the {name}: {age}.", hint=hint)

    written = (run.folder / "listings.safetensors").stat().st_mtime
    days = (time.time() - written) / 86_400
    checks = [check("vectors", limits.vectors_days, days, "whether `vibes refresh` still runs.")]
    if run.log.timed and len(run.log):
        days = max(0.0, (time.time_ns() - int(run.log.time.max())) / DAY)
        hint = "whether events still reach `vibes refresh`."
        checks.append(check("newest event", limits.event_days, days, hint))
    return checks
