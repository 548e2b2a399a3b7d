"""Refit: training again after evaluation with the same settings and number of steps, also on held-out events."""

from __future__ import annotations

from pathlib import Path

from listing_vibes.errors import VibesError
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
    if not manifest.steps:
        raise VibesError(
            f"{run} records no number of training steps, or none was better than the model that it began from, so there is none to "
            "repeat; train it again, or go on with it as it is."
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
    training = training.model_copy(
        update={"recency_days": training.recent_days, "stop_after": manifest.steps}
    )
    split = ResolvedSplit(protocol="temporal", t1=until, t2=until)
    update = {"split": split, "training": training, "blend": settings.blend}
    return settings.model_copy(update=update | {"positions": None})  # The market may have other columns now.
