"""Whether a run is of a market, or that took part in the training of a model of several, and what that means for its test there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from listing_vibes.errors import VibesError
from listing_vibes.market.columns import Columns as C
from listing_vibes.market.market import Market
from listing_vibes.model.settings import Resolved
from listing_vibes.model.variants.user_encoders import USER_ENCODERS
from listing_vibes.run.contents import read_spaces
from listing_vibes.run.fits import LITTLE, RECENT, count_repeated, fixed_blend
from listing_vibes.run.manifest import KnownMarket, Manifest
from listing_vibes.run.versions import reading

#: The folder with a run over each market, in the run folder of a model of several.
MARKETS = "markets"
#: Weight of late interaction (`listing_vibes.scoring.late_interaction`) in a market that took no part in the training of a model of
#: several: what listings are like carries over better than how a history is summed up in one vector. Recall@30 in the town
#: that was left out, without and with it: Singapore .219 and .297, Albany .325 and .345, Salem .373 and .412.
TRANSFER_LATE_WEIGHT = 2.0


def training_market(kept: Manifest, market: Market) -> KnownMarket | None:
    """Which of the markets of a model of several `market` is, by its content, its path or its name; None: none of them."""
    available, path = kept.markets or [], str(market.path.resolve())
    for same in ({"fingerprint": market.fingerprint}, {"path": path}, {"name": market.name}):
        for item in available:
            if same.items() <= item.model_dump().items():
                return item
    return None


def shares_listings(market: Market, run: Path) -> bool:
    """Whether some of the market's listings are of the run `run`; to be sure where that cannot be read."""
    many = sorted((run / MARKETS).glob("*/run.toml"))
    try:
        for item in [path.parent for path in many] or [run]:
            with reading(item) as folder:
                ids = read_spaces(folder / "listings.safetensors")["listing_id"]
            if market.plain[C.LISTING].isin(ids.tolist()).any():
                return True
    except (VibesError, OSError):
        return True
    return False


def is_other_market(run: Path, market: Market) -> bool:
    """Whether the run `run` is surely of another market than `market`: that one lies elsewhere, and none of its listings is of both.

    A market that was moved, or has grown since, is the same.
    """
    with reading(run) as folder:
        manifest = Manifest.load(folder)
        here = (folder / manifest.market).resolve() == market.path.resolve()
    return not (here or training_market(manifest, market) or shares_listings(market, run))


def transfer_settings(kept: Manifest, market: Market) -> tuple[Resolved, str]:
    """The settings of a model at work in `market`, and the fingerprint of what it was trained on.

    In one of several markets that it was trained on these are that market's own T1, T2 and fingerprint, so that no test
    asks for what was learned. In another one a model of several looks at the listings of a history one by one as well. In
    both its lists add what `listing_vibes.run.fits.default_fit` says, where there are few events.
    """
    own, trained_on = kept.settings, kept.trained_on
    changed: dict[str, Any] = {}
    if kept.markets is not None:
        events = market.events
        if C.ACTION in events.columns:  # what is not wanted trains nothing
            events = events[~events[C.ACTION].isin(market.config.unwanted)]
        by_user = events[C.USER].value_counts().to_numpy()  # (U,)
        few = len(market.events) > 0 and count_repeated(by_user) < LITTLE
        adds = few and market.timed
        blend = fixed_blend(own.training, RECENT, bool(market.attributes)) if adds else None
        own = own.model_copy(update={"blend": blend})
    item, weight = training_market(kept, market), own.training.late_interaction
    if item is not None:
        split = own.split.model_copy(update={"t1": item.t1, "t2": item.t2})
        own, trained_on = own.model_copy(update={"split": split}), item.fingerprint
    elif kept.markets is not None and not USER_ENCODERS[own.history].reads_tokens and weight != "auto":
        changed["late_interaction"] = max(weight, TRANSFER_LATE_WEIGHT)
    training = own.training.model_copy(update=changed)
    if own.blend is not None and not market.timed:  # nothing is recent
        own = own.model_copy(update={"blend": None})
    return own.model_copy(update={"training": training}), trained_on
