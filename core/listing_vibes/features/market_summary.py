"""Summaries of training markets (shares of values, quantiles, photo statistics; no rows and no rare values), and coverage: the share
of a market's values that a model has learned, with what a model knows of another market, as a sentence and in `run.toml`.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd
from pydantic import Field

from listing_vibes.errors import VibesError
from listing_vibes.features.several_markets import rank_name
from listing_vibes.market.attribute_types import Attribute, AttributeVocabulary, type_of
from listing_vibes.market.columns import Columns as C
from listing_vibes.market.documents import Forbidding, read_json, write_json
from listing_vibes.market.market import Market

if TYPE_CHECKING:
    from listing_vibes.features.featurizer import Featurizer
    from listing_vibes.features.photos.photo_vectors import PhotoVectors

SUMMARIES_FILE = "seen.json"
#: Quantile bins of a number; the most values of a category, a set or a text; the least listings of a value, and their share.
BINS, MOST_VALUES, LEAST_LISTINGS, LEAST_SHARE = 10, 100, 5, 0.01
#: Principal components of the photo vectors, and the size of the photo sample.
COMPONENTS, PHOTOS = 32, 5000
#: The most names in a sentence; of more it gives the number.
MOST_NAMES = 6


class AttributeSpread(Forbidding, allow_inf_nan=False):
    """The distribution of one attribute's values; `entry` defines the values of `shares`."""

    entry: AttributeVocabulary
    shares: list[float]  # of the values in `entry`; the rest to 1 is other values
    missing: float  # share of listings

    @classmethod
    def of(
        cls, name: str, kind: str, listings: pd.DataFrame, vocabulary: AttributeVocabulary
    ) -> AttributeSpread:
        """Return the distribution of the attribute `name` of `listings`; only values in the model's `vocabulary` are stored."""
        least = max(LEAST_LISTINGS, round(LEAST_SHARE * len(listings)))
        entry = type_of(kind).fit(listings, name, BINS, least)
        known_values = set(vocabulary.values)
        values = [value for value in entry.values if value in known_values][:MOST_VALUES]
        small = {"values": values, "buckets": 0, "grids": entry.grids[:1], "first": 1}
        return cls.by(entry.model_copy(update=small), listings)

    @classmethod
    def by(cls, entry: AttributeVocabulary, listings: pd.DataFrame) -> AttributeSpread:
        """Return the distribution of `listings` over the values, bins or cells of `entry`."""
        kind, counts = type_of(entry.kind), np.zeros(entry.size)
        single, is_missing = 0, kind.missing(listings, entry.name)
        for tokens in kind.tokenize(entry, listings):
            ids = tokens.ids
            ids = ids[(ids >= 1) & (ids <= entry.size)]
            counts += np.bincount(ids - 1, minlength=entry.size)
            single += tokens.sets is None
        full = max(1.0, float((~is_missing).sum()) if single else counts.sum())
        return cls(entry=entry, shares=(counts / full).round(6).tolist(), missing=float(is_missing.mean()))

    @property
    def distribution(self) -> np.ndarray:
        """(n + 2,) with a sum of 1: the shares of the values, of other values, and of missing values among all listings."""
        shares = np.array([*self.shares, max(0.0, 1 - sum(self.shares))]) * (1 - self.missing)
        return np.append(shares, self.missing)

    @property
    def has_values(self) -> bool:
        """Whether any values are stored; rare ones (`host_id`) are not, so that listings cannot be compared by them."""
        return bool(self.shares) or self.missing == 1

    def distance(self, listings: pd.DataFrame) -> float:
        """Return the total variation in [0, 1] between this and the distribution of `listings`."""
        return float(
            0.5 * np.abs(self.distribution - AttributeSpread.by(self.entry, listings).distribution).sum()
        )


class PhotoSpread(Forbidding, allow_inf_nan=False):
    """Mean and standard deviation of the first principal components of the photo vectors."""

    mean: list[float]
    deviation: list[float]

    @classmethod
    def of(cls, featurizer: Featurizer, photos: PhotoVectors | None) -> PhotoSpread | None:
        """Return the statistics of a sample of photos with a vector by the encoder of `featurizer`; None where there are none."""
        if featurizer.photo is None or photos is None or photos.encoder != featurizer.photo_encoder:
            return None
        rows = np.flatnonzero(photos.ok)
        if len(rows) < 2:
            return None
        rows = rows[np.linspace(0, len(rows) - 1, min(len(rows), PHOTOS)).astype(int)]
        return cls.by(featurizer.photo.transform(np.asarray(photos.vectors[rows], np.float32)))

    @classmethod
    def by(cls, vectors: np.ndarray) -> PhotoSpread:
        """Return the statistics of vectors (n, d), whose first components are used."""
        first = vectors[:, :COMPONENTS]
        return cls(
            mean=first.mean(axis=0).astype(float).round(6).tolist(),
            deviation=first.std(axis=0).astype(float).round(6).tolist(),
        )

    def distance(self, other: PhotoSpread) -> float:
        """Return the Fréchet distance (squared) of two normal distributions without correlations, relative to this one's variance."""
        moved = np.square(np.subtract(self.mean, other.mean)).sum()
        moved += np.square(np.subtract(self.deviation, other.deviation)).sum()
        return float(moved / max(np.square(self.deviation).sum(), 1e-12))


