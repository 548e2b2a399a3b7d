"""`vibes monitor`: check whether a run is still good, by the data since its training and evaluation."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from listing_vibes.evaluation.result import Evaluation
from listing_vibes.features.market_ranks import rank_name
from listing_vibes.features.market_summary import MarketSummary, PhotoSpread, load_summaries, view_market
from listing_vibes.features.photos.vectors import PhotoVectors, load_photo_vectors
from listing_vibes.insight.market_shift import nearest_market
from listing_vibes.market.columns import Columns as C
from listing_vibes.market.io import write_table
from listing_vibes.market.log import DAY
from listing_vibes.market.moments import Moment
from listing_vibes.progress import Report, shown
from listing_vibes.run.contents import read_spaces
from listing_vibes.run.run import Run
from listing_vibes.scoring.metrics import DEFAULT
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
#: Maximum number of rows of a table of evidence, the queries with the greatest loss first.
EVIDENCE = 10_000


def monitor(
    run: Run | Path | str,
    thresholds: Thresholds | Mapping[str, Any] | Path | str | None = None,
    *,
    by: str | None = None,
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
        by: the attribute of the seller, by which list entries are grouped; None: a column such as host_id, if there is one.
        since: start of the newest events; None: after the last evaluated query, or after training.
        blend: the blend, as for `Run.recommend`.
        save: save the result as `monitor.json` in the run folder, where the page and the service's metrics read it.
        progress: called with each update of `listing_vibes.progress`, or True for a bar on stderr.

    Raises:
        VibesError: the run has no model, a threshold, attribute or moment is unknown, or the blend was not fitted.
    """
    return check_run(run, thresholds, by, since, blend, save, progress)[0]


def check_run(
    run: Run | Path | str,
    thresholds: Thresholds | Mapping[str, Any] | Path | str | None = None,
    by: str | None = None,
    since: Moment | None = None,
    blend: str | None = None,
    save: bool = True,
    progress: Report | bool = False,
) -> tuple[Monitored, Evaluation | None]:
    """Return the result of `monitor` and the newest queries with their ranks; None if there are none.

    Raises:
        VibesError: see `monitor`.
    """
    limits = Thresholds.of(thresholds)
    opened = run if isinstance(run, Run) else Run.open(run)
    opened.needs_model()
    _ = opened.engine  # warns if the market changed
    newest, evaluation = newest_queries(opened, since, blend), None
    with shown(progress) as report:
        if newest.any:
            evaluation = evaluate_newest(opened, newest, blend, report)
    split = newest.split
    train = None if split is None or opened.transferred else split.train
    checks = [recall_check(newest, evaluation, opened, limits)]
    if len(opened.log):
        now, then = now_and_then(opened, None if split is None else split.t2, blend)
        checks += list_checks(opened, now, then, train, by, limits)
    checks += drift_checks(opened, newest, train, limits)
    checks += _age_checks(opened, limits)
    begins = None
    if newest.since is not None and newest.any:
        begins = str(np.datetime64(newest.since, "ns"))[:19] if opened.log.timed else str(newest.since)
    result = Monitored(
        run=str(opened.path),
        of=model_of(opened.path),
        market=opened.market.name,
        market_changed=opened.market_changed,
        generation=opened.generation,
        looked=datetime.now(UTC).strftime("%Y-%m-%d %H:%M"),
        since=begins,
        queries=0 if evaluation is None else len(evaluation.queries),
        thresholds=limits,
        checks=checks,
    )
    if save:
        result.save(opened.path)
    return result, evaluation


def groups_of(run: Run, t1: int | None, train: np.ndarray | None) -> list[Group]:
    """Return the groups of listings to compare with training: the newest, all since training, and all active ones.

    New since training are listings published after it, and those added by refreshes, whose rows are last.

    Args:
        t1: the end of training; train: (N,) bool, the training events; None: unknown, for another market's model.
    """
    number, active = len(run.listing_ids), run.catalogue.live(run.after_last_event)
    created = len(read_spaces(run.made / "listings.safetensors")["listing_id"]) if run.generation else number
    new, since = np.arange(number) >= created, run.catalogue.since
    if train is not None:
        has_events = run.log.counts(train) > 0
        if t1 is not None:
            new |= (since >= t1) & ~has_events
        is_dated = since > np.iinfo(np.int64).min
        # Listings with neither an event nor a date took no part in training and differed from the rest from the start.
        active &= new | has_events | (is_dated & (t1 is None or since < t1))
    results = [Group("live", "the active listings", np.flatnonzero(active))]
    if new.any() and not new.all():
        words = f"the listings since {'training' if train is not None else 'the run was made'}"
        results.insert(0, Group("new", words, np.flatnonzero(new)))
        if new.sum() > 2 * NEWEST:
            rows = np.flatnonzero(new)
            last = rows[np.lexsort((rows, since[rows]))][-NEWEST:]
            results.insert(0, Group("newest", f"the newest {NEWEST} listings", np.sort(last)))
    return results


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
    if seen is None and (
        train is not None or len(new)
    ):  # the listings of the run as they are in the market now
        trained = np.setdiff1d(np.arange(len(run.listing_ids)), new)
        then = None if photos is None else replace(photos, ok=photos.ok & np.isin(listing, trained))
        seen = MarketSummary.of(market, trained, featurizer, None)
        seen = seen.model_copy(update={"photos": PhotoSpread.of(featurizer, then)})
    checks: list[Check | None] = []
    if seen is not None:
        labels = {
            market.config.shared_name(attribute.name): attribute.label for attribute in market.attributes
        }
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
    if split is not None and split.t1 is not None and newest.any:
        checks.append(_history_check(run, newest, limits))
    return [check for check in checks if check is not None]


