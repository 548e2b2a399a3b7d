"""How many token positions a model needs: as many as its market, so that no table carries rows that nothing reads."""

import numpy as np

from listing_vibes.errors import VibesError
from listing_vibes.features.featurizer import Features, Featurizer
from listing_vibes.market.market import Market
from listing_vibes.model.readers import READERS
from listing_vibes.model.settings import Resolved

#: Tables have a multiple of so many rows: room beyond the rule below, and shapes that kernels and exports like.
STEP = 16


def with_positions(
    settings: Resolved, market: Market, featurizer: Featurizer, features: Features
) -> Resolved:
    """`settings` with the positions that a model of `market` needs, unless `[encoder] max_tokens` was given by hand.

    A row of a reader of vectors ("listing-vectors") is one listing, and the longest that the market's columns allow is
    known: every attribute, every text view, every photo (`Featurizer.longest_listing`), so a listing that is published
    later fits as well. A row of "cls" is a history: `training.max_listings` such listings, each
    with an action and a duration, but no more than the preset has, beyond which the
    oldest listings are left out; one listing always fits. Both are rounded up to a multiple of 16.

    Raises:
        VibesError: `max_tokens` was given, and the market has a listing that does not fit.
    """
    reads_tokens = READERS[settings.history].reads != "vectors"
    meta = 2 * reads_tokens * featurizer.config.meta
    asked = settings.asked_encoder_config().max_tokens
    if "max_tokens" in settings.encoder:
        longest = 1 + int(np.diff(features.tokens.offset).max(initial=0)) + meta
        if longest > asked:
            raise VibesError(
                f"[encoder] max_tokens is {asked}, but {market.path} has a listing of {longest} tokens; leave it out, or "
                f"set it to at least {longest}."
            )
        return settings.model_copy(update={"positions": None})
    needed = one = featurizer.longest_listing + meta
    if reads_tokens:
        needed = max(one, min(asked, 1 + settings.training.max_listings * (one - 1)))  # one `[CLS]` for all
    return settings.model_copy(update={"positions": -(-needed // STEP) * STEP})
