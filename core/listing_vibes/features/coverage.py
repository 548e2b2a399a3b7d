"""Coverage of a market by a model: the share of its values that the model has learned."""

from __future__ import annotations

import numpy as np
import pandas as pd

from listing_vibes.features.featurizer import Featurizer
from listing_vibes.features.market_ranks import rank_name
from listing_vibes.features.market_summary import view_market
from listing_vibes.features.transfer import TransferReport
from listing_vibes.market.attribute_types import AttributeVocabulary, type_of
from listing_vibes.market.market import Market


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
    given = kind.fit(listings, entry.name, 2, 1)
    counts = np.zeros(1 + given.size)
    for item in kind.tokenize(given.model_copy(update={"first": 1, "buckets": 0}), listings):
        counts += np.bincount(item.ids, minlength=len(counts))
    existing = set(entry.values)
    mine = [counts[1 + place] for place, value in enumerate(given.values) if value in existing]
    return float(sum(mine) / max(1.0, counts[1:].sum()))
