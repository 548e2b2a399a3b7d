"""One training on several markets: how often each is drawn, who they are, and a run over each."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from listing_vibes.errors import VibesError
from listing_vibes.features.featurizer import Featurizer
from listing_vibes.features.market_summary import MarketSummary, save_summaries
from listing_vibes.features.photos.vectors import PhotoVectors
from listing_vibes.features.tokens.vocabulary import Vocabulary
from listing_vibes.market.durable import copy_file
from listing_vibes.market.market import Market
from listing_vibes.model.settings import Settings
from listing_vibes.progress import Report, Stage
from listing_vibes.run.contents import seal
from listing_vibes.run.manifest import KnownMarket, Manifest
from listing_vibes.run.spaces import MODEL, embed_market
from listing_vibes.run.transfer import MARKETS
from listing_vibes.run.versions import forget
from listing_vibes.training.data import TrainingData


@dataclass(frozen=True, eq=False)
class Mix:
    """How often each of several markets is drawn in an epoch, compared with its size."""

    market: np.ndarray  # (L,) of each listing
    weight: np.ndarray  # (M,)
    buckets: Sequence[
        tuple[int, int]
    ] = ()  # first id and number of the buckets of each attribute that has some

    @classmethod
    def of(cls, market: np.ndarray, listings: np.ndarray, power: float) -> Mix:
        """Weight markets by size ** `power`; the size of a market is how many of `listings` (n,), those of all examples, it has."""
        size = np.bincount(market[listings], minlength=int(market.max(initial=0)) + 1).astype(float)
        share = np.where(size > 0, np.maximum(size, 1) ** power, 0)
        return cls(market, share / max(share.sum(), 1e-12) * size.sum() / np.maximum(size, 1))

    def draw(self, rows: np.ndarray, listings: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Return about as many of `rows` (n,), which stand for `listings` (n,), some several times and some not at all."""
        weight = self.weight[self.market[listings]]
        times = np.floor(weight) + (rng.random(len(rows)) < weight % 1)
        return rng.permutation(np.repeat(rows, times.astype(int)))

    def shares(self, listings: np.ndarray) -> np.ndarray:
        """Return (n,) how likely each of the examples that stand for `listings` (n,) is drawn; they sum to 1."""
        weight = self.weight[self.market[listings]]
        return np.asarray(weight / weight.sum())

    def same(self, examples: np.ndarray, listings: np.ndarray) -> np.ndarray:
        """Return (E, C) bool: which `listings` (C,) are of the market of each example, for which the listings `examples` (E,) stand."""
        return self.market[examples][:, None] == self.market[listings][None, :]

    def size(self, examples: np.ndarray, listings: np.ndarray) -> float:
        """Return how many of `listings` (n,) the markets of the listings `examples` (E,) have, on average."""
        size = np.bincount(self.market[listings], minlength=len(self.weight))
        return float(size[self.market[examples]].mean())


def buckets_of(vocabulary: Vocabulary) -> list[tuple[int, int]]:
    """Return the first id and the number of the buckets of each attribute that has some."""
    return [
        (entry.first + len(entry.values), entry.buckets) for entry in vocabulary.attributes if entry.buckets
    ]


def check_markets(markets: Sequence[Market], settings: Settings) -> None:
    """Check that several markets can be trained on together.

    Raises:
        VibesError: one of them is named twice, or a setting goes with one market alone.
    """
    for number, market in enumerate(markets):
        if market.path.resolve() in [other.path.resolve() for other in markets[:number]]:
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
    """Return the fingerprint of one market, or one over those of all."""
    prints = [market.fingerprint for market in markets]
    return prints[0] if len(prints) == 1 else hashlib.sha256("".join(prints).encode()).hexdigest()


def known_markets(markets: Sequence[Market], parts: Sequence[TrainingData]) -> list[KnownMarket]:
    """Return what `run.toml` says of each."""
    return [
        KnownMarket(
            name=market.name,
            path=str(market.path.resolve()),
            fingerprint=market.fingerprint,
            t1=part.split.t1,
            t2=part.split.t2,
        )
        for market, part in zip(markets, parts, strict=True)
    ]


def write_runs(
    run: Path,
    markets: Sequence[Market],
    photos: Sequence[PhotoVectors | None],
    featurizer: Featurizer,
    manifest: Manifest,
    seen: Sequence[MarketSummary],
    report: Report,
) -> None:
    """Make the weights in `run` a run folder: a run over each market first, `run.toml` last; `seen` summarizes each market."""
    model, runs = run / ".training" / "model", run / MARKETS
    for folder in (model, runs):
        shutil.rmtree(folder, ignore_errors=True)
    model.mkdir()
    copy_file(run / MODEL[0], model / MODEL[0])
    for folder in (model, run):
        featurizer.save(folder)
        save_summaries(folder, seen)
    seal(model, manifest)
    for market, vectors, name in zip(markets, photos, folder_names(markets), strict=True):
        report(Stage(f"embedding {name}"))
        embed_market(market, runs / name, vectors, model, report)
    forget(run)
    seal(run, manifest)


def folder_names(markets: Sequence[Market]) -> list[str]:
    """Return a name for the run over each: that of its market's folder, with a number where two are called alike."""
    names: list[str] = []
    for market in markets:
        name = own = market.path.resolve().name
        number = len(names)
        while name in names:  # "oslo-3" may itself be what a market is called
            number += 1
            name = f"{own}-{number}"
        names.append(name)
    return names
