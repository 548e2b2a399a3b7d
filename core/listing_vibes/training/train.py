"""`vibes train` as a recipe: load -> resolve -> fit features -> build -> optimize -> weigh the blend -> write."""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import reduce
from pathlib import Path

import numpy as np
import torch

from listing_vibes.errors import VibesError
from listing_vibes.features.featurizer import Features, Featurizer
from listing_vibes.features.market_summary import MarketSummary, save_summaries
from listing_vibes.features.photos.photo_vectors import PhotoVectors, photo_center
from listing_vibes.market.durable import copy_file, only_writer, sweep_left
from listing_vibes.market.market import Market
from listing_vibes.model.checkpoint import build_model, recipe_of
from listing_vibes.model.model import ListingModel
from listing_vibes.model.settings import Resolved, Settings, compare_settings
from listing_vibes.progress import Notice, Report, Stage, silent
from listing_vibes.registry import load
from listing_vibes.run.blends import load_blends
from listing_vibes.run.embedding import embed_market, library_versions, spaces_of
from listing_vibes.run.engine import Engine, make_inputs
from listing_vibes.run.manifest import KnownMarket, Manifest, seal
from listing_vibes.run.other_market import MARKETS
from listing_vibes.run.run import Run
from listing_vibes.run.save import MODEL, write_run
from listing_vibes.run.scorers import default_weights
from listing_vibes.run.versions import forget
from listing_vibes.scoring.attribute_weights import weighted_attributes
from listing_vibes.scoring.recency import RecentEvents
from listing_vibes.training.batches import Mix, buckets_of, check_markets, fingerprint_of, folder_names
from listing_vibes.training.checkpoints import TrainingState
from listing_vibes.training.distributed import launched, reproducible
from listing_vibes.training.examples import TrainingData, make_examples
from listing_vibes.training.optimize import Optimization, check_finite
from listing_vibes.training.resolve import resolve, resolve_positions
from listing_vibes.training.step import FrozenPhotos, StepData
from listing_vibes.training.validation import spread, validation
from listing_vibes.training.warm_start import SHORTER, WarmStart, transfer_weights


@dataclass(frozen=True, eq=False)
class TrainingJob:
    """The inputs and the folder of a training."""

    markets: list[Market]
    photos: list[PhotoVectors | None]  # photo vectors of each market
    run: Path | None  # None: in memory
    resume: bool
    report: Report
    refit_of: Path | None  # the run that this one repeats
    start: WarmStart | None

    @property
    def folder(self) -> Path:
        """Return the folder of the run, where there is one."""
        assert self.run is not None
        return self.run

    @property
    def work(self) -> Path:
        """Return the folder of files that are needed until the training ends."""
        return self.folder / ".training"

    @property
    def single(self) -> bool:
        """Return whether there is one market."""
        return len(self.markets) == 1


@dataclass(frozen=True, eq=False)
class Fitted:
    """The features of the markets of a training."""

    featurizer: Featurizer
    parts: list[Features]  # of each market
    features: Features  # features of all markets
    photos: FrozenPhotos = field(default_factory=FrozenPhotos)


def train(
    market: Market | Sequence[Market],
    run: Path,
    settings: Settings,
    photos: PhotoVectors | Sequence[PhotoVectors | None] | None,
    resume: bool = False,
    report: Report = silent,
    refit_of: Path | None = None,
    start: WarmStart | None = None,
) -> TrainingState:
    """Train on `market` and fill the folder `run`; `run.toml` comes last, so a folder with one is complete.

    With several markets and the `photos` of each, `run` has the model, and `run/markets` a run over each. In a refit, `refit_of` is
    the run that it repeats, whose fitted blends are copied. With `start` the training has a warm start from another run.

    Raises:
        VibesError: there are no training events, `run` has a finished run, has nothing to resume, or is being written.
    """
    markets = [market] if isinstance(market, Market) else list(market)
    vectors = list(photos) if isinstance(photos, Sequence) else [photos]
    job = TrainingJob(markets, vectors, run, resume, report, refit_of, start)
    with reproducible():
        # Under `accelerate launch` every process runs this: all check, one writes.
        if not launched().is_main_process:
            return _train(job, Resolved.unresolved(settings))[0]
        with only_writer(run, "vibes train"):
            for folder in (run, job.work):
                sweep_left(folder)
            if (run / "run.toml").exists():  # It is left over if the writer was killed at the end.
                shutil.rmtree(job.work, ignore_errors=True)
            return _train(job, Resolved.unresolved(settings))[0]


