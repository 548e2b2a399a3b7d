"""Whether a market took part in the training of a model of several, and what that means for its test there."""

from __future__ import annotations

from core.market.market import Market
from core.model.readers import READERS
from core.model.settings import Settings
from core.run.manifest import KnownMarket, Manifest

#: The folder with a run over each market, in the run folder of a model of several.
MARKETS = "markets"
#: Weight of late interaction (`core.scoring.late_interaction`) in a market that took no part in the training of a model of
#: several: what listings are like carries over better than how a history is summed up in one vector. Recall@30 in the town
#: that was left out, without and with it: Singapore .219 and .297, Albany .325 and .345, Salem .373 and .412.
ABROAD = 2.0


def took_part(kept: Manifest, market: Market) -> KnownMarket | None:
    """Which of the markets of a model of several `market` is, by its content, its path or its name; None: none of them."""
    known, path = kept.markets or [], str(market.path.resolve())
    for same in ({"fingerprint": market.fingerprint}, {"path": path}, {"name": market.name}):
        for one in known:
            if same.items() <= one.model_dump().items():
                return one
    return None


def at_home(kept: Manifest, market: Market) -> tuple[Settings, str]:
    """The settings of a model at work in `market`, and the fingerprint of what it was trained on.

    In one of several markets that it was trained on these are that market's own T1, T2 and fingerprint, so that no test
    asks for what was learned. In another one a model of several looks at the listings of a history one by one as well.
    """
    settings, fingerprint = _at_home(kept, market)
    if settings.training.recency_served and not market.timed:  # nothing is recent
        training = settings.training.model_copy(update={"recency_served": False})
        settings = settings.model_copy(update={"training": training})
    return settings, fingerprint


def _at_home(kept: Manifest, market: Market) -> tuple[Settings, str]:
    one = took_part(kept, market)
    if one is None:
        weight = kept.settings.training.late_interaction
        if kept.markets is None or READERS[kept.settings.history].reads != "vectors" or weight == "auto":
            return kept.settings, kept.trained_on
        training = kept.settings.training.model_copy(update={"late_interaction": max(weight, ABROAD)})
        return kept.settings.model_copy(update={"training": training}), kept.trained_on
    split = kept.settings.split.model_copy(update={"t1": one.t1, "t2": one.t2})
    return kept.settings.model_copy(update={"split": split}), one.fingerprint