def _photos(run: Run) -> PhotoVectors | None:
    """Return the vectors of the market's photos by the model's encoder; None if there are none."""
    featurizer, market = run.engine.featurizer, run.market
    if featurizer.photo is None or not len(market.photos):
        return None
    photos = load_photo_vectors(market.path, market.photos, featurizer.photo_encoder)
    return photos if photos is not None and photos.ok.any() else None


def _history_check(run: Run, newest: NewestQueries, limits: Thresholds) -> Check | None:
    """Compare the last events of users before the end of training with those of the newest queries."""
    log, queries, split = run.log, newest.queries, newest.split
    assert queries is not None and split is not None
    trained = np.flatnonzero(split.train)
    last = trained[np.append(log.user[trained][1:] != log.user[trained][:-1], True)]
    last = np.sort(last[np.argsort(-log.time[last], kind="stable")[:HISTORIES]])
    is_last = np.append(queries.user[1:] != queries.user[:-1], True)  # last query of each user
    vectors, actions = [], []
    for end in (last + 1, queries.end[is_last][:HISTORIES]):
        start = np.maximum(log.start[log.user[end - 1]], end - LAST)
        encoded = run.engine.encode_histories(log, start, end, listings=run.vectors("model"))
        vectors.append(encoded.astype(np.float64))
        counts = np.zeros((len(end), max(1, len(log.actions))))
        for row, (first, stop) in enumerate(zip(start, end, strict=True)):
            values = log.action[first:stop][log.action[first:stop] >= 0]
            counts[row] = np.bincount(values, minlength=counts.shape[1])
        actions.append(counts)
    return history_check(vectors[0], vectors[1], (actions[0], actions[1]), limits)


def _age_checks(run: Run, limits: Thresholds) -> list[Check]:
    """Return the checks of the age of the vectors and of the newest event, in days."""
    ages = {"vectors": (time.time() - (run.folder / "listings.safetensors").stat().st_mtime) / 86_400}
    if run.log.timed and len(run.log):
        ages["newest event"] = max(0.0, (time.time_ns() - int(run.log.time.max())) / DAY)
    results = []
    for name, limit, sentence, look in (
        ("vectors", limits.vectors_days, "The vectors are {} old.", "whether `vibes refresh` still runs."),
        ("newest event", limits.event_days, "The newest event is {} old.", "whether events still reach `vibes refresh`."),
    ):  # fmt: skip
        if (days := ages.get(name)) is not None:
            age = f"{days:.0f} days" if days >= 2 else f"{24 * days:.0f} hours"
            crossed = limit is not None and days > limit
            results.append(
                Check(name=name, value=days, crossed=crossed, sentence=sentence.format(age), look=look)
            )
    return results


def queries_of(check: Check, evaluation: Evaluation, run: Run) -> pd.DataFrame:
    """Return the newest queries that a check concerns, the worst ranks first: the columns of `vibes monitor --queries` and the title.

    For recall these are the queries with a miss, for histories all, for age none; for all other checks the queries whose target is
    one of the check's listings.
    """
    ranking, target = evaluation.names[0], evaluation.queries.target
    chosen = np.zeros(len(target), bool) if check.listings is None else check.listings[target]
    if check.name == "recall":
        chosen = evaluation.ranks[ranking] > DEFAULT.coverage
    elif check.name == "histories":
        chosen = np.ones(len(target), bool)
    table = evaluation.queries_frame(run.market, ranking)
    title = run.market.title
    if title is not None:
        table.insert(3, "title", run.market.listings[title].to_numpy()[target])
    return table[chosen].sort_values("rank", ascending=False, kind="stable").head(EVIDENCE)


def write_evidence(
    result: Monitored, evaluation: Evaluation | None, run: Run, folder: Path
) -> dict[tuple[str, str], tuple[Path, int]]:
    """Write the queries of each check as CSV; return by check the file and its number of rows, for checks with rows.

    Stale files of an earlier check in the folder are removed.

    Raises:
        VibesError: the folder cannot be written.
    """
    files: dict[tuple[str, str], tuple[Path, int]] = {}
    for number, check in enumerate([] if evaluation is None else [*result.crossed, *result.quiet]):
        assert evaluation is not None
        table = queries_of(check, evaluation, run)
        if len(table):
            words = re.sub(r"[^a-z0-9]+", "-", f"{check.name} {check.of}".lower()).strip("-")[:80]
            file = folder / f"{words}.csv"
            if any(file == other for other, _ in files.values()):  # an attribute with a similar name
                file = folder / f"{words}-{number}.csv"
            write_table(file, table)
            files[check.name, check.of] = file, len(table)
    for left in {*folder.glob("*.csv")} - {file for file, _ in files.values()}:
        left.unlink(missing_ok=True)
    return files


def no_queries(run: Run) -> pd.DataFrame:
    """Return the table of `vibes monitor --queries` without rows."""
    at = "datetime64[ns, UTC]" if run.log.timed else "int64"
    kinds = {C.USER: "str", "at": at, "target": "str", "rank": "int64", "candidates": "int64"}
    kinds |= {"history_length": "int64", "cold_listing": "bool", "cold_user": "bool"}
    return pd.DataFrame({name: pd.Series(dtype=kind) for name, kind in kinds.items()})
