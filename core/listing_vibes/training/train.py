"""`vibes train`: from a market to a finished run folder."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import replace
from functools import reduce
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import PartialState

from listing_vibes.defaults import K
from listing_vibes.device import place
from listing_vibes.errors import VibesError
from listing_vibes.features.featurizer import Features, Featurizer
from listing_vibes.features.many import fit_many
from listing_vibes.features.merging import joined
from listing_vibes.features.photos.vectors import PhotoVectors
from listing_vibes.features.seen import SeenMarket, save_seen
from listing_vibes.features.tokens.wordpiece import word_vectors
from listing_vibes.market.durable import only_writer, sweep_left
from listing_vibes.market.log import EventLog, ranges
from listing_vibes.market.market import Market
from listing_vibes.market.splits import Catalogue, Queries, Split
from listing_vibes.model.checkpoint import load_weights
from listing_vibes.model.encoder import Inputs, ListingModel, encode_histories, encode_listings
from listing_vibes.model.pretrained import start_from
from listing_vibes.model.settings import Resolved, ResolvedSplit, Settings
from listing_vibes.progress import Notice, Report, Stage, silent
from listing_vibes.run.contents import seal
from listing_vibes.run.engine import Engine, make_inputs
from listing_vibes.run.fits import copy_fits
from listing_vibes.run.manifest import Manifest
from listing_vibes.run.prepared import save_prepared
from listing_vibes.run.scorer import engine_scorer
from listing_vibes.run.spaces import library_versions, save_spaces, spaces_of
from listing_vibes.run.versions import forget
from listing_vibes.scoring.late_interaction import LateInteraction
from listing_vibes.scoring.metrics import smooth_recall, user_means
from listing_vibes.scoring.ranking import batches, pessimistic_ranks
from listing_vibes.scoring.recency import RecentEvents, recency_prior
from listing_vibes.training.beginning import SHORTER, Beginning
from listing_vibes.training.codes import codes_of
from listing_vibes.training.decided import decided
from listing_vibes.training.examples import make_examples
from listing_vibes.training.finetune import Validate, finetune
from listing_vibes.training.ground import Ground
from listing_vibes.training.guard import check_finite
from listing_vibes.training.listed import fit_blend
from listing_vibes.training.live_photos import LivePhotos, start_live, with_trained_photos
from listing_vibes.training.many import (
    check_many,
    fingerprint_of,
    finish_many,
    known_markets,
    market_of,
    validation_of_all,
)
from listing_vibes.training.mix import Mix
from listing_vibes.training.positions import with_positions
from listing_vibes.training.pretrain import pretrain
from listing_vibes.training.processes import Processes, launched, settings_of_torch
from listing_vibes.training.state import TrainingState
from listing_vibes.training.step import StepData
from listing_vibes.training.unwanted import not_kept_away

VALIDATION_QUERIES = 1000


@settings_of_torch()
def train(
    market: Market | Sequence[Market],
    run: Path,
    settings: Settings,
    photos: PhotoVectors | Sequence[PhotoVectors | None] | None,
    resume: bool = False,
    report: Report = silent,
    repeats: Path | None = None,
    begun: Beginning | None = None,
) -> TrainingState:
    """Train on `market` and fill the folder `run`; `run.toml` comes last, so a folder with one is whole.

    Of several markets, with the `photos` of each, `run` gets the model, and `run/markets` a run over each with it. Of a refit,
    `repeats` is the run that it repeats, as which it is to serve. With `begun` the weights of another run are what the training
    begins from.

    Raises:
        VibesError: nothing to train on, a finished run in the way, nothing to resume, or a training that is at work there.
    """
    # Under `accelerate launch` every process comes through here: all check, one writes.
    state = launched()
    markets = [market] if isinstance(market, Market) else list(market)
    shots = list(photos) if isinstance(photos, Sequence) else [photos]
    if not state.is_main_process:
        return _train(markets, run, Resolved.of(settings), shots, resume, report, repeats, state, begun)
    with only_writer(run, "vibes train"):
        for folder in (run, run / ".training"):
            sweep_left(folder)
        if (run / "run.toml").exists():  # what a writer left that was killed when all was done
            shutil.rmtree(run / ".training", ignore_errors=True)
        return _train(markets, run, Resolved.of(settings), shots, resume, report, repeats, state, begun)


def _train(
    markets: list[Market],
    run: Path,
    settings: Resolved,
    shots: list[PhotoVectors | None],
    resume: bool,
    report: Report,
    repeats: Path | None,
    state: PartialState,
    begun: Beginning | None,
) -> TrainingState:
    work = run / ".training"
    if (run / "run.toml").exists():
        raise VibesError(f"{run} already holds a finished run; choose another folder or remove it first.")
    market, photos, many = markets[0], shots[0], len(markets) > 1
    if resume:
        settings = _resumed(work, markets, settings)
    elif (work / "run.toml").exists():
        raise VibesError(
            f"{run} holds an unfinished training; go on with --resume (in Python resume=True), or remove the folder to begin anew."
        )
    grounds = [Ground.of(one, settings.split) for one in markets]
    ground = Ground.joined(grounds, [str(one.path) for one in markets]) if many else grounds[0]
    log, catalogue, split, counts, known = (
        ground.log, ground.catalogue, ground.split, ground.counts, ground.known,
    )  # fmt: skip
    split_config = ResolvedSplit(protocol=split.protocol, t1=split.t1, t2=split.t2)
    if many:
        check_many(markets, settings)
        split_config = settings.split.model_copy(update={"protocol": split.protocol})
    training = settings.training  # of what goes on all was decided, maybe by an earlier version
    if not resume:
        shorter = 1 if begun is None else SHORTER
        training = decided(settings, log, split, many, all(one.attributes for one in markets), shorter)
    settings = settings.model_copy(update={"split": split_config, "training": training})
    carried = begun.carried(market) if begun is not None else None
    seen = next((one for one in shots if one is not None), None)
    manifest = Manifest(
        market="" if many else str(market.path.resolve()),
        market_name=", ".join(one.name for one in markets),
        fingerprint=fingerprint_of(markets),
        trained_on=fingerprint_of(markets),
        photo_encoder=seen.encoder if seen is not None else "",
        carried=carried,
        versions=library_versions(),
        settings=settings,
        markets=known_markets(markets, grounds) if many else None,
    )
    recent = _recent(log, training.recent_days, catalogue)
    if begun is not None and carried is not None:
        report(Notice(f"The model of {begun.run} {carried.sentence}."))
    report(Stage("features"))
    live: LivePhotos | None = None
    tail: Any = None
    state.wait_for_everyone()
    with state.main_process_first():  # the others find the text vectors in the cache
        featurizer, parts = _features(markets, settings, grounds, shots, work, report, begun)
        features = reduce(joined, parts)
        settings = with_positions(settings, market, featurizer, features)
        manifest = manifest.model_copy(update={"settings": settings})
        if settings.features.photo_train_blocks:
            live, tail = start_live(market, settings, featurizer, photos, report)
    if state.is_main_process:
        work.mkdir(parents=True, exist_ok=True)
        manifest.save(work)
    read = log if training.unwanted_learned else log.of_wanted  # as who serves the model reads histories
    trains = split if read is log else replace(split, train=split.train[log.wanted])
    inputs = make_inputs(featurizer, features, read, settings)
    torch.manual_seed(settings.seed)
    model = ListingModel.of(featurizer.vocabulary, settings)
    if featurizer.vocabulary.pieces:
        model.embedder.start_words(word_vectors(featurizer.vocabulary, featurizer.width))
        model.sync_listing_side()
    if begun is not None:
        with state.main_process_first():  # one embeds the texts of new values, and the others find them
            begun.give(model, featurizer, market, settings.seed)
    model.photo_blocks = tail
    fresh_start = not (work / "state.safetensors").is_file()
    if settings.init is not None and fresh_start:
        start_from(Path(settings.init), model.longformer)
        model.sync_listing_side()
    examples = make_examples(read, trains, training.positives, within=training.baskets == "set")
    data = StepData(
        examples=examples,
        log=read,
        catalogue=catalogue,
        inputs=inputs,
        warm=np.flatnonzero(counts > 0),
        masked=split.valid.masked,
        live=split.protocol == "temporal",
        seed=settings.seed,
        photos=live,
        recent=recent,
        baskets=trains if training.baskets == "set" else None,
        mix=Mix.of(
            market_of(markets), examples.positive[:, 0], training.market_mix, codes_of(featurizer.vocabulary)
        )
        if many
        else None,
    )
    if many:
        validate = validation_of_all(
            [
                _validation(
                    one.log, one.split, one.catalogue,
                    make_inputs(featurizer, part, one.log if training.unwanted_learned else one.log.of_wanted, settings),
                    settings, recent=_recent(one.log, training.recent_days, one.catalogue),
                )
                for one, part in zip(grounds, parts, strict=True)
            ]
        )  # fmt: skip
    else:
        validate = _validation(log, split, catalogue, inputs, settings, live, recent)
    if settings.training.pretrain_steps and fresh_start and len(data.examples):
        pretrain(model, data, known, settings, run, resume, report)
    told = "" if carried is None else carried.sentence
    progress = finetune(model, data, settings, run, validate, resume, report, told)
    if not state.is_main_process:
        return progress
    if many:
        saw = [
            SeenMarket.of(one, on.known, featurizer, of)
            for one, on, of in zip(markets, grounds, shots, strict=True)
        ]
        whole = manifest.model_copy(update={"steps": progress.best_step})
        finish_many(run, markets, shots, featurizer, whole, saw, report)
        return progress
    load_weights(run / "model.safetensors", model)
    model.eval()
    if live is not None and photos is not None:
        featurizer, photos = with_trained_photos(market, featurizer, model, live, photos, report)
        features = featurizer.transform(market, photos)
        manifest = manifest.model_copy(update={"photo_encoder": photos.encoder})
    featurizer.save(run)
    before = [] if begun is None else [one for one in begun.seen if one.name != market.name]
    save_seen(run, [*before, SeenMarket.of(market, known, featurizer, photos)])
    report(Stage("embedding"))
    engine = Engine(model, featurizer, features, settings)
    spaces = spaces_of(market, photos, engine, report)
    # Weights may be finite and what they make of a listing not, and a refit has no validation that would have told.
    check_finite("embedding of a listing", _spread(spaces["model"]), progress.best_step, training)
    save_spaces(run, market, spaces, photos)
    if training.unwanted_learned and repeats is None:
        untaught = not_kept_away(engine, spaces["model"], log, split.train, settings.seed)
        if untaught is not None:
            report(Notice(untaught))
            training = training.model_copy(update={"unwanted_learned": False})
            settings = settings.model_copy(update={"training": training})
            manifest = manifest.model_copy(update={"settings": settings})
            engine = Engine(model, featurizer, features, settings)
    if training.recency_fit is not None and log.timed and repeats is None:
        report(Stage("weights of the default blend"))
        scorer = engine_scorer(engine, spaces["model"], log, LateInteraction.of(training))
        near = spaces.get("attributes") if training.neighbours_weighed or training.neighbours_served else None
        training = fit_blend(training, scorer, near, log, split, catalogue, settings.seed)
        settings = settings.model_copy(update={"training": training})
        manifest = manifest.model_copy(update={"settings": settings})
    save_prepared(run, features, market.fingerprint)
    forget(run)
    if repeats is not None:
        copy_fits(repeats, run)
    seal(run, manifest.model_copy(update={"encoded_by": engine.path, "steps": progress.best_step}))
    shutil.rmtree(work)
    return progress


def _features(
    markets: list[Market],
    settings: Resolved,
    grounds: list[Ground],
    photos: list[PhotoVectors | None],
    work: Path,
    report: Report,
    begun: Beginning | None,
) -> tuple[Featurizer, list[Features]]:
    """What was fitted, and what it makes of each market."""
    width, config = settings.encoder_config().width, settings.features
    durations = np.concatenate([one.log.duration[one.split.train] for one in grounds])
    known = [one.known for one in grounds]
    if begun is not None:
        featurizer = begun.featurizer.extended(markets[0], known[0], durations, photos[0], report)
    elif len(markets) == 1:
        featurizer = Featurizer.fit(markets[0], config, width, known[0], durations, photos[0], report)
    else:
        featurizer = fit_many(markets, config, width, known, durations, photos, work, report)
    both = zip(markets, photos, strict=True)
    return featurizer, [featurizer.at_work(one).transform(one, shown, report) for one, shown in both]


def _resumed(work: Path, markets: list[Market], settings: Resolved) -> Resolved:
    """The settings of the training that was interrupted; those that are given must agree with them, but for what they leave open."""
    if not (work / "run.toml").is_file():
        raise VibesError(f"{work.parent} holds no interrupted training; start one without --resume.")
    manifest = Manifest.load(work)
    if manifest.fingerprint != fingerprint_of(markets):
        raise VibesError(
            f"{' or '.join(str(market.path) for market in markets)} changed since the training of {work.parent} began; remove the folder and train anew."
        )
    before = manifest.settings.model_dump()
    for name, value in settings.model_dump(exclude_unset=True).items():  # whoever names a default means it
        asked = (
            {f"{name}.{key}": one for key, one in value.items()} if isinstance(value, dict) else {name: value}
        )
        for key, one in asked.items():
            was = before[name].get(key.partition(".")[2]) if isinstance(value, dict) else before[name]
            if one not in ("auto", None, was):
                raise VibesError(
                    f"The interrupted training had {key} = {was}, not {one}; resume it without that option."
                )
    return manifest.settings


def _recent(log: EventLog, days: int, catalogue: Catalogue) -> RecentEvents | None:
    if days and not log.timed:
        raise VibesError(
            f"Option training.recency_days is {days}, but the events have no timestamps, so nothing is recent; leave it out."
        )
    return RecentEvents.over_days(log, days, catalogue) if days else None


def _spread(vectors: np.ndarray) -> float:
    """From the least number in vectors (L, d) to the greatest, found without a copy of a million of them; no number where one is none."""
    return float(vectors.max() - vectors.min())


def _needed(log: EventLog, queries: Queries, catalogue: Catalogue) -> np.ndarray:
    """(n,) the listings whose vectors decide the ranks of `queries`: live at one of their moments, in a history, or aimed at.

    All of them where what is unwanted is weighed by the spread over all, and in leave-one-out, which asks nobody when a listing was live.
    """
    if not (queries.masked and queries.live) or log.some_unwanted:
        return np.arange(log.listings)
    needed = (catalogue.since <= queries.at.max()) & (catalogue.until > queries.at.min())
    needed[log.listing[ranges(queries.start, queries.length)]] = True
    needed[queries.target] = True
    return np.flatnonzero(needed)


def _validation(
    log: EventLog,
    split: Split,
    catalogue: Catalogue,
    inputs: Inputs,
    settings: Resolved,
    live: LivePhotos | None = None,
    recent: RecentEvents | None = None,
) -> Validate | None:
    """recall@30, and its smooth form, over at most `VALIDATION_QUERIES` of the validation queries, drawn once by the
    seed; None without any. Where the loss knows what is `recent`, so does validation, by the same weight. `inputs` are those
    of `log`, without what is not wanted where the model has not learned that."""
    queries = split.valid
    if not len(queries):
        return None
    limit = VALIDATION_QUERIES
    if len(queries) > limit:
        rng = np.random.default_rng([settings.seed, 2])
        queries = queries.take(np.sort(rng.choice(len(queries), limit, replace=False)))
    width, dtype = settings.encoder_config().width, settings.training.dtype
    needed = _needed(log, queries, catalogue)

    processes, late = Processes.launched(), LateInteraction.of(settings.training)

    def gathered(part: np.ndarray, count: int) -> np.ndarray:
        with torch.no_grad():
            return processes.gather(place(part, processes.device), count).cpu().numpy()

    def recall(model: ListingModel) -> tuple[float, float]:
        now = inputs if live is None else live.inputs(inputs, live.encode_all(model, processes))
        part = encode_listings(model, now, needed[processes.mine(len(needed))], width, dtype=dtype)
        listings = np.zeros((log.listings, width), np.float32)  # (L, d), the others are no candidates
        listings[needed] = gathered(part, len(needed))
        mine = queries.take(processes.mine(len(queries)))  # each process ranks its own
        start, end = mine.start, mine.end
        if log.some_unwanted and not settings.training.unwanted_learned:
            start, end = log.wanted_before[start], log.wanted_before[end]
        ends = encode_histories(model, now, start, end, width, listings=listings, dtype=dtype)
        ranks = np.zeros(len(mine), np.int64)
        for rows, batch, allowed in batches(log, mine, catalogue, 256):
            scores = late.scores(ends[rows], listings, listings, log, batch.start, batch.end)  # (B, L)
            if recent is not None:
                scores += recency_prior(
                    recent.counts(batch.at), settings.training.temperature / (1 + late.weight)
                )
            ranks[rows] = pessimistic_ranks(scores, allowed, batch.target)
        ranks = gathered(ranks, len(queries))
        # Nothing is at least as good as a target whose score is not a number, so that it would stand before the first.
        if (ranks < 1).any() or not np.isfinite(_spread(listings)):
            return float("nan"), float("nan")
        values = np.column_stack([ranks <= K, smooth_recall(ranks)])  # (Q, 2)
        hard, smooth = user_means(values, queries.user).mean(axis=0)
        return float(hard), float(smooth)

    return recall
