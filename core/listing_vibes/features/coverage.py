"""What share of a market's values a model has learned."""

from __future__ import annotations

import numpy as np
import pandas as pd

from listing_vibes.features.featurizer import Featurizer
from listing_vibes.features.market_ranks import rank_name
from listing_vibes.features.market_summary import view_market
from listing_vibes.features.transfer import TransferReport
from listing_vibes.market.attribute_types import AttributeVocabulary, type_of
from listing_vibes.market.market import Market


def coverage(market: Market, featurizer: Featurizer, carried: TransferReport) -> float:
    """Return the mean over the market's attributes of the share of their values that the model has learned, 0 to 1.

    An attribute that the model has not learned counts as 0. Photos count as one attribute, where the market has any.
    """
    known = values_known(featurizer, view_market(featurizer, market))
    shares = [max(known.get(name, 0.0), known.get(rank_name(name), 0.0)) for name in carried.known]
    if featurizer.vocabulary.pieces:  # words of any market are in its vocabulary
        shares = [1.0] * len(carried.known)
    shares += [0.0] * len(carried.new)
    if len(market.photos):
        shares.append(float(carried.photos == "known"))
    return float(np.mean(shares)) if shares else 0.0


def values_known(featurizer: Featurizer, market: Market) -> dict[str, float]:
    """Return by attribute that both have the share of its values that the vocabulary holds; `market` is as `view_market` gives it."""
    if featurizer.vocabulary.pieces:
        return {}
    there = {one.name for one in market.attributes}
    known = [entry for entry in featurizer.vocabulary.attributes if entry.name in there]
    return {entry.name: _share_known(entry, market.listings) for entry in known}


def _share_known(entry: AttributeVocabulary, listings: pd.DataFrame) -> float:
    kind = type_of(entry.kind)
    if entry.edges or entry.grids:
        return 1.0 - kind.outgrown(entry, listings)
    told = kind.fit(listings, entry.name, 2, 1)
    counts = np.zeros(1 + told.size)
    for one in kind.tokenize(told.model_copy(update={"first": 1, "buckets": 0}), listings):
        counts += np.bincount(one.ids, minlength=len(counts))
    there = set(entry.values)
    mine = [counts[1 + place] for place, value in enumerate(told.values) if value in there]
    return float(sum(mine) / max(1.0, counts[1:].sum()))
