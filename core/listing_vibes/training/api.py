"""A training as `vibes train` and `listing_vibes.train` start it: settings, also those of a refit, photos, one training, a run."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, overload

from listing_vibes.errors import VibesError
from listing_vibes.features.feature_config import LITE0, is_trained
from listing_vibes.features.photos.encoders import market_photos
from listing_vibes.features.photos.photo_vectors import report_broken_photos
from listing_vibes.market.log import EventLog
from listing_vibes.market.market import Market
from listing_vibes.model.settings import Resolved, ResolvedSplit, Settings
from listing_vibes.progress import Report, shown
from listing_vibes.run.manifest import Manifest, named_model
from listing_vibes.run.other_market import MARKETS, is_other_market
from listing_vibes.run.run import Run
from listing_vibes.run.versions import reading
from listing_vibes.training.batches import folder_names
from listing_vibes.training.distributed import launched
from listing_vibes.training.train import train as train_markets
from listing_vibes.training.train import train_in_memory
from listing_vibes.training.warm_start import WarmStart

AUTO = "auto"

MarketLike = Market | Path | str
SettingsLike = Settings | Mapping[str, Any] | Path | str | None


@overload
def train(
    market: MarketLike, run: Path | str | None = None, config: SettingsLike = None, **more: Any
) -> Run: ...


@overload
def train(
    market: Sequence[MarketLike], run: Path | str, config: SettingsLike = None, **more: Any
) -> list[Run]: ...


def train(
    market: MarketLike | Sequence[MarketLike],
    run: Path | str | None = None,
    config: SettingsLike = None,
    *,
    protocol: str | None = None,
    resume: bool = False,
    start: Run | Path | str | None = None,
    refit: Run | Path | str | None = None,
    everything: bool = False,
    encoder: str = AUTO,
    weights: Path | str | None = None,
    progress: Report | bool = False,
    **settings: Any,
) -> Run | list[Run]:
    """Train a model on a market, embed its listings, and return the run; with a folder it is what `vibes train` does.

    Without one the run is in memory, no file is written, and `run.save(folder)` writes it. With a list of markets it trains one model on all, and returns a run over each.

    >>> run = train(market, folder / "another", preset="tiny", training={"max_steps": 20})
    >>> run.spaces
    ['model', 'attributes']

    Args:
        market: a market, or its folder; or a list of several.
        run: the folder for checkpoints and the run; a finished run is never overwritten. Of several markets, which need one, it
            holds the model, and in `markets` a run over each.
        config: `Settings`, a mapping with some of their keys, or a TOML file.
        protocol: "temporal" (the default where events have timestamps) or "leave-one-out".
        resume: continue an interrupted training.
        start: a run for a warm start, with its settings and vocabulary: of the same market a month before, or of another one.
            The training is then shorter.
        refit: a run to train again with its settings, number of steps and photo encoder, also on its validation events; with
            `everything` also on its test events.
        encoder: the photo encoder: a timm name or "vae"; "auto" = that of the settings, else the best available.
        weights: a file with the photo encoder's weights.
        progress: called with each update of `listing_vibes.progress`, or True for lines (and a bar, in a terminal) on stderr.
        settings: single keys that replace those of `config`: `preset`, `seed`, `history`, `training={"max_steps": 100}`, ...

    Raises:
        VibesError: there are no training events, a setting is invalid, `run` has a finished run, or nothing to resume.
    """
    path, several = None if run is None else Path(run), not isinstance(market, Market | Path | str)
    sources = [market] if isinstance(market, Market | Path | str) else list(market)
    markets = [item if isinstance(item, Market) else Market.open(item) for item in sources]
    source, named = (None if item is None else _path(item) for item in (refit, start))
    if not markets:
        raise VibesError("There is no market to train on; name one or several.")
    if len(markets) > 1 and (source or named) is not None:
        option = "--refit" if named is None else "--init-from"
        raise VibesError(f"Option {option} is for one market, not for {len(markets)}; name one.")
    if not isinstance(encoder, str):
        raise VibesError(
            f"Option encoder names the photo encoder, and is {encoder!r}; sizes of the model go in config={{'encoder': ...}}."
        )
    if everything and source is None:
        raise VibesError(
            "Option --everything goes with --refit RUN (everything=True with refit=RUN), which says how long to train."
        )
    if path is None and (resume or several):
        what = "resume=True" if resume else "Training on several markets"
        raise VibesError(f"{what} needs a folder; give one as the second argument.")
    repeated = source or (path / ".training" if resume and path is not None else None)
    before = _manifest(repeated)
    first = _warm_start(named, repeated, before)
    chosen: Settings
    if source is not None:
        for name, value in {"config": config, "protocol": protocol, **settings}.items():
            if value is not None:
                raise VibesError(f"Option --refit takes all settings from {source}; leave out {name}.")
        chosen = refit_settings(source, markets[0], everything)
    else:
        chosen = Settings.of(config, **settings)
        chosen = Settings.of(chosen, split=None if protocol is None else {"protocol": protocol})
        if first is not None and not resume:
            chosen = first.settings(chosen, markets[0])
    if encoder == AUTO:
        encoder = _photo_encoder(chosen, source is not None, first, before)
    file = Path(weights) if weights else None
    with shown(progress) as report:
        with launched().main_process_first():  # One process embeds photos, and the others use its cache.
            photos = [
                market_photos(item, encoder, file, report) if chosen.features.photos else None
                for item in markets
            ]
        for item, vectors in zip(markets, photos, strict=True):
            report_broken_photos(item.path, vectors, report)
        if path is None:
            return train_in_memory(markets[0], chosen, photos[0], report, source, first)
        train_markets(markets, path, chosen, photos, resume, report, source, first)
    launched().wait_for_everyone()  # With several processes, one writes the run.
    folders = [path] if len(markets) == 1 else [path / MARKETS / name for name in folder_names(markets)]
    runs = [Run.open(folder, item) for folder, item in zip(folders, markets, strict=True)]
    return runs if several else runs[0]


def _path(run: Run | Path | str) -> Path:
    return run.path if isinstance(run, Run) else Path(run)


def _warm_start(start: Path | None, repeated: Path | None, before: Manifest | None) -> WarmStart | None:
    """Return the run of the warm start: the named one, or that of the training that is resumed or `repeated`, with its manifest."""
    named = None if start is None else named_model(start)
    if before is None:
        return None if named is None else WarmStart.load(named)
    run = Path(before.carried.run) if before.carried is not None and before.started else None
    if named is not None and named.resolve() != run:
        raise VibesError(f"The training of {repeated} began from {run or 'scratch'}; leave out --init-from.")
    if before.carried is None or run is None:
        return None
    first = WarmStart.load(run)
    if first.digest != before.carried.weights:
        raise VibesError(
            f"{run}, from which the training of {repeated} began, has another model now; train again --init-from it."
        )
    return first


def _photo_encoder(
    settings: Settings, is_refit: bool, first: WarmStart | None, before: Manifest | None
) -> str:
    """Return the photo encoder of the run to refit, of the warm start, of an interrupted training, or of the settings."""
    if is_refit and before is not None:
        # Stages that the run trained start again from their encoder.
        return LITE0 if is_trained(before.photo_encoder) else before.photo_encoder or AUTO
    if first is not None and first.manifest.photo_encoder:
        return first.manifest.photo_encoder
    stored = "" if before is None else before.photo_encoder
    return stored or settings.features.photo_encoder or AUTO


def _manifest(run: Path | None) -> Manifest | None:
    """Return the manifest of a run or of an interrupted training; None if there is none."""
    if run is None or not (run / "run.toml").is_file():
        return None
    with reading(run) as folder:
        return Manifest.load(folder)


def refit_settings(run: Path, market: Market, everything: bool = False) -> Resolved:
    """Return the settings to train on `market` as `run` was trained, for the number of steps of its weights, without validation.

    The validation events of `run` are also training events, so that the model knows the market until the start of the test; with
    `everything` those of the test are too, and only future events can test the result.

    Raises:
        VibesError: `run` has no model, does not record its number of steps, cannot be trained again, or is over another market.
    """
    with reading(run) as folder:
        manifest = Manifest.load(folder)
    settings, training = manifest.settings, manifest.settings.training
    if not manifest.trained_on:
        raise VibesError(f"{run} has no model, so there is nothing to refit; name a run of `vibes train`.")
    if settings.split.protocol != "temporal" or settings.split.t2 is None:
        raise VibesError(
            f"{run} was trained for the protocol {settings.split.protocol}, which has no end of training in time; refit a "
            "run of the protocol temporal."
        )
    if training.recipe != "single-stage":
        raise VibesError(
            f"{run} was trained in two stages, and validation chose where the first one ended; refit a run of the "
            "recipe single-stage."
        )
    if not manifest.steps:
        raise VibesError(
            f"{run} records no number of training steps, or none was better than the model that it began from, so there is none to "
            "repeat; train it again, or go on with it as it is."
        )
    if is_other_market(run, market):
        raise VibesError(
            f"{run} is of another market, {manifest.market_name}, of which {market.path} has no listing, so there is nothing to "
            f"refit; give that market, or begin from the model with --init-from {run}."
        )
    until = settings.split.t2
    if everything:
        log = EventLog.from_market(market)
        until = int(log.time.max()) + 1 if len(log) else until
    training = training.model_copy(
        update={"recency_days": training.recent_days, "stop_after": manifest.steps}
    )
    split = ResolvedSplit(protocol="temporal", t1=until, t2=until)
    update = {"split": split, "training": training, "blend": settings.blend}
    return settings.model_copy(update=update | {"positions": None})  # The market may have other columns now.