class MarketSummary(Forbidding, allow_inf_nan=False):
    """The summary of one training market."""

    name: str
    listings: int
    currency: str = ""
    attributes: dict[str, AttributeSpread] = Field(default_factory=dict)
    photos: PhotoSpread | None = None

    @classmethod
    def of(
        cls, market: Market, rows: np.ndarray, featurizer: Featurizer, photos: PhotoVectors | None
    ) -> MarketSummary:
        """Summarize the training listings `rows` (n,) of a market."""
        full = view_market(featurizer, market)
        available = full.listings.iloc[rows].reset_index(drop=True)
        return cls(
            name=market.name,
            listings=len(rows),
            currency=market.config.currency,
            attributes={
                item.name: AttributeSpread.of(item.name, item.kind, available, entry)
                for item in full.attributes
                if (entry := featurizer.vocabulary.attribute(item.name)) is not None
            },
            photos=PhotoSpread.of(featurizer, photos),
        )

    def distances(self, market: Market) -> dict[str, float]:
        """Return the total variation by common attribute with stored values; `market` is as `view_market` returns it."""
        kinds = {attribute.name: attribute.kind for attribute in market.attributes}
        return {
            name: spread.distance(market.listings)
            for name, spread in self.attributes.items()
            if kinds.get(name) == spread.entry.kind and spread.has_values
        }


def view_market(featurizer: Featurizer, market: Market) -> Market:
    """Return `market` with the attribute names of the vocabulary, and with ranks where the model uses them."""
    if featurizer.within is not None:
        featurizer = replace(featurizer, within=featurizer.within.of(market.shared().listings))
    return featurizer.view(market)


def coverage(market: Market, featurizer: Featurizer, report: TransferReport) -> float:
    """Return the mean over the market's attributes of the share of their values that the model has learned, 0 to 1.

    An attribute that the model has not learned counts as 0. Photos count as one attribute, where the market has any.
    """
    available = value_coverage(featurizer, view_market(featurizer, market))
    shares = [max(available.get(name, 0.0), available.get(rank_name(name), 0.0)) for name in report.known]
    if featurizer.vocabulary.pieces:  # word pieces cover the words of any market
        shares = [1.0] * len(report.known)
    shares += [0.0] * len(report.new)
    if len(market.photos):
        shares.append(float(report.photos == "known"))
    return float(np.mean(shares)) if shares else 0.0


def value_coverage(featurizer: Featurizer, market: Market) -> dict[str, float]:
    """Return the covered share of values of each common attribute; `market` is as `view_market` returns it."""
    if featurizer.vocabulary.pieces:
        return {}
    existing = {attribute.name for attribute in market.attributes}
    available = [entry for entry in featurizer.vocabulary.attributes if entry.name in existing]
    return {entry.name: _covered_share(entry, market.listings) for entry in available}


def _covered_share(entry: AttributeVocabulary, listings: pd.DataFrame) -> float:
    kind = type_of(entry.kind)
    if entry.edges or entry.grids:
        return 1.0 - kind.outgrown(entry, listings)
    vocabulary = kind.fit(listings, entry.name, 2, 1)
    counts = np.zeros(1 + vocabulary.size)
    for item in kind.tokenize(vocabulary.model_copy(update={"first": 1, "buckets": 0}), listings):
        counts += np.bincount(item.ids, minlength=len(counts))
    existing = set(entry.values)
    covered = [counts[1 + place] for place, value in enumerate(vocabulary.values) if value in existing]
    return float(sum(covered) / max(1.0, counts[1:].sum()))


def save_summaries(run: Path, markets: Sequence[MarketSummary]) -> None:
    """Write the summaries to `seen.json` in a run folder."""
    write_json(run / SUMMARIES_FILE, [market.model_dump() for market in markets], ensure_ascii=False)


def load_summaries(run: Path) -> list[MarketSummary]:
    """Load the summaries of a run's training markets; empty for a run of an earlier version.

    Raises:
        VibesError: the file is damaged.
    """
    result = read_json(
        run / SUMMARIES_FILE,
        "train the run again",
        lambda all_: [MarketSummary.model_validate(item) for item in all_],
    )
    return result or []