def train_in_memory(
    market: Market,
    settings: Settings,
    photos: PhotoVectors | None,
    report: Report = silent,
    refit_of: Path | None = None,
    start: WarmStart | None = None,
) -> Run:
    """Train on one market and return the run; no file is written.

    Raises:
        VibesError: there are no training events.
    """
    job = TrainingJob([market], [photos], None, False, report, refit_of, start)
    with reproducible():
        run = _train(job, Resolved.unresolved(settings))[1]
    assert run is not None
    return run


def _train(job: TrainingJob, settings: Resolved) -> tuple[TrainingState, Run | None]:
    """Return the final state, and the run over the market if there is one market."""
    settings = _initial_settings(job, settings)
    parts = [TrainingData.of(market, settings.split) for market in job.markets]
    data = TrainingData.joined(parts, [str(market.path) for market in job.markets])
    if not job.resume:
        shorter = 1 if job.start is None else SHORTER
        settings = resolve(settings, data, len(job.markets), shorter)
    with launched().main_process_first():  # The other processes use the cached text vectors.
        settings, fitted = fit_features(job, settings, parts)
    manifest = _manifest(job, settings, parts)
    writes = job.run is not None and launched().is_main_process
    if writes:
        job.work.mkdir(parents=True, exist_ok=True)
        manifest.save(job.work)
    state, model = _optimize(job, manifest, data, parts, fitted, start_model(job, settings, fitted))
    manifest = manifest.model_copy(update={"steps": state.best_step})
    run = None
    if job.single and (writes or job.run is None):
        run = build_run(job, manifest, data, fitted, model)
    if writes:
        if run is None:
            write_runs(job, manifest, parts, fitted)
        else:
            write_run(run, job.folder)
        shutil.rmtree(job.work)
    return state, run


def _optimize(
    job: TrainingJob,
    manifest: Manifest,
    data: TrainingData,
    parts: list[TrainingData],
    fitted: Fitted,
    model: ListingModel,
) -> tuple[TrainingState, ListingModel]:
    """Pre-train and train `model`, and return it with its best weights; what only the steps need is freed at the end."""
    settings = manifest.settings
    step_data = make_step_data(job, settings, data, fitted)
    inputs = [
        make_inputs(fitted.featurizer, features, part.log.positives, settings)
        for features, part in zip(fitted.parts, parts, strict=True)
    ]
    validate = validation(list(zip(parts, inputs, strict=True)), settings, fitted.photos, step_data.recent)
    if settings.training.pretrain_steps and not _is_started(job) and len(step_data.examples):
        pretrain = load("listing_vibes.variants.pretraining:pretrain")
        pretrain(model, step_data, data.known, settings, job.run, job.resume, job.report)
    coverage = "" if manifest.carried is None else manifest.carried.sentence
    optimization: type[Optimization] = load(recipe_of(settings).optimization)
    steps = optimization(model, step_data, settings, job.run, validate, job.resume, job.report)
    state = steps.train(coverage)
    return state, steps.load_best()


def _initial_settings(job: TrainingJob, settings: Resolved) -> Resolved:
    """Return the given settings, or those of an interrupted training, with which given ones must agree unless automatic."""
    if job.run is not None and (job.run / "run.toml").exists():
        raise VibesError(f"{job.run} already holds a finished run; choose another folder or remove it first.")
    if not job.single:
        check_markets(job.markets, settings)
    if job.run is None:
        return settings
    if not job.resume:
        if (job.work / "run.toml").exists():
            raise VibesError(
                f"{job.run} has an unfinished training; continue with --resume (in Python resume=True), or remove the folder to "
                "start again."
            )
        return settings
    if not (job.work / "run.toml").is_file():
        raise VibesError(f"{job.run} has no interrupted training; start one without --resume.")
    manifest = Manifest.load(job.work)
    if manifest.fingerprint != fingerprint_of(job.markets):
        paths = " or ".join(str(market.path) for market in job.markets)
        raise VibesError(
            f"{paths} changed since the training of {job.run} began; remove the folder and train again."
        )
    given = settings.given.model_dump(exclude_unset=True)
    for name, requested, old in compare_settings(given, manifest.settings.model_dump()):
        if requested not in ("auto", None):
            raise VibesError(
                f"The interrupted training had {name} = {old}, not {requested}; resume it without that option."
            )
    return manifest.settings


