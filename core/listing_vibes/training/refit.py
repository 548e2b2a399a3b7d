"""Refit: training again after evaluation with the same settings and number of steps, also on held-out events."""

from __future__ import annotations

from pathlib import Path

from listing_vibes.errors import VibesError
from listing_vibes.features.photos.trainable import TRAINABLE, is_trained
from listing_vibes.market.log import EventLog
from listing_vibes.market.market import Market
from listing_vibes.model.settings import Resolved, ResolvedSplit
from listing_vibes.run.manifest import Manifest
from listing_vibes.run.transfer import is_other_market
from listing_vibes.run.versions import reading


def refit_settings(run: Path, market: Market, everything: bool = False) -> Resolved:
    """Return the settings to train on `market` as `run` was trained, for the number of steps of its weights, without validation.

    The validation events of `run` are also training events, so that the model knows the market until the start of the test; with
    `everything` those of the test are too, and only future events can test the result.

    Raises:
        VibesError: `run` has no model, does not record its number of steps, cannot be trained again, or is over another market.
    """
    with reading(run) as folder:
        manifest = Manifest.load(folder)
    settings, training = manifest.settings, manifest.settings.training
    if not manifest.trained_on:
        raise VibesError(f"{run} has no model, so there is nothing to refit; name a run of `vibes train`.")
    if settings.split.protocol != "temporal" or settings.split.t2 is None:
        raise VibesError(
            f"{run} was trained for the protocol {settings.split.protocol}, which has no end of training in time; refit a "
            "run of the protocol temporal."
        )
    if training.recipe != "single-stage":
        raise VibesError(
            f"{run} was trained in two stages, and validation chose where the first one ended; refit a run of the "
            "recipe single-stage."
        )
    if not manifest.steps and manifest.started:
        raise VibesError(
            f"No step of the training of {run} was better on validation than the model that it began from, so there is none to repeat; "
            "refit that model's run, or go on with that model as it is."
        )
    if not manifest.steps:
        raise VibesError(
            f"{run} does not record its number of training steps; train it again with this version."
        )
    if is_other_market(run, market):
        raise VibesError(
            f"{run} is of another market, {manifest.market_name}, of which {market.path} has no listing, so there is nothing to "
            f"refit; give that market, or begin from the model with --init-from {run}."
        )
    until = settings.split.t2
    if everything:
        log = EventLog.from_market(market)
        until = int(log.time.max()) + 1 if len(log) else until
    # Settings that an earlier version did not have stay as the run was trained and served.
    fixed = ("value_rate", "whole_histories", "recency_days")
    as_trained = {name: getattr(training, name) for name in fixed} | {"stop_after": manifest.steps}
    return settings.model_copy(
        update={
            "split": ResolvedSplit(protocol="temporal", t1=until, t2=until),
            "positions": None,  # The market may have other columns now.
            "blend": settings.blend,
            "training": training.model_copy(update=as_trained | {"recency_days": training.recent_days}),
        }
    )


def refit_encoder(run: Path) -> str:
    """Return the initial photo encoder of a refit of `run`: that of the run, or the one whose last stages it trained."""
    with reading(run) as folder:
        name = Manifest.load(folder).photo_encoder
    return TRAINABLE if is_trained(name) else name or "auto"
