"""`vibes monitor`: whether a run is still good, by what came since it was trained and measured."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from listing_vibes.errors import VibesError
from listing_vibes.evaluation.result import Evaluation
from listing_vibes.features.featurizer import Featurizer
from listing_vibes.features.photos.vectors import PhotoVectors, load_photo_vectors
from listing_vibes.features.seen import PhotoSpread, SeenMarket, load_seen, read_by
from listing_vibes.features.within import inside
from listing_vibes.insight.market_shift import nearest_market
from listing_vibes.market.column_names import market_columns
from listing_vibes.market.columns import Columns as C
from listing_vibes.market.io import find_table
from listing_vibes.market.log import DAY, EventLog
from listing_vibes.market.moments import Moment
from listing_vibes.market.splits import Split
from listing_vibes.progress import Report, shown
from listing_vibes.run.run import Run
from listing_vibes.serving.monitor import lists
from listing_vibes.serving.monitor.checks import Check, Monitored, Thresholds, model_of
from listing_vibes.serving.monitor.drift import MOST, Group, attribute_checks, history_check, photo_check
from listing_vibes.serving.monitor.evidence import About
from listing_vibes.serving.monitor.groups import groups, new_rows
from listing_vibes.serving.monitor.newest import Newest, asked_newest, newest, recall_check, training_advice

#: A column that says who offers a listing, where nobody names one.
SELLER = re.compile(r"(host|seller|shop|owner|vendor|merchant|agent|landlord|brand)(_?id)?", re.IGNORECASE)
#: Histories that are compared, at most, and the events of each that count: what people looked at last.
HISTORIES, LAST = 1000, 5


def monitor(
    run: Run | Path | str,
    thresholds: Thresholds | Mapping[str, Any] | Path | str | None = None,
    *,
    by: str | None = None,
    since: Moment | None = None,
    beside: str | None = None,
    save: bool = True,
    progress: Report | bool = False,
) -> Monitored:
    """Whether a run is still good: recall on the newest events, what lists show, drift and age; what `vibes monitor` does.

    >>> found = monitor(run, {"recall_drop": 0.2}, save=False)
    >>> [check.name for check in found.checks][:2]
    ['recall', 'coverage']

    Args:
        run: a run with a model, or its folder.
        thresholds: some of those of `Thresholds`, or a TOML file with them; None: the default ones.
        by: an attribute that says who offers a listing, by whom places in lists are counted; None: a column such as host_id,
            where there is one.
        since: the newest events begin here; None: after what was evaluated last, or after training.
        beside: what is added to the model, as for `Run.recommend`.
        save: keep what was found as `monitor.json` in the run's folder, where the page, the service's metrics and the next look
            find it.
        progress: called with each update of `listing_vibes.progress`, or True for a bar on stderr.

    Raises:
        VibesError: no model, an unknown threshold, attribute or moment, or nothing fitted to stand beside the model.
    """
    return look(run, thresholds, by, since, beside, save, progress)[0]


def look(
    run: Run | Path | str,
    thresholds: Thresholds | Mapping[str, Any] | Path | str | None = None,
    by: str | None = None,
    since: Moment | None = None,
    beside: str | None = None,
    save: bool = True,
    progress: Report | bool = False,
    about: About | None = None,
) -> tuple[Monitored, Evaluation | None]:
    """As `monitor`, and beside it the newest queries with their ranks; None where there are none.

    Args:
        about: is filled with the listings that each check is about, see `listing_vibes.serving.monitor.evidence`.

    Raises:
        VibesError: see `monitor`.
    """
    limits = Thresholds.of(thresholds)
    opened = run if isinstance(run, Run) else Run.open(run)
    opened.needs_model()
    _ = opened.engine  # says where the market changed since
    found, asked = newest(opened, since, beside), None
    with shown(progress) as report:
        if found.any:
            asked = asked_newest(opened, found, beside, report)
    about = {} if about is None else about
    checks = [recall_check(found, asked, opened, limits)]
    checks += _list_checks(opened, found.split, by, beside, limits, about)
    told, reached = _drift_checks(opened, found, limits, about)
    checks += [*told, *_age_checks(opened, limits)]
    begins = None
    if found.since is not None and found.any:
        begins = str(np.datetime64(found.since, "ns"))[:19] if opened.log.timed else str(found.since)
    result = Monitored(
        run=str(opened.path),
        of=model_of(opened.path),
        market=opened.market.name,
        market_changed=opened.market_changed,
        generation=opened.generation,
        looked=datetime.now(UTC).strftime("%Y-%m-%d %H:%M"),
        since=begins,
        queries=0 if asked is None else len(asked.queries),
        thresholds=limits,
        checks=checks,
        reached=reached,
    )
    if save:
        result.save(opened.path)
    return result, asked


def _list_checks(
    run: Run, split: Split | None, by: str | None, beside: str | None, limits: Thresholds, about: About
) -> list[Check]:
    """What lists show, of whom, and how old it is; nothing in a market without events."""
    if not len(run.log):
        return []
    now, then = lists.now_and_then(run, None if split is None else split.t2, beside)
    found = [lists.coverage_check(now, then, limits), lists.concentration_check(now, then, limits)]
    seller = by or (_seller(run) if now.live.any() else None)
    if seller is not None:
        found.append(lists.seller_check(run, now, seller, limits))
    if (young := lists.age_check(run, now)) is not None:
        found.append(young)
    if split is not None and not run.transferred:
        found.append(lists.cold_check(run, now, split.train, then, limits))
        about["cold", ""] = run.log.counts(split.train) == 0
    about.update(lists.about(run, now, seller))
    return found


def _seller(run: Run) -> str | None:
    source = find_table(run.market.tables, "listings")
    names = [] if source is None else market_columns(source, run.market.config)
    return next((name for name in names if SELLER.fullmatch(name)), None)


def _drift_checks(run: Run, found: Newest, limits: Thresholds, about: About) -> tuple[list[Check], Any]:
    """How far listings, photos and histories have moved."""
    split = found.split
    own = split is not None and not run.transferred
    some, reached = groups(
        run, split.t1 if own and split else None, split.train if own and split else None, _before(run)
    )
    checks: list[Check] = []
    featurizer, market = run.engine.featurizer, run.market
    here, photos = read_by(featurizer, market), _photos(run, featurizer)
    # What a model of other markets learned from differs from this one from the beginning: that is no drift.
    seen = None if run.transferred else nearest_market(load_seen(run.folder), here)[0]
    if seen is None and (own or len(new_rows(some))):  # what the run was made of, as the market has it now
        trained = np.setdiff1d(np.arange(len(run.listing_ids)), new_rows(some))
        seen = SeenMarket.of(market, trained, featurizer, None)
        listing = market.photos[C.LISTING].map(run.listing_row).to_numpy()
        if photos is not None:
            then = replace(photos, ok=photos.ok & np.isin(listing, trained))
            seen = seen.model_copy(update={"photos": PhotoSpread.of(featurizer, then)})
    if seen is not None:
        labels = {market.config.shared_name(one.name): one.label for one in market.attributes}
        labels |= {one.name: one.label for one in market.attributes}
        labels |= {inside(name): f"{label} (rank in the market)" for name, label in labels.items()}
        checks += attribute_checks(seen, here, some, labels, limits, training_advice(run))
        if photos is not None and (told := _photo_check(run, featurizer, photos, seen, some, limits)):
            checks.append(told)
    for group, check in ((group, check) for group in some for check in checks if check.group == group.name):
        about[check.name, check.of] = np.isin(np.arange(len(run.listing_ids)), group.rows)
    if split is not None and split.t1 is not None and found.any:
        checks += [one for one in [_history_check(run, split, found, limits)] if one is not None]
    return checks, reached


def _before(run: Run) -> Monitored | None:
    with suppress(VibesError):  # a damaged one is written anew
        return Monitored.load(run.path)
    return None


def _photos(run: Run, featurizer: Featurizer) -> PhotoVectors | None:
    """The vectors of the market's photos by the model's encoder, where there are some."""
    if featurizer.photo is None or not len(run.market.photos):
        return None
    photos = load_photo_vectors(run.market.path, run.market.photos, featurizer.photo_encoder)
    return photos if photos is not None and photos.ok.any() else None


def _photo_check(
    run: Run,
    featurizer: Featurizer,
    photos: PhotoVectors,
    seen: SeenMarket,
    some: list[Group],
    limits: Thresholds,
) -> Check | None:
    assert featurizer.photo is not None
    shown_ = photos.parts[0] if photos.parts and len(featurizer.photo_reducers) > 1 else photos
    listing = run.market.photos[C.LISTING].map(run.listing_row).to_numpy()
    rows = np.flatnonzero(photos.ok)
    newest_rows = rows[np.isin(listing[rows], some[0].rows)][-MOST:]
    spread = rows[np.linspace(0, len(rows) - 1, min(len(rows), MOST)).astype(int)]
    rows = np.union1d(newest_rows, spread)
    reduced = featurizer.photo.transform(np.asarray(shown_.vectors[rows], np.float32))
    return photo_check(seen, reduced, listing[rows].astype(np.int64), some, limits)


def _history_check(run: Run, split: Split, found: Newest, limits: Thresholds) -> Check | None:
    """The last events of users before training ended, and of those who ask now."""
    log, queries = run.log, found.queries
    assert queries is not None and split.t1 is not None
    vectors, actions = [], []
    trained = np.flatnonzero(split.train)
    last = trained[np.append(log.user[trained][1:] != log.user[trained][:-1], True)]
    last = last[np.argsort(-log.time[last], kind="stable")[:HISTORIES]]
    asked = np.append(queries.user[1:] != queries.user[:-1], True)  # the last of each user
    ends = np.sort(last) + 1, queries.end[asked][:HISTORIES]
    starts = log.start[log.user[ends[0] - 1]], queries.start[asked][:HISTORIES]
    for start, end in zip(starts, ends, strict=True):
        start = np.maximum(start, end - LAST)
        vectors.append(
            run.engine.encode_histories(log, start, end, listings=run.vectors("model")).astype(np.float64)
        )
        actions.append(_actions(log, start, end))
    return history_check(vectors[0], vectors[1], (actions[0], actions[1]), limits)


def _actions(log: EventLog, start: np.ndarray, end: np.ndarray) -> np.ndarray:
    """(n, a) how often each action is in `start : end`."""
    return np.array(
        [
            np.bincount(log.action[a:b][log.action[a:b] >= 0], minlength=max(1, len(log.actions)))
            for a, b in zip(start, end, strict=True)
        ]
    )


def _age_checks(run: Run, limits: Thresholds) -> list[Check]:
    """How old the vectors and the newest event are."""
    made = (time.time() - (run.folder / "listings.safetensors").stat().st_mtime) / 86_400
    found = [
        Check(
            name="vectors",
            value=made,
            crossed=limits.vectors_days is not None and made > limits.vectors_days,
            sentence=f"The vectors are {_days(made)} old.",
            look="whether `vibes refresh` still runs.",
        )
    ]
    if run.log.timed and len(run.log):
        age = max(0.0, (time.time_ns() - int(run.log.time.max())) / DAY)
        found.append(
            Check(
                name="newest event",
                value=age,
                crossed=limits.event_days is not None and age > limits.event_days,
                sentence=f"The newest event is {_days(age)} old.",
                look="whether events still reach `vibes refresh`.",
            )
        )
    return found


def _days(value: float) -> str:
    return f"{value:.0f} days" if value >= 2 else f"{24 * value:.0f} hours"
