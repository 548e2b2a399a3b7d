"""A training as it is asked for, by `vibes train` and by `listing_vibes.train`: settings, photos, one training, a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, overload

from listing_vibes.errors import VibesError
from listing_vibes.features.photos.market_photos import market_photos
from listing_vibes.features.photos.vectors import tell_broken
from listing_vibes.market.market import Market
from listing_vibes.model.settings import Settings
from listing_vibes.progress import Report, shown, silent
from listing_vibes.run.manifest import Manifest
from listing_vibes.run.named import named_model
from listing_vibes.run.run import Run
from listing_vibes.run.transfer import MARKETS
from listing_vibes.run.versions import reading
from listing_vibes.training.beginning import Beginning
from listing_vibes.training.many import folder_names
from listing_vibes.training.processes import launched
from listing_vibes.training.refit import refit_encoder, refit_settings
from listing_vibes.training.state import TrainingState
from listing_vibes.training.train import train as train_once

AUTO = "auto"


AMarket = Market | Path | str


@overload
def train(
    market: AMarket,
    run: Path | str,
    config: Settings | Mapping[str, Any] | Path | str | None = None,
    **more: Any,
) -> Run: ...


@overload
def train(
    market: Sequence[AMarket],
    run: Path | str,
    config: Settings | Mapping[str, Any] | Path | str | None = None,
    **more: Any,
) -> list[Run]: ...


def train(
    market: AMarket | Sequence[AMarket],
    run: Path | str,
    config: Settings | Mapping[str, Any] | Path | str | None = None,
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

    Of a list of markets it trains one model on all, and opens a run over each.

    >>> run = train(market, folder / "another", preset="tiny", training={"max_steps": 20})
    >>> run.spaces
    ['model', 'attributes']

    Args:
        market: a market, or its folder; or a list of several.
        run: the folder to write; a finished run is never overwritten. Of several markets it holds the model, and in `markets` a
            run over each.
        config: settings, whole or by their keys, or a TOML file with them.
        protocol: "temporal" (the default where events have timestamps) or "leave-one-out".
        resume: go on with a training that was interrupted.
        start: a run whose model the training begins from, settings and vocabulary included: of the same market a month before,
            or of another one. It is shorter than one from nothing.
        refit: a run whose settings, number of steps and photo encoder are taken, to train on what it was validated on as
            well; with `everything` on what it was tested on, too.
        encoder: of the photos: a timm name, "vae", several as "a+b"; "auto" = that of the settings, else the best at hand.
        weights: a file with the photo encoder's weights.
        progress: called with each update of `listing_vibes.progress`, or True for lines (and a bar, in a terminal) on stderr.
        settings: replace single keys of `config`: `preset`, `seed`, `history`, `training={"max_steps": 100}`, ...

    Raises:
        VibesError: nothing to train on, a setting that is none, a finished run in the way, or nothing to resume.
    """
    path, many = Path(run), not isinstance(market, Market | Path | str)
    given = [market] if isinstance(market, Market | Path | str) else list(market)
    opened = [one if isinstance(one, Market) else Market.open(one) for one in given]
    source, beginning = (one.path if isinstance(one, Run) else one for one in (refit, start))
    with shown(progress) as report:
        begin(
            opened, path, config, settings, protocol, resume, source, everything, encoder, weights, report, beginning
        )  # fmt: skip
    launched().wait_for_everyone()  # where several processes train, one has written the run
    found = [Run.open(folder, one) for folder, one in zip(run_folders(path, opened), opened, strict=True)]
    return found if many else found[0]


def run_folders(run: Path, markets: Sequence[Market]) -> list[Path]:
    """Where a training on `markets` leaves a run over each."""
    return [run] if len(markets) == 1 else [run / MARKETS / name for name in folder_names(markets)]


def begin(
    markets: Sequence[Market],
    run: Path,
    config: Settings | Mapping[str, Any] | Path | str | None,
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
    """The training of `train`, which says more of each argument; gives where it ended.

    Raises:
        VibesError: what `train` refuses.
    """
    if not markets:
        raise VibesError("There is no market to train on; name one, or several.")
    if len(markets) > 1 and (refit or start) is not None:
        option = "--refit" if start is None else "--init-from"
        raise VibesError(f"Option {option} goes with one market, not with {len(markets)}; name one.")
    if refit is None:
        if everything:
            raise VibesError(
                "Option --everything goes with --refit RUN (everything=True with refit=RUN), which says how long to train."
            )
        settings = Settings.of(config, **changes)
        if protocol is not None:
            settings = Settings.of(settings, split={"protocol": protocol})
        begun = _beginning(start, run / ".training" if resume else None)
        settings = settings if begun is None or resume else begun.settings(settings, markets[0])
    else:
        for name, value in {"config": config, "protocol": protocol, **changes}.items():
            if value is not None:
                raise VibesError(f"Option --refit takes all settings from {refit}; leave out {name}.")
        settings = refit_settings(Path(refit), markets[0], everything)
        encoder = refit_encoder(Path(refit)) if encoder == AUTO else encoder
        begun = _beginning(start, Path(refit))
        if begun is not None:
            begun.check(settings)
    if not isinstance(encoder, str):
        raise VibesError(
            f"Option encoder names the photo encoder, and is {encoder!r}; sizes of the model go in config={{'encoder': ...}}."
        )
    if encoder == AUTO and begun is not None:
        encoder = begun.manifest.photo_encoder or AUTO
    if encoder == AUTO:
        encoder = _encoder_of(settings, run / ".training" if resume else None)
    file = Path(weights) if weights else None
    told = settings.features.photo_tokens
    with launched().main_process_first():  # of several processes one embeds, and the others find the vectors
        photos = [market_photos(market, encoder, file, report) if told else None for market in markets]
    for market, vectors in zip(markets, photos, strict=True):
        tell_broken(market.path, vectors, report)
    repeats = None if refit is None else Path(refit)
    return train_once(markets, run, settings, photos, resume, report, repeats, begun)


def _beginning(start: Path | str | None, repeated: Path | None) -> Beginning | None:
    """The run to begin from: the one that is named, or the one that a training which goes on or is `repeated` began from.

    Raises:
        VibesError: the two differ, or it has another model now.
    """
    before = None
    if repeated is not None and (repeated / "run.toml").is_file():
        with reading(repeated) as folder:
            manifest = Manifest.load(folder)
        before = manifest.carried if manifest.started else None
        if before is None and start is not None:
            raise VibesError(f"The training of {repeated} began from nothing; leave out --init-from.")
    if before is None:
        return None if start is None else Beginning.of(named_model(start))
    if start is not None and named_model(start).resolve() != Path(before.run):
        raise VibesError(
            f"The training of {repeated} began from {before.run}, not {start}; leave out --init-from."
        )
    begun = Beginning.of(Path(before.run))
    if begun.digest != before.weights:
        raise VibesError(
            f"{before.run}, from which the training of {repeated} began, has another model now; train anew --init-from it."
        )
    return begun


def _encoder_of(settings: Settings, unfinished: Path | None) -> str:
    """The photo encoder that the settings name, or that an interrupted training had."""
    if unfinished is not None and (unfinished / "run.toml").is_file():
        return Manifest.load(unfinished).photo_encoder or AUTO
    return "+".join(settings.features.photo_encoders) or AUTO