def fit_features(job: TrainingJob, settings: Resolved, parts: list[TrainingData]) -> tuple[Resolved, Fitted]:
    """Return the features of each market, and `settings` with the number of token positions."""
    job.report(Stage("features"))
    width, config, market = settings.encoder_config().width, settings.features, job.markets[0]
    durations = np.concatenate([part.log.duration[part.split.train] for part in parts])
    available = [part.known for part in parts]
    if job.start is not None:
        featurizer = job.start.featurizer.extend(market, available[0], durations, job.photos[0], job.report)
    else:
        featurizer = Featurizer.fit(job.markets, config, width, available, durations, job.photos, job.report)
    features = [
        featurizer.transform(item, vectors, job.report)
        for item, vectors in zip(job.markets, job.photos, strict=True)
    ]
    fitted = Fitted(featurizer, features, reduce(Features.join, features))
    settings = resolve_positions(settings, market, featurizer, fitted.features)
    if config.photo_train_blocks:
        trained_photos = load("listing_vibes.variants.photo_stages:trained_photos")
        photos = trained_photos(market, settings, featurizer, job.photos[0], job.report)
        fitted = replace(fitted, photos=photos)
    return settings, fitted


def _manifest(job: TrainingJob, settings: Resolved, parts: list[TrainingData]) -> Manifest:
    transfer = None
    if job.start is not None:
        transfer = job.start.transfer(job.markets[0])
        job.report(Notice(f"The model of {job.start.run} {transfer.sentence}."))
    fingerprint = fingerprint_of(job.markets)
    known = [
        KnownMarket(
            name=market.name,
            path=str(market.path.resolve()),
            fingerprint=market.fingerprint,
            t1=part.split.t1,
            t2=part.split.t2,
        )
        for market, part in zip(job.markets, parts, strict=True)
    ]
    return Manifest(
        market=str(job.markets[0].path.resolve()) if job.single else "",
        market_name=", ".join(market.name for market in job.markets),
        fingerprint=fingerprint,
        trained_on=fingerprint,
        photo_encoder=next((photo.encoder for photo in job.photos if photo is not None), ""),
        carried=transfer,
        versions=library_versions(),
        settings=settings,
        markets=None if job.single else known,
    )


def start_model(job: TrainingJob, settings: Resolved, fitted: Fitted) -> ListingModel:
    """Return the model before the first step."""
    torch.manual_seed(settings.seed)
    featurizer = fitted.featurizer
    model = build_model(featurizer.vocabulary, settings)
    featurizer.tokenizer.initialize(model, featurizer.vocabulary, featurizer.width)
    if job.start is not None:
        before = job.start.featurizer.vocabulary
        transfer_weights(model, job.start.weights, before, featurizer.vocabulary, settings.seed)
    if settings.init is not None and not _is_started(job):
        load("listing_vibes.variants.conversion:load_pretrained")(Path(settings.init), model.longformer)
    fitted.photos.attach(model)
    return model


