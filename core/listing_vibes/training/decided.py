"""What the settings leave open, decided by the market; `run.toml` records it."""

import math
from typing import Any

import numpy as np

from listing_vibes.device import has_bf16
from listing_vibes.market.log import EventLog
from listing_vibes.market.splits import Split
from listing_vibes.model.readers import READERS
from listing_vibes.model.settings import Resolved, ResolvedTraining
from listing_vibes.run.fits import LITTLE, NEAR, RECENT, count_repeated
from listing_vibes.training.baskets import REAL_SHARE, simultaneous
from listing_vibes.training.examples import training_ends

#: Weight of late interaction in a market of baskets, and in leave-one-out where it is not large: a history holds several things,
#: and the next one resembles any of them. Where one thing is looked for (three towns) and where a listing has many events
#: (MovieLens, behind from step 400 on) it gained nothing, and it costs serving. Validation of baskets likes .5 less and 2 as well.
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
#: Times the learning rate for the vectors of attribute values where there are so many events: few of the steps show a value, and a
#: listing is the mean of some twenty, so that at the rate of the rest what sets a listing apart is learned last. Where a listing has
#: few events (H&M's week) that is soon learned by heart, and validation falls.
VALUE_RATE = 20.0
#: Stands for recency until validation of the finished model weights it.
UNWEIGHED = (RECENT, 0.0)
#: Those of them that say how large a step is.
SIZES = ("batch", "window_listings", "fresh", "bank_size")
#: Times that a large market's users are read, and its events where it is large by these alone, and steps that it gets at least.
EPOCHS, PASSES, LEAST_STEPS = 5, 5, 140


def reopened(training: ResolvedTraining, shorter: int = 1) -> ResolvedTraining:
    """The training of a run with what its market decided by its size left open again, for another market to decide.

    What a market would not have decided was given by hand, and stays. `shorter`: so many times fewer steps than from nothing the
    run was trained for.
    """
    usual = {name: ResolvedTraining.model_fields[name].default for name in (*SIZES, "max_steps")}
    large = sum(getattr(training, name) == LARGE_STEPS[name] for name in SIZES) > len(SIZES) // 2
    sizes = LARGE_STEPS if large else usual
    left = {name for name in SIZES if getattr(training, name) == sizes[name]}
    least, most = math.ceil(LEAST_STEPS / shorter), math.ceil(usual["max_steps"] / shorter)
    if training.max_steps == most or (large and least <= training.max_steps < most):
        left.add("max_steps")
    if training.value_rate in (1.0, VALUE_RATE):
        left.add("value_rate")
    return ResolvedTraining.model_validate(training.model_dump(exclude_unset=True, exclude=left))


def decided(
    settings: Resolved,
    log: EventLog,
    split: Split,
    many: bool = False,
    attributes: bool = True,
    shorter: int = 1,
) -> ResolvedTraining:
    """The training of `settings` with nothing left open; what was given by hand stays. `many`: `log` is of several markets;
    `attributes`: there are some to find neighbours by; `shorter`: so many times fewer steps than from nothing."""
    training = settings.training
    found: dict[str, Any] = {}
    if training.bf16 is None:
        found["bf16"] = has_bf16()
    if training.baskets == "auto":
        found["baskets"] = "set" if simultaneous(log, split.train) >= REAL_SHARE else "order"
    count = np.bincount(log.user[split.train], minlength=1)
    users, events = int((count >= 2).sum()), count_repeated(count)
    large = users >= LARGE or events >= LARGE_EVENTS
    if training.late_interaction == "auto":
        compares = READERS[settings.history].reads == "vectors"
        several = found.get("baskets", training.baskets) == "set" or not (
            split.protocol == "temporal" or large
        )
        found["late_interaction"] = LATE_WEIGHT if compares and several else 0.0
    if training.late_itself == "auto":
        found["late_itself"] = split.protocol == "temporal" or not split.valid.masked
    few = events < LITTLE and not many
    little = few and log.timed
    if training.recency_days == "auto":
        # From few events a model learns mostly what is popular, which is better counted, at each moment anew, than learned.
        found["recency_days"] = RECENT if little else 0
    if few and "validate_every" not in training.model_fields_set:
        found["validate_every"] = LITTLE_VALIDATE_EVERY
    if "recency_served" not in training.model_fields_set:
        found["recency_served"] = bool(found.get("recency_days", training.recency_days))
        if training.recency_days == "auto" and log.timed and not many:
            found["recency_fit"] = training.recency_fit or UNWEIGHED
    if "neighbours_served" not in training.model_fields_set:
        recent = found.get("recency_served", training.recency_served)
        beside = little and recent and attributes and settings.features.attributes
        found["neighbours_served"] = NEAR if beside else 0.0
        found["neighbours_weighed"] = "recency_fit" in found and attributes and settings.features.attributes
    if "neighbours_nearest" not in training.model_fields_set:
        # A history of baskets holds several things, and what comes next is like one of them (see `LATE_WEIGHT`).
        sets = found.get("baskets", training.baskets) == "set"
        found["neighbours_nearest"] = sets and found.get("neighbours_served", training.neighbours_served) > 0
    if "unwanted_learned" not in training.model_fields_set:
        found["unwanted_learned"] = (
            settings.features.meta
            and training.recipe == "single-stage"
            and _unwanted(log, split.train) >= UNWANTED
        )
    if "whole_histories" not in training.model_fields_set:
        found["whole_histories"] = READERS[settings.history].reads == "vectors"
    if training.value_rate == "auto":
        found["value_rate"] = VALUE_RATE if events >= LARGE_EVENTS else 1.0
    if large:
        by_users, by_events = users / LARGE_STEPS["batch"], events / LARGE_STEPS["window_listings"]
        steps = max(LEAST_STEPS, math.ceil(EPOCHS * by_users if users >= LARGE else PASSES * by_events))
        sizes = LARGE_STEPS | {"max_steps": math.ceil(min(steps, training.max_steps) / shorter)}
        found |= {name: size for name, size in sizes.items() if name not in training.model_fields_set}
    elif "max_steps" not in training.model_fields_set:
        found["max_steps"] = math.ceil(training.max_steps / shorter)
    return training.model_copy(update=found)


def _unwanted(log: EventLog, train: np.ndarray) -> int:
    """How many unwanted events come before a user's last event where `train` (N,) holds; so that user has two, at least."""
    rows = np.flatnonzero(~log.wanted)
    return int((rows < training_ends(log, train)[log.user[rows]]).sum())