class TransferReport(Forbidding, allow_inf_nan=False):
    """What the model of the run `run` knows of a market that it was not trained on."""

    run: str  # folder of the model's run
    market_name: str  # name of the training market
    weights: str = ""  # sha256 of its weights
    known: list[str] = Field([])  # attributes of the market that the model has learned
    new: list[str] = Field([])  # attributes of the market that it has not
    gone: list[str] = Field([])  # attributes of the model that the market does not have
    beyond: dict[str, float] = Field({})  # by known attribute, the share of values outside the bins
    photos: Literal["", "known", "new", "gone"] = ""  # "": neither has any
    shared: bool = False  # whether some of the market's listings are in the training market
    learned: bool = False  # whether the run was warm-started from the model, and learned what is new

    @property
    def sentence(self) -> str:
        """Return a sentence such as: "knows 6 of your 10 attributes; `bedrooms`, `district` are new"."""
        count = len(self.known) + len(self.new)
        available = f"{len(self.known)} of your {count}" if self.new else f"all {count} of your"
        parts = [f"knows {available} attributes"]
        if self.new:
            parts.append(f"{_names(self.new)} {_are(self.new)} new")
        if self.gone:
            parts.append(f"{_names(self.gone)}, which it knows, {_are(self.gone)} missing")
        for name, share in self.beyond.items():
            again = ", so its bins are fitted again" if self.learned else ""
            parts.append(f"{share:.0%} of the values of `{name}` are outside the known range{again}")
        if self.photos in ("new", "gone"):
            parts.append("photos are new" if self.photos == "new" else "photos, which it knows, are missing")
        return "; ".join(parts)

    @classmethod
    def of(
        cls,
        market: Market,
        featurizer: Featurizer,
        run: Path,
        market_name: str,
        weights: str = "",
        learned: bool = False,
        shared: bool = False,
    ) -> TransferReport:
        """Return what the model of `run` with `featurizer` knows of `market`.

        Raises:
            VibesError: an attribute has different types in the two, or they share neither attributes nor photos.
        """
        entries, attributes = shared_attributes(market, featurizer, run)
        listings = featurizer.view(market).listings
        available = [name for name in attributes if name in entries]
        files = (os.path.join(market.path, name) for name in market.photos[C.PATH])
        has_photos = any(map(os.path.isfile, files))
        beyond = {}
        for name in available if not featurizer.vocabulary.pieces else ():
            if share := type_of(entries[name].kind).outgrown(entries[name], listings):
                beyond[name] = share
        photos: Literal["", "known", "new", "gone"] = ""
        if featurizer.photo is not None:
            photos = "known" if has_photos else "gone"
        elif has_photos and featurizer.config.photos:
            photos = "new"
        if not available and photos != "known":
            raise VibesError(
                f"The model of {run} knows none of the attributes of {market.path} ({_names([*attributes]) or 'it has none'}; "
                f"the model reads {_names([*entries]) or 'none'}), so it cannot be used; give the columns the same names, or "
                "train a new model."
            )
        return cls(
            run=str(run.resolve()),
            market_name=market_name,
            weights=weights,
            known=available,
            new=[name for name in attributes if name not in entries],
            gone=[name for name in entries if name not in attributes],
            beyond=beyond,
            photos=photos,
            learned=learned,
            shared=shared,
        )


def _names(names: Sequence[str]) -> str:
    listed = ", ".join(f"`{name}`" for name in names[:MOST_NAMES])
    return listed + (f" and {len(names) - MOST_NAMES} more" if len(names) > MOST_NAMES else "")


def _are(names: Sequence[str]) -> str:
    return "is" if len(names) == 1 else "are"


def shared_attributes(
    market: Market, featurizer: Featurizer, run: Path
) -> tuple[dict[str, AttributeVocabulary], dict[str, Attribute]]:
    """Return the attributes of the model of `run`, and those of `market`, by name.

    Raises:
        VibesError: one has different types in the two.
    """
    renamed = market.shared() if featurizer.within is not None else featurizer.view(market)
    entries = {entry.name: entry for entry in featurizer.vocabulary.attributes}
    for name in featurizer.within.numbers if featurizer.within is not None else ():
        rank = entries.pop(rank_name(name), None)
        if rank is not None:
            entries.setdefault(name, rank)
    attributes = (
        {attribute.name: attribute for attribute in renamed.attributes}
        if featurizer.config.attributes
        else {}
    )
    for name, attribute in attributes.items():
        if name in entries and entries[name].kind != attribute.kind:
            raise VibesError(
                f"The attribute '{name}' has the type {attribute.kind} in {market.path} but the type "
                f'{entries[name].kind} in the model of {run}; set kind = "{entries[name].kind}" for it in market.toml, or '
                "rename the column."
            )
    return entries, attributes
