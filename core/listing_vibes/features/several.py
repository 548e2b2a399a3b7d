"""Fit one featurizer on one market or several: of several the attributes that they share, and of these what a further market can share too."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path

import numpy as np
import pandas as pd

from listing_vibes.errors import VibesError
from listing_vibes.features.config import FeatureConfig
from listing_vibes.features.featurizer import Featurizer, distinct_texts, text_cache
from listing_vibes.features.market_ranks import MarketRanks, place_columns, rank_name
from listing_vibes.features.photos.vectors import PhotoVectors
from listing_vibes.features.texts.encoder import carry_vectors
from listing_vibes.features.texts.views import readable
from listing_vibes.features.tokens.vocabulary import Vocabulary
from listing_vibes.market.amounts import is_ambiguous, is_currency, unit_of
from listing_vibes.market.attribute_types import type_of
from listing_vibes.market.columns import Columns as C
from listing_vibes.market.config import MarketConfig
from listing_vibes.market.market import Attribute, Market
from listing_vibes.progress import Report

#: Buckets of a category whose values most markets have for themselves, such as districts and sellers: a market that the
#: model never saw has none but such, so that in training, too, they say no more than that two listings share one.
BUCKETS = 512
#: A category of which fewer of the values are in two markets has none in common: some names just happen to occur twice.
LEAST_SHARED = 0.1


def fit_featurizer(
    markets: Sequence[Market],
    config: FeatureConfig,
    width: int,
    rows: Sequence[np.ndarray],
    durations: np.ndarray,
    photos: Sequence[PhotoVectors | None],
    work: Path,
    report: Report | None = None,
) -> Featurizer:
    """Return a featurizer that is fitted on the listings `rows` (n,) of each market.

    Of several, a number is read as its rank within the market, and as its amount where all markets that have it count in the
    same unit; a value (a category, a member of a set, a word) where two markets have it. In `work` are the vectors of texts.

    Raises:
        VibesError: a market that shares no attribute with another, one attribute of two kinds, units that contradict
            each other, or photos by different encoders.
    """
    if len(markets) == 1:
        return Featurizer.fit(markets[0], config, width, rows[0], durations, photos[0], report)
    shared = shared_attributes(markets)
    numbers = [one.name for one in shared if type_of(one.kind).binned]
    within = MarketRanks(
        numbers={name: [] for name in numbers},
        place=place_columns() if any(a.name == C.PLACE for a in shared) else {},
    )
    known = [_known(market, shared) for market in markets]
    frames = [within.of(frame).add_ranks(frame) for frame in known]
    attributes: list[Attribute] = []
    for attribute in shared:
        if attribute.name not in numbers or same_unit(attribute.name, markets):
            attributes.append(attribute)
        if attribute.name in numbers:
            label = rank_name(attribute.label)
            attributes.append(replace(attribute, name=rank_name(attribute.name), label=label, unit=""))
    pooled, vectors = _pool(markets, frames, attributes, photos, work)
    first = np.cumsum([0, *(len(frame) for frame in frames)])
    every = np.concatenate([start + mine for start, mine in zip(first, rows, strict=False)])
    sentences = [one.name for one in attributes if type_of(one.kind).sentences]
    if config.text:
        texts_of = [distinct_texts(frame, [name for name in sentences if name in frame]) for frame in frames]
        views = readable(config.text_views, list(chain.from_iterable(texts_of)))
        if {"minilm", "minilm-whitened"} & set(views):
            for market, texts in zip(markets, texts_of, strict=True):
                carry_vectors(texts, text_cache(market), text_cache(pooled), report)
    featurizer = Featurizer.fit(pooled, config, width, every, durations, vectors, report)
    parts = [frame.iloc[mine] for frame, mine in zip(frames, rows, strict=True)]
    vocabulary = featurizer.vocabulary
    vocabulary = vocabulary if vocabulary.pieces else _common_values(vocabulary, parts)
    return replace(featurizer, vocabulary=vocabulary, within=within)


def shared_attributes(markets: Sequence[Market]) -> list[Attribute]:
    """Return the attributes that two markets or more have, by the name that they share.

    Raises:
        VibesError: a market that shares none, or an attribute of two kinds.
    """
    found: dict[str, tuple[Attribute, Market]] = {}
    count: Counter[str] = Counter()
    for market in markets:
        for attribute in market.attributes:
            name = market.config.shared_name(attribute.name)
            one, where = found.setdefault(name, (replace(attribute, name=name), market))
            if one.kind != attribute.kind:
                raise VibesError(
                    f"Attribute '{attribute.name}' is a {attribute.kind} in {market.path} and a {one.kind} in {where.path}; give "
                    f"both the same kind under [attributes.{attribute.name}] in market.toml, or exclude one."
                )
            count[name] += 1
    for market in markets:
        if all(count[market.config.shared_name(one.name)] < 2 for one in market.attributes):
            raise VibesError(
                f"{market.path} shares no attribute with the other markets; name one of its columns as they do, by same_as under "
                "[attributes.COLUMN] in its market.toml."
            )
    return [one for name, (one, _) in found.items() if count[name] > 1]


def same_unit(name: str, markets: Sequence[Market]) -> bool:
    """Return whether all markets that have the attribute `name` count it in one and the same unit.

    Raises:
        VibesError: the units are of two things, or one is a currency other than its market's.
    """
    units: dict[str, Market] = {}
    for market in markets:
        for attribute in market.attributes:
            if market.config.shared_name(attribute.name) == name:
                units.setdefault(unit_of(market, attribute), market)
    money = next((unit for unit in units if is_currency(unit)), "")
    for unit in units:
        if money and unit and not is_currency(unit):
            raise VibesError(
                f"'{name}' is counted in {unit} in {units[unit].path} and in {money} in {units[money].path}, which are no two units "
                "of one thing; rename one of them, or correct its unit in market.toml."
            )
    return len(units) == 1 and not any(is_ambiguous(unit) for unit in units)


def _known(market: Market, shared: Sequence[Attribute]) -> pd.DataFrame:
    """The columns of `shared` that a market has, by their shared names."""
    listings = market.shared().listings
    columns = [column for one in shared for column in type_of(one.kind).columns(one.name)]
    return listings[[name for name in dict.fromkeys([C.LISTING, *columns]) if name in listings]]


def _pool(
    markets: Sequence[Market],
    frames: Sequence[pd.DataFrame],
    attributes: list[Attribute],
    photos: Sequence[PhotoVectors | None],
    work: Path,
) -> tuple[Market, PhotoVectors | None]:
    """All listings and photos as one market in the folder `work`, without events; and the photos' vectors."""

    def prefixed(frame: pd.DataFrame, number: int) -> pd.DataFrame:
        return frame.assign(**{C.LISTING: f"{number}/" + frame[C.LISTING].astype(str)})

    embedded = [(number, one) for number, one in enumerate(photos) if one is not None]
    encoders = {one.encoder: markets[number] for number, one in embedded}
    if len(encoders) > 1:
        (one, here), (other, there), *_ = encoders.items()
        raise VibesError(
            f"The photos of {here.path} are embedded by '{one}', those of {there.path} by '{other}'; name one with --encoder."
        )
    shots = markets[0].photos.iloc[:0]
    vectors = None
    if embedded:
        shots = pd.concat(
            [prefixed(markets[number].photos, number) for number, _ in embedded], ignore_index=True
        )
        vectors = PhotoVectors(
            np.concatenate([one.vectors for _, one in embedded]),
            np.concatenate([one.ok for _, one in embedded]),
            [],
            embedded[0][1].encoder,
        )
    listings = pd.concat([prefixed(frame, number) for number, frame in enumerate(frames)], ignore_index=True)
    actions = list(dict.fromkeys(action for market in markets for action in market.actions))
    events = markets[0].events.iloc[:0]
    return Market(work, MarketConfig(), listings, shots, events, actions, attributes), vectors


def _common_values(vocabulary: Vocabulary, parts: Sequence[pd.DataFrame]) -> Vocabulary:
    """`vocabulary` with those values alone that two of the markets have, of which `parts` are the listings."""
    entries, following = [], 1
    for entry in vocabulary.attributes:
        kind, kept = type_of(entry.kind), entry.values
        if entry.values:
            have = [set(kind.fit(part, entry.name, 2, 1).values) for part in parts if entry.name in part]
            kept = [value for value in entry.values if sum(value in one for one in have) > 1]
            if entry.buckets and len(kept) < LEAST_SHARED * len(entry.values):
                kept = []
        lost = len(kept) < len(entry.values)
        buckets = BUCKETS if entry.buckets and lost else entry.buckets
        entry = entry.model_copy(update={"values": kept, "buckets": buckets, "first": following})
        following += entry.size
        entries.append(entry)
    return vocabulary.model_copy(update={"attributes": entries, "size": following})
