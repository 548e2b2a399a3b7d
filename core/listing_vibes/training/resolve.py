"""Resolution of automatic settings of a training by its market; `run.toml` records the result."""

import math
from typing import Any

import numpy as np

from listing_vibes.defaults import RECENT_DAYS
from listing_vibes.device import has_bf16
from listing_vibes.errors import VibesError
from listing_vibes.features.featurizer import Features, Featurizer
from listing_vibes.market.market import Market
from listing_vibes.model.settings import Resolved, ResolvedSplit
from listing_vibes.model.user_encoders import USER_ENCODERS
from listing_vibes.training.examples import TrainingData, simultaneous_share

#: The number of training events of users with two or more below which a market is small: a model learns nothing from other users.
SMALL_MARKET = 32_768
#: The share of simultaneous training events from which on the events of a market come in baskets.
BASKETS = 0.2
#: The weight of late interaction in a market of baskets, and in leave-one-out unless the market is large: a history has several
#: interests, and the next listing is similar to one of them. With one interest per user (three towns), and with many events per listing
#: (MovieLens, worse from step 400 on), it did not raise recall, and it makes serving slower.
LATE_WEIGHT = 1.0
#: The steps between two validations with few training events, so that early stopping is earlier: the best weights come after about 60
#: of 200 steps (without timestamps after 150 of 750), and later steps overfit.
LITTLE_VALIDATE_EVERY = 10
#: The number of users with two or more training events, and of their events, from which on a market is large.
LARGE = 16_384
LARGE_EVENTS = 16 * LARGE
#: The settings of a large market: with more histories per step an encoded listing serves more of them, so that the same time covers
#: more of the log; the positives of the other examples are enough negatives.
LARGE_STEPS: dict[str, Any] = {
    "batch": 1024,
    "window_listings": 4096,
    "fresh": 256,
    "bank_size": 4096,
    "warmup": 40,
    "validations": 6,
}
#: The factor of the learning rate for the vectors of attribute values in markets with so many events: a value occurs in few steps, and a
#: listing is the mean of about twenty values, so that with factor 1 the differences between listings are learned last. With few events
#: per listing (H&M's week) the factor leads to overfitting.
VALUE_RATE = 20.0
#: Passes through the users of a large market, through its events if only these are many, and the minimum number of steps. After 5
#: passes through H&M's 30,307 users smooth recall on validation was .108 and still rose; 10 reach .115.
EPOCHS, PASSES, LEAST_STEPS = 10, 5, 140
#: The number of token positions is a multiple of this, which suits kernels and exports.
POSITIONS = 16


def resolve(settings: Resolved, data: TrainingData, markets: int = 1, shorter: int = 1) -> Resolved:
    """Return `settings` with all automatic values resolved; given values stay.

    Args:
        data: the data of one market, or of several joined.
        shorter: the factor by which the training has fewer steps than one from scratch.

    Raises:
        VibesError: recency has a window, but the events have no timestamps.
    """
    training, log, split = settings.training, data.log, data.split
    if training.recent_days and not log.timed:
        raise VibesError(
            f"Option training.recency_days is {training.recent_days}, but the events have no timestamps, so nothing is recent; leave "
            "it out."
        )
    count = np.bincount(log.user[split.train], minlength=1)
    users, events = int((count >= 2).sum()), int(count[count >= 2].sum())
    large = users >= LARGE or events >= LARGE_EVENTS
    few = events < SMALL_MARKET and markets == 1
    baskets = training.baskets
    if baskets == "auto":
        baskets = "set" if simultaneous_share(log, split.train) >= BASKETS else "order"
    several = baskets == "set" or not (split.protocol == "temporal" or large)
    chosen: dict[str, Any] = {
        "bf16": has_bf16(),
        "baskets": baskets,
        "late_interaction": LATE_WEIGHT
        if USER_ENCODERS[settings.history].has_listing_vectors and several
        else 0.0,
        "late_itself": split.protocol == "temporal" or not split.valid.masked,
        # From few events a model mostly learns popularity, which is better counted at each moment than learned.
        "recency_days": RECENT_DAYS if few and log.timed else 0,
        "value_rate": VALUE_RATE if events >= LARGE_EVENTS else 1.0,
        "max_steps": math.ceil(training.max_steps / shorter),
    }
    if few:
        chosen["validate_every"] = LITTLE_VALIDATE_EVERY
    if large:
        by_users, by_events = users / LARGE_STEPS["batch"], events / LARGE_STEPS["window_listings"]
        steps = max(LEAST_STEPS, math.ceil(EPOCHS * by_users if users >= LARGE else PASSES * by_events))
        chosen |= LARGE_STEPS | {"max_steps": math.ceil(min(steps, training.max_steps) / shorter)}
    is_set = training.model_fields_set
    left_open = {name for name in chosen if name not in is_set or getattr(training, name) in ("auto", None)}
    training = training.model_copy(update={name: chosen[name] for name in left_open})
    return settings.model_copy(
        update={
            "training": training,
            "split": ResolvedSplit(
                protocol=split.protocol,
                t1=split.t1 if markets == 1 else settings.split.t1,
                t2=split.t2 if markets == 1 else settings.split.t2,
            ),
        }
    )


def resolve_positions(
    settings: Resolved, market: Market, featurizer: Featurizer, features: Features
) -> Resolved:
    """Return `settings` with the token positions that a model of `market` needs, unless `[encoder] max_tokens` was given.

    The market's columns limit the length of a listing (`Featurizer.longest_listing`), so listings that are published later also fit.

    Raises:
        VibesError: `max_tokens` was given, and a listing of the market does not fit.
    """
    encoding = USER_ENCODERS[settings.history]()
    if "max_tokens" in settings.encoder:
        most = settings.requested_encoder_config().max_tokens
        longest = encoding.row_tokens(1 + int(np.diff(features.tokens.offset).max(initial=0)), settings)
        if longest > most:
            raise VibesError(
                f"[encoder] max_tokens is {most}, but {market.path} has a listing of {longest} tokens; leave it out, or "
                f"set it to at least {longest}."
            )
        return settings.model_copy(update={"positions": None})
    needed = encoding.positions(featurizer.longest_listing, settings)
    return settings.model_copy(update={"positions": -(-needed // POSITIONS) * POSITIONS})
