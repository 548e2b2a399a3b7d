"""Distribution shift: coverage of a market by a model, and the distance to its training markets, without encoding listings."""

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np
import pandas as pd

from listing_vibes.errors import VibesError
from listing_vibes.features.featurizer import Featurizer
from listing_vibes.features.market_summary import (
    MarketSummary,
    PhotoSpread,
    TransferReport,
    load_summaries,
    value_coverage,
    view_market,
)
from listing_vibes.features.photos.photo_vectors import load_photo_vectors
from listing_vibes.features.several_markets import rank_name
from listing_vibes.market.documents import Forbidding
from listing_vibes.market.market import Market
from listing_vibes.run.manifest import Manifest, check_loaded, named_model
from listing_vibes.run.run import Run
from listing_vibes.run.versions import reading
from listing_vibes.words import render_table


class AttributeShift(Forbidding):
    """Coverage of an attribute of the market by a model; None if it cannot be measured."""

    name: str
    known: bool
    values_known: float | None = None  # share of the values that are not missing
    shift: float | None = None  # total variation distance from the nearest training market, 0 to 1


class MarketShift(Forbidding):
    """Shift of a market from the training markets of a model."""

    market: str
    run: str
    sentence: str  # the coverage in words, see `listing_vibes.features.market_summary`
    nearest: str | None  # the nearest training market; None if the run has no record
    shift: float | None  # mean over attributes with a shift
    attributes_known: float
    values_known: float | None
    attributes: list[AttributeShift]
    photo_shift: float | None  # Fréchet distance as a share of the variance of the training photos

    def to_text(self) -> str:
        """Return the text of `vibes check --model`."""
        neighbors = "The run has no record of its training markets; train it again with this version."
        if self.nearest is not None:
            neighbors = f"Nearest known market: {self.nearest} ({_percent(self.shift)} of the values would have to move)."
        lines = [
            f"The model of {self.run} {self.sentence}.",
            neighbors,
            f"Values known: {_percent(self.values_known)}.",
        ]
        if self.photo_shift is not None:
            lines.append(f"Photos: {_percent(self.photo_shift)} of the spread of the photos it knows away.")
        rows = [
            {
                "attribute": attribute.name,
                "known": "yes" if attribute.known else "no",
                "values known": _percent(attribute.values_known),
                "shift": _percent(attribute.shift),
            }
            for attribute in self.attributes
        ]
        return "\n".join([*lines, "", render_table(pd.DataFrame(rows))])


def measure_shift(market: Market | Path | str, model: Run | Path | str) -> MarketShift:
    """Measure the coverage of a market by the model of a run, and the shift from its training markets.

    >>> measure_shift(market, run).attributes_known
    1.0

    Args:
        market: a market, or its folder.
        model: a run, its folder, or the name of a model that ships.

    Raises:
        VibesError: the run has no model, or the market shares no attribute with it or has one of another type.
    """
    opened = market if isinstance(market, Market) else Market.open(market)
    path = model.path if isinstance(model, Run) else named_model(model)
    with reading(path) as folder:
        manifest = Manifest.load(folder)
        if not manifest.trained_on:
            raise VibesError(f"{path} has no trained model; name a run of `vibes train`.")
        check_loaded(folder, "vocabulary.json", "features.safetensors", "seen.json")
        featurizer, seen = Featurizer.load(folder), load_summaries(folder)
    origin = manifest.carried if manifest.carried and not manifest.carried.learned else None
    name = origin.market_name if origin else manifest.market_name
    transfer_report = TransferReport.of(opened, featurizer, Path(origin.run) if origin else path, name)
    described = view_market(featurizer, opened)
    neighbors, distances = nearest_market(seen, described)
    available = value_coverage(featurizer, described)
    photos = None
    if featurizer.photo is not None and len(opened.photos):
        with suppress(VibesError):  # without embedded photos there is no photo shift
            photos = load_photo_vectors(opened.path, opened.photos, featurizer.photo_encoder)
    spread = PhotoSpread.of(featurizer, photos)
    states = {manifest.trained_on, *(market.fingerprint for market in manifest.markets or ())}
    # The folders of two markets may share a name; a name in market.toml is meant.
    is_learned = opened.fingerprint in states or opened.config.name in {market.name for market in seen}
    attributes = [
        AttributeShift(
            name=name,
            known=name in transfer_report.known,
            values_known=available.get(name, available.get(rank_name(name))),
            shift=distances.get(name, distances.get(rank_name(name))),
        )
        for name in (*transfer_report.known, *transfer_report.new)
    ]
    return MarketShift(
        market=opened.name,
        run=str(path if isinstance(model, Run) else model),
        sentence="was trained on this market and " * is_learned + transfer_report.sentence,
        nearest=neighbors.name if neighbors else None,
        shift=float(np.mean([*distances.values()])) if distances else None,
        attributes_known=len(transfer_report.known) / max(1, len(attributes)),
        values_known=float(np.mean([*available.values()])) if available else None,
        attributes=attributes,
        photo_shift=neighbors.photos.distance(spread) if neighbors and neighbors.photos and spread else None,
    )


def nearest_market(
    seen: Sequence[MarketSummary], market: Market
) -> tuple[MarketSummary | None, dict[str, float]]:
    """Return the nearest training market of a market, and its distances by attribute.

    An attribute that the training market lacks counts as a distance of 1.
    """

    def mean_distance(candidate: tuple[MarketSummary, dict[str, float]]) -> float:
        names = [attribute.name for attribute in market.attributes]
        return float(np.mean([candidate[1].get(name, 1.0) for name in names] or [1.0]))

    candidates = ((available, available.distances(market)) for available in seen)
    return min(candidates, key=mean_distance, default=(None, {}))


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{value:.0%}"
