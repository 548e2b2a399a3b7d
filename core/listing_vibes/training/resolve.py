"""What a training chooses where its settings leave it open, by its market; `run.toml` records it."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from listing_vibes.device import has_bf16
from listing_vibes.errors import VibesError
from listing_vibes.features.featurizer import Features, Featurizer
from listing_vibes.market.log import EventLog
from listing_vibes.market.market import Market
from listing_vibes.model.settings import (
    Resolved,
    ResolvedSplit,
    ResolvedTraining,
    TrainingConfig,
)
from listing_vibes.model.variants.user_encoders import USER_ENCODERS
from listing_vibes.run.fits import RECENT, SMALL_MARKET, count_repeated, fixed_blend
from listing_vibes.training.data import TrainingData
from listing_vibes.training.examples import simultaneous_share, training_ends

#: Share of simultaneous training events from which on a market's events come in baskets.
BASKETS = 0.2
#: Weight of late interaction in a market of baskets, and in leave-one-out where it is not large: a history holds several things,
#: and the next one resembles any of them. Where one thing is looked for (three towns) and where a listing has many events
#: (MovieLens, behind from step 400 on) it gained nothing, and it costs serving.
LATE_WEIGHT = 1.0
#: Steps between two validations where there are few training events, so that patience ends sooner: the best weights come after some 60
#: steps of 200 (without timestamps after 150 of 750), and what follows is learned by heart.
LITTLE_VALIDATE_EVERY = 10
#: Unwanted events among the training events of users with two or more from which on a model learns what they mean. Below, a token
#: of its own has been read too seldom to say anything; nobody measured where that begins.
UNWANTED = 100
#: Users with two training events or more from which on a market is large, and training events of such users.
LARGE = 16_384
LARGE_EVENTS = 16 * LARGE
#: Steps of a large market: a listing that a step encodes serves more histories where there are more of them, so that
#: the same processor time reads more of the log; its other positives are negatives enough.
LARGE_STEPS: dict[str, Any] = {
    "batch": 1024,
    "window_listings": 4096,
    "fresh": 256,
    "bank_size": 4096,
    "warmup": 40,
    "validations": 6,
}
#: Those of them that say how large a step is.
SIZES = ("batch", "window_listings", "fresh", "bank_size")
#: Times the learning rate for the vectors of attribute values where there are so many events: few of the steps show a value, and a
#: listing is the mean of some twenty, so that at the rate of the rest what sets a listing apart is learned last. Where a listing has
#: few events (H&M's week) that is soon learned by heart, and validation falls.
VALUE_RATE = 20.0
#: Times that a large market's users are read, and its events where it is large by these alone, and steps that it gets at least.
EPOCHS, PASSES, LEAST_STEPS = 5, 5, 140
#: Tables of token positions have a multiple of so many rows: shapes that kernels and exports like.
POSITIONS = 16


def resolve(
    settings: Resolved, data: TrainingData, markets: int = 1, attributes: bool = True, shorter: int = 1
) -> Resolved:
    """Return `settings` with nothing left open; what was given stays.

    Args:
        data: of one market, or of several, joined.
        markets: how many.
        attributes: whether listings have some, to find neighbors by.
        shorter: so many times fewer steps than from nothing.
    """
    training, log, split = settings.training, data.log, data.split
    count = np.bincount(log.user[split.train], minlength=1)
    users, events = int((count >= 2).sum()), count_repeated(count)
    large = users >= LARGE or events >= LARGE_EVENTS
    few = events < SMALL_MARKET and markets == 1
    baskets = training.baskets
    if baskets == "auto":
        baskets = "set" if simultaneous_share(log, split.train) >= BASKETS else "order"
    reads_vectors = not USER_ENCODERS[settings.history].reads_tokens
    several = baskets == "set" or not (split.protocol == "temporal" or large)
    chosen: dict[str, Any] = {
        "bf16": has_bf16(),
        "baskets": baskets,
        "late_interaction": LATE_WEIGHT if reads_vectors and several else 0.0,
        "late_itself": split.protocol == "temporal" or not split.valid.masked,
        # From few events a model learns mostly what is popular, which is better counted, at each moment anew, than learned.
        "recency_days": RECENT if few and log.timed else 0,
        "unwanted_learned": settings.features.meta
        and training.recipe == "single-stage"
        and _unwanted_events(log, split.train) >= UNWANTED,
        "whole_histories": reads_vectors,
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
    resolved = settings.model_copy(
        update={
            "training": training,
            "split": ResolvedSplit(
                protocol=split.protocol,
                t1=split.t1 if markets == 1 else settings.split.t1,
                t2=split.t2 if markets == 1 else settings.split.t2,
            ),
        }
    )
    if "blend" in settings.model_fields_set:  # of a refit
        return resolved
    weighed = "recency_days" in left_open and log.timed and markets == 1
    neighbors = attributes and settings.features.attributes and (weighed or few)
    days, blend = training.recent_days, None
    if days or weighed:
        blend = fixed_blend(training, days or RECENT, neighbors, training.baskets == "set", weighed)
    return resolved.model_copy(update={"blend": blend})


def reopen(training: ResolvedTraining, shorter: int = 1) -> ResolvedTraining:
    """Return the training of a run with what its market chose by its size left open again, for another market to choose.

    What a market would not have chosen was given, and stays.

    Args:
        shorter: so many times fewer steps than from nothing the run was trained for.
    """
    usual = {name: TrainingConfig.model_fields[name].default for name in (*SIZES, "max_steps")}
    large = sum(getattr(training, name) == LARGE_STEPS[name] for name in SIZES) > len(SIZES) // 2
    sizes = LARGE_STEPS if large else usual
    left = {name for name in SIZES if getattr(training, name) == sizes[name]}
    least, most = math.ceil(LEAST_STEPS / shorter), math.ceil(usual["max_steps"] / shorter)
    if training.max_steps == most or (large and least <= training.max_steps < most):
        left.add("max_steps")
    if training.value_rate in (1.0, VALUE_RATE):
        left.add("value_rate")
    return ResolvedTraining.model_validate(training.model_dump(exclude_unset=True, exclude=left))


def resolve_positions(
    settings: Resolved, market: Market, featurizer: Featurizer, features: Features
) -> Resolved:
    """Return `settings` with the token positions that a model of `market` needs, unless `[encoder] max_tokens` was given.

    A row of a model of listing vectors is one listing, and the longest that the market's columns allow is known
    (`Featurizer.longest_listing`), so a listing that is published later fits as well. A row of "cls" is a history:
    `training.max_listings` such listings, each with an action and a duration, but no more than the preset has, beyond which
    the oldest listings are left out; one listing always fits.

    Raises:
        VibesError: `max_tokens` was given, and the market has a listing that does not fit.
    """
    reads_tokens = USER_ENCODERS[settings.history].reads_tokens
    meta = 2 * reads_tokens * featurizer.config.meta
    most = settings.requested_encoder_config().max_tokens
    if "max_tokens" in settings.encoder:
        longest = 1 + int(np.diff(features.tokens.offset).max(initial=0)) + meta
        if longest > most:
            raise VibesError(
                f"[encoder] max_tokens is {most}, but {market.path} has a listing of {longest} tokens; leave it out, or "
                f"set it to at least {longest}."
            )
        return settings.model_copy(update={"positions": None})
    needed = item = featurizer.longest_listing + meta
    if reads_tokens:
        needed = max(item, min(most, 1 + settings.training.max_listings * (item - 1)))  # one `[CLS]` for all
    return settings.model_copy(update={"positions": -(-needed // POSITIONS) * POSITIONS})


def _unwanted_events(log: EventLog, train: np.ndarray) -> int:
    """How many unwanted events come before a user's last event where `train` (N,) holds; so that user has two, at least."""
    rows = np.flatnonzero(~log.is_positive)
    return int((rows < training_ends(log, train)[log.user[rows]]).sum())
