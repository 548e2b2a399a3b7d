"""Fit one featurizer on one or several markets; for several on the attributes that they share and further markets can share."""

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

#: Buckets of a category whose values mostly differ between markets, such as districts and sellers: a new market
#: has only unseen values, so in training, too, such values only show that two listings have the same one.
BUCKETS = 512
#: Below this share of values that occur in two markets, a category is not shared: some names are equal by chance.
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
    """Return a featurizer fitted on the listings `rows` (n,) of each market.

    For several markets, a number is read as its rank within the market, and as its amount where all markets with it use the
    same unit; a value (a category, a member of a set, a word) is known where two markets have it. `work` caches text vectors.

    Raises:
        VibesError: a market shares no attribute with another, an attribute has two types, units contradict
            each other, or photos have different encoders.
    """
    if len(markets) == 1:
        return Featurizer.fit(markets[0], config, width, rows[0], durations, photos[0], report)
    shared = shared_attributes(markets)
    numbers = [item.name for item in shared if type_of(item.kind).binned]
    within = MarketRanks(
        numbers={name: [] for name in numbers},
        place=place_columns() if any(a.name == C.PLACE for a in shared) else {},
    )
    available = [_shared_columns(market, shared) for market in markets]
    frames = [within.of(frame).add_ranks(frame) for frame in available]
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
    sentences = [attribute.name for attribute in attributes if type_of(attribute.kind).sentences]
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
    """Return the attributes of at least two markets, by their shared name.

    Raises:
        VibesError: a market shares none, or an attribute has two types.
    """
    values: dict[str, tuple[Attribute, Market]] = {}
    count: Counter[str] = Counter()
    for market in markets:
        for attribute in market.attributes:
            name = market.config.shared_name(attribute.name)
            item, where = values.setdefault(name, (replace(attribute, name=name), market))
            if item.kind != attribute.kind:
                raise VibesError(
                    f"Attribute '{attribute.name}' is a {attribute.kind} in {market.path} but a {item.kind} in {where.path}; give "
                    f"both the same kind under [attributes.{attribute.name}] in market.toml, or exclude one."
                )
            count[name] += 1
    for market in markets:
        if all(count[market.config.shared_name(attribute.name)] < 2 for attribute in market.attributes):
            raise VibesError(
                f"{market.path} shares no attribute with the other markets; give one of its columns their name by same_as under "
                "[attributes.COLUMN] in its market.toml."
            )
    return [item for name, (item, _) in values.items() if count[name] > 1]


def same_unit(name: str, markets: Sequence[Market]) -> bool:
    """Return whether all markets with the attribute `name` use the same unit.

    Raises:
        VibesError: the units are of different kinds, or one is a currency other than its market's.
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
                f"'{name}' is in {unit} in {units[unit].path} but in {money} in {units[money].path}, which are not units "
                "of the same quantity; rename one of them, or correct its unit in market.toml."
            )
    return len(units) == 1 and not any(is_ambiguous(unit) for unit in units)


def _shared_columns(market: Market, shared: Sequence[Attribute]) -> pd.DataFrame:
    """Return the columns of a market in `shared`, by their shared names."""
    listings = market.shared().listings
    columns = [column for item in shared for column in type_of(item.kind).columns(item.name)]
    return listings[[name for name in dict.fromkeys([C.LISTING, *columns]) if name in listings]]


def _pool(
    markets: Sequence[Market],
    frames: Sequence[pd.DataFrame],
    attributes: list[Attribute],
    photos: Sequence[PhotoVectors | None],
    work: Path,
) -> tuple[Market, PhotoVectors | None]:
    """Return all listings and photos as one market in the folder `work`, without events; and the photos' vectors."""

    def prefixed(frame: pd.DataFrame, number: int) -> pd.DataFrame:
        return frame.assign(**{C.LISTING: f"{number}/" + frame[C.LISTING].astype(str)})

    embedded = [(number, item) for number, item in enumerate(photos) if item is not None]
    encoders = {item.encoder: markets[number] for number, item in embedded}
    if len(encoders) > 1:
        (item, here), (other, existing), *_ = encoders.items()
        raise VibesError(
            f"The photos of {here.path} are embedded by '{item}', those of {existing.path} by '{other}'; name one with --encoder."
        )
    shots = markets[0].photos.iloc[:0]
    vectors = None
    if embedded:
        shots = pd.concat(
            [prefixed(markets[number].photos, number) for number, _ in embedded], ignore_index=True
        )
        vectors = PhotoVectors(
            np.concatenate([item.vectors for _, item in embedded]),
            np.concatenate([item.ok for _, item in embedded]),
            [],
            embedded[0][1].encoder,
        )
    listings = pd.concat([prefixed(frame, number) for number, frame in enumerate(frames)], ignore_index=True)
    actions = list(dict.fromkeys(action for market in markets for action in market.actions))
    events = markets[0].events.iloc[:0]
    return Market(work, MarketConfig(), listings, shots, events, actions, attributes), vectors


def _common_values(vocabulary: Vocabulary, parts: Sequence[pd.DataFrame]) -> Vocabulary:
    """Return `vocabulary` with only those values that two of the markets have, whose listings are `parts`."""
    entries, following = [], 1
    for entry in vocabulary.attributes:
        kind, remaining = type_of(entry.kind), entry.values
        if entry.values:
            have = [set(kind.fit(part, entry.name, 2, 1).values) for part in parts if entry.name in part]
            remaining = [value for value in entry.values if sum(value in item for item in have) > 1]
            if entry.buckets and len(remaining) < LEAST_SHARED * len(entry.values):
                remaining = []
        lost = len(remaining) < len(entry.values)
        buckets = BUCKETS if entry.buckets and lost else entry.buckets
        entry = entry.model_copy(update={"values": remaining, "buckets": buckets, "first": following})
        following += entry.size
        entries.append(entry)
    return vocabulary.model_copy(update={"attributes": entries, "size": following})
