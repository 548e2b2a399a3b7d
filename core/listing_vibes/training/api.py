"""A training as `vibes train` and `listing_vibes.train` start it: settings, photos, one training, a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, overload

from listing_vibes.errors import VibesError
from listing_vibes.features.photos.market_photos import market_photos
from listing_vibes.features.photos.vectors import report_broken_photos
from listing_vibes.market.market import Market
from listing_vibes.model.settings import Settings
from listing_vibes.progress import Report, shown, silent
from listing_vibes.run.manifest import Manifest, named_model
from listing_vibes.run.run import Run
from listing_vibes.run.transfer import MARKETS
from listing_vibes.run.versions import reading
from listing_vibes.training.checkpoints import TrainingState
from listing_vibes.training.distributed import launched
from listing_vibes.training.multi_market import folder_names
from listing_vibes.training.refit import refit_encoder, refit_settings
from listing_vibes.training.train import train as train_markets
from listing_vibes.training.warm_start import WarmStart

AUTO = "auto"

MarketLike = Market | Path | str
SettingsLike = Settings | Mapping[str, Any] | Path | str | None


@overload
def train(market: MarketLike, run: Path | str, config: SettingsLike = None, **more: Any) -> Run: ...


@overload
def train(
    market: Sequence[MarketLike], run: Path | str, config: SettingsLike = None, **more: Any
) -> list[Run]: ...


def train(
    market: MarketLike | Sequence[MarketLike],
    run: Path | str,
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
    """Train a model on a market, embed its listings, and open the run: what `vibes train` does.

    With a list of markets it trains one model on all, and returns a run over each.

    >>> run = train(market, folder / "another", preset="tiny", training={"max_steps": 20})
    >>> run.spaces
    ['model', 'attributes']

    Args:
        market: a market, or its folder; or a list of several.
        run: the folder to write; a finished run is never overwritten. Of several markets it holds the model, and in `markets` a
            run over each.
        config: `Settings`, a mapping with some of their keys, or a TOML file.
        protocol: "temporal" (the default where events have timestamps) or "leave-one-out".
        resume: continue an interrupted training.
        start: a run for a warm start, with its settings and vocabulary: of the same market a month before, or of another one.
            The training is then shorter.
        refit: a run to train again with its settings, number of steps and photo encoder, also on its validation events; with
            `everything` also on its test events.
        encoder: the photo encoder: a timm name, "vae", several as "a+b"; "auto" = that of the settings, else the best available.
        weights: a file with the photo encoder's weights.
        progress: called with each update of `listing_vibes.progress`, or True for lines (and a bar, in a terminal) on stderr.
        settings: single keys that replace those of `config`: `preset`, `seed`, `history`, `training={"max_steps": 100}`, ...

    Raises:
        VibesError: there are no training events, a setting is invalid, `run` has a finished run, or nothing to resume.
    """
    path, several = Path(run), not isinstance(market, Market | Path | str)
    given = [market] if isinstance(market, Market | Path | str) else list(market)
    opened = [item if isinstance(item, Market) else Market.open(item) for item in given]
    source, first = (item.path if isinstance(item, Run) else item for item in (refit, start))
    with shown(progress) as report:
        begin(opened, path, config, settings, protocol, resume, source, everything, encoder, weights, report, first)  # fmt: skip
    launched().wait_for_everyone()  # With several processes, one writes the run.
    runs = [Run.open(folder, item) for folder, item in zip(run_folders(path, opened), opened, strict=True)]
    return runs if several else runs[0]


def run_folders(run: Path, markets: Sequence[Market]) -> list[Path]:
    """Return the folders of the runs over each of `markets` after a training."""
    return [run] if len(markets) == 1 else [run / MARKETS / name for name in folder_names(markets)]


def begin(
    markets: Sequence[Market],
    run: Path,
    config: SettingsLike,
    changes: Mapping[str, Any],
    protocol: str | None = None,
    resume: bool = False,
    refit: Path | str | None = None,
    everything: bool = False,
    encoder: str = AUTO,
    weights: Path | str | None = None,
    report: Report = silent,
    start: Path | str | None = None,
) -> TrainingState:
    """Train as `train` does, which describes each argument; return the position of the training at its end.

    Raises:
        VibesError: see `train`.
    """
    if not markets:
        raise VibesError("There is no market to train on; name one or several.")
    if len(markets) > 1 and (refit or start) is not None:
        option = "--refit" if start is None else "--init-from"
        raise VibesError(f"Option {option} is for one market, not for {len(markets)}; name one.")
    if not isinstance(encoder, str):
        raise VibesError(
            f"Option encoder names the photo encoder, and is {encoder!r}; sizes of the model go in config={{'encoder': ...}}."
        )
    unfinished = run / ".training" if resume else None
    settings: Settings
    if refit is None:
        if everything:
            raise VibesError(
                "Option --everything goes with --refit RUN (everything=True with refit=RUN), which says how long to train."
            )
        settings = Settings.of(config, **changes)
        if protocol is not None:
            settings = Settings.of(settings, split={"protocol": protocol})
        first = _warm_start(start, unfinished)
        if first is not None and not resume:
            settings = first.settings(settings, markets[0])
    else:
        for name, value in {"config": config, "protocol": protocol, **changes}.items():
            if value is not None:
                raise VibesError(f"Option --refit takes all settings from {refit}; leave out {name}.")
        settings = refit_settings(Path(refit), markets[0], everything)
        encoder = refit_encoder(Path(refit)) if encoder == AUTO else encoder
        first = _warm_start(start, Path(refit))
        if first is not None:
            first.check(settings)
    if encoder == AUTO:
        encoder = _photo_encoder(settings, first, unfinished)
    file = Path(weights) if weights else None
    with launched().main_process_first():  # One process embeds photos, and the others use its cache.
        photos = [
            market_photos(market, encoder, file, report) if settings.features.photo_tokens else None
            for market in markets
        ]
    for market, vectors in zip(markets, photos, strict=True):
        report_broken_photos(market.path, vectors, report)
    source = None if refit is None else Path(refit)
    return train_markets(markets, run, settings, photos, resume, report, source, first)


def _warm_start(start: Path | str | None, repeated: Path | None) -> WarmStart | None:
    """Return the run of the warm start: the named one, or that of the training that is resumed or `repeated`.

    Raises:
        VibesError: the two differ, or the run has another model now.
    """
    before = None
    if repeated is not None and (repeated / "run.toml").is_file():
        with reading(repeated) as folder:
            manifest = Manifest.load(folder)
        before = manifest.carried if manifest.started else None
        if before is None and start is not None:
            raise VibesError(f"The training of {repeated} started from scratch; leave out --init-from.")
    if before is None:
        return None if start is None else WarmStart.load(named_model(start))
    if start is not None and named_model(start).resolve() != Path(before.run):
        raise VibesError(
            f"The training of {repeated} began from {before.run}, not {start}; leave out --init-from."
        )
    first = WarmStart.load(Path(before.run))
    if first.digest != before.weights:
        raise VibesError(
            f"{before.run}, from which the training of {repeated} began, has another model now; train again --init-from it."
        )
    return first


def _photo_encoder(settings: Settings, first: WarmStart | None, unfinished: Path | None) -> str:
    """Return the photo encoder of the warm start, of an interrupted training, or of the settings."""
    if first is not None and first.manifest.photo_encoder:
        return first.manifest.photo_encoder
    if unfinished is not None and (unfinished / "run.toml").is_file():
        return Manifest.load(unfinished).photo_encoder or AUTO
    return "+".join(settings.features.photo_encoders) or AUTO
