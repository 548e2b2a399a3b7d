"""What a training on several markets has beside one on a single market: who they are, how all are validated, a run over each."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from listing_vibes.errors import VibesError
from listing_vibes.features.featurizer import Featurizer
from listing_vibes.features.photos.vectors import PhotoVectors
from listing_vibes.features.seen import SeenMarket, save_seen
from listing_vibes.market.durable import copy_file
from listing_vibes.market.market import Market
from listing_vibes.model.listing_model import ListingModel
from listing_vibes.model.settings import Resolved
from listing_vibes.progress import Report, Stage
from listing_vibes.run.contents import seal
from listing_vibes.run.manifest import KnownMarket, Manifest
from listing_vibes.run.spaces import MODEL, embed_market
from listing_vibes.run.transfer import MARKETS
from listing_vibes.run.versions import forget
from listing_vibes.training.finetune import Validate
from listing_vibes.training.ground import Ground


def check_many(markets: Sequence[Market], settings: Resolved) -> None:
    """Raises:
    VibesError: one of them stands there twice, or a setting goes with one market alone.
    """
    for number, market in enumerate(markets):
        if market.path.resolve() in [one.path.resolve() for one in markets[:number]]:
            raise VibesError(f"{market.path} is there twice; name each market once.")
    if settings.training.recent_days:
        raise VibesError(
            f"training.recency_days = {settings.training.recent_days} counts what was recent in one market; leave it out for several."
        )
    if settings.features.photo_train_blocks:
        raise VibesError(
            "features.photo_train_blocks trains a photo encoder for one market; set it to 0 for several."
        )


def fingerprint_of(markets: Sequence[Market]) -> str:
    """The fingerprint of one market, or one over those of all."""
    prints = [market.fingerprint for market in markets]
    return prints[0] if len(prints) == 1 else hashlib.sha256("".join(prints).encode()).hexdigest()


def market_of(markets: Sequence[Market]) -> np.ndarray:
    """(L,) the number of the market of each listing, market after market."""
    return np.repeat(np.arange(len(markets)), [len(market.listings) for market in markets])


def known_markets(markets: Sequence[Market], grounds: Sequence[Ground]) -> list[KnownMarket]:
    """What `run.toml` tells of each."""
    return [
        KnownMarket(
            name=market.name,
            path=str(market.path.resolve()),
            fingerprint=market.fingerprint,
            t1=ground.split.t1,
            t2=ground.split.t2,
        )
        for market, ground in zip(markets, grounds, strict=True)
    ]


def validation_of_all(parts: Sequence[Validate | None]) -> Validate | None:
    """The mean over the markets that have something to validate on; None where none has."""
    some = [one for one in parts if one is not None]
    if not some:
        return None

    def validate(model: ListingModel) -> tuple[float, float]:
        hard, smooth = np.mean([one(model) for one in some], axis=0)
        return float(hard), float(smooth)

    return validate


def finish_many(
    run: Path,
    markets: Sequence[Market],
    photos: Sequence[PhotoVectors | None],
    featurizer: Featurizer,
    manifest: Manifest,
    seen: Sequence[SeenMarket],
    report: Report,
) -> None:
    """From the weights in `run` to a whole run folder: a run over each market first, `run.toml` last; `seen` is what each is."""
    work = run / ".training"
    model, runs = work / "model", run / MARKETS
    for folder in (model, runs):
        shutil.rmtree(folder, ignore_errors=True)
    model.mkdir()
    copy_file(run / MODEL[0], model / MODEL[0])
    featurizer.save(model)
    save_seen(model, seen)
    seal(model, manifest)
    for market, shown, name in zip(markets, photos, folder_names(markets), strict=True):
        report(Stage(f"embedding {name}"))
        embed_market(market, runs / name, shown, model, report)
    featurizer.save(run)
    save_seen(run, seen)
    forget(run)
    seal(run, manifest)
    shutil.rmtree(work)


def folder_names(markets: Sequence[Market]) -> list[str]:
    """A name for the run over each: that of its market's folder, with a number where two are called alike."""
    names: list[str] = []
    for market in markets:
        name = own = market.path.resolve().name
        number = len(names)
        while name in names:  # "oslo-3" may itself be what a market is called
            number += 1
            name = f"{own}-{number}"
        names.append(name)
    return names