def make_step_data(job: TrainingJob, settings: Resolved, data: TrainingData, fitted: Fitted) -> StepData:
    """Return the data of the steps."""
    training, log = settings.training, data.log.positives  # Histories are encoded as in serving.
    split = replace(data.split, train=data.split.train[data.log.is_positive])
    baskets = split if training.baskets == "set" else None
    examples = make_examples(log, split, training.positives, within=baskets is not None)
    mix = None
    if not job.single:
        sizes = [len(market.listings) for market in job.markets]
        market = np.repeat(np.arange(len(sizes)), sizes)  # (L,)
        buckets = buckets_of(fitted.featurizer.vocabulary)
        mix = Mix.of(market, examples.positive[:, 0], training.market_mix, buckets)
    return StepData(
        examples=examples,
        log=log,
        catalogue=data.catalogue,
        inputs=make_inputs(fitted.featurizer, fitted.features, log, settings),
        warm=np.flatnonzero(data.counts > 0),
        masked=split.valid.masked,
        seed=settings.seed,
        live=split.protocol == "temporal",
        photos=fitted.photos,
        recent=RecentEvents.over_days(data.log, days) if (days := training.recent_days) else None,
        baskets=baskets,
        mix=mix,
    )


def build_run(
    job: TrainingJob, manifest: Manifest, data: TrainingData, fitted: Fitted, model: ListingModel
) -> Run:
    """Embed the listings by a trained `model`, fit the default blend, and return the run in memory."""
    market, photos, report = job.markets[0], job.photos[0], job.report
    settings, featurizer, features = manifest.settings, fitted.featurizer, fitted.features
    model.eval()
    encoder = featurizer.photo_encoder
    featurizer, photos = fitted.photos.embed(market, featurizer, model, photos, report)
    if photos is not None and featurizer.photo_encoder != encoder:
        features = featurizer.transform(market, photos)
        manifest = manifest.model_copy(update={"photo_encoder": photos.encoder})
    before = [] if job.start is None else [item for item in job.start.seen if item.name != market.name]
    summaries = [*before, MarketSummary.of(market, data.known, featurizer, photos)]
    report(Stage("embedding"))
    engine = Engine(model, featurizer, features, settings)
    attributes = weighted_attributes(market, data.log, data.split, data.catalogue, {}, settings.seed, report)
    spaces = spaces_of(market, photos, engine, report, attributes=attributes)
    # Finite weights may give embeddings that are not finite, and a refit has no validation to detect this.
    check_finite(
        "embedding of a listing", spread(spaces["model"]), manifest.steps, settings.training.learning_rate
    )
    fits = [] if job.refit_of is None else load_blends(job.refit_of)
    if job.refit_of is None:
        report(Stage("weights of the default blend"))
        blend = default_weights(engine, settings, spaces, data.log, data.split, data.catalogue)
        settings = settings.model_copy(update={"blend": blend})
    weights = {} if attributes is None else attributes.weights
    update = {"settings": settings, "encoded_by": engine.precision, "attribute_weights": weights}
    run = Run(market, manifest.model_copy(update=update), spaces, engine, summaries, photo_center(photos))
    run.keep_evaluation(None, fits)
    return run


def write_runs(job: TrainingJob, manifest: Manifest, parts: list[TrainingData], fitted: Fitted) -> None:
    """Write a run over each of several markets, and `run.toml` last, into the folder with the weights."""
    pairs = zip(job.markets, parts, job.photos, strict=True)
    seen = [MarketSummary.of(market, item.known, fitted.featurizer, of) for market, item, of in pairs]
    out = job.folder
    model, runs, names = job.work / "model", out / MARKETS, folder_names(job.markets)
    for folder in (model, runs):
        shutil.rmtree(folder, ignore_errors=True)
    model.mkdir()
    copy_file(out / MODEL[0], model / MODEL[0])
    for folder in (model, out):
        fitted.featurizer.save(folder)
        save_summaries(folder, seen)
    seal(model, manifest)
    weights: dict[str, list[float]] = {}  # of each attribute in the runs, by its shared name
    for market, vectors, name in zip(job.markets, job.photos, names, strict=True):
        job.report(Stage(f"embedding {name}"))
        own = embed_market(market, runs / name, vectors, model, job.report).attribute_weights
        for attribute, weight in own.items():
            weights.setdefault(market.config.shared_name(attribute), []).append(weight)
    forget(out)
    mean = {name: round(float(np.mean(values)), 3) for name, values in weights.items()}
    seal(out, manifest.model_copy(update={"attribute_weights": mean}))


def _is_started(job: TrainingJob) -> bool:
    """Return whether the training loop has written a checkpoint."""
    return job.run is not None and (job.work / "state.safetensors").is_file()
