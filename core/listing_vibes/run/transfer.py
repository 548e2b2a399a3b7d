"""Use of a model in another market: whether the market took part in its training, and the settings that follow."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from listing_vibes.errors import VibesError
from listing_vibes.market.columns import Columns as C
from listing_vibes.market.market import Market
from listing_vibes.model.settings import Resolved
from listing_vibes.model.variants.user_encoders import USER_ENCODERS
from listing_vibes.run.contents import read_spaces
from listing_vibes.run.fits import RECENT, SMALL_MARKET, count_repeated, fixed_blend
from listing_vibes.run.manifest import KnownMarket, Manifest
from listing_vibes.run.versions import reading

#: The folder with a run over each market in the run folder of a model of several markets.
MARKETS = "markets"
#: Weight of late interaction (`listing_vibes.scoring.late_interaction`) in a market outside the training of a model of several
#: markets: the similarity of listings transfers better than the encoding of a history in one vector. Recall@30 in a held-out
#: town, without and with it: Singapore .219 and .297, Albany .325 and .345, Salem .373 and .412.
TRANSFER_LATE_WEIGHT = 2.0


def training_market(manifest: Manifest, market: Market) -> KnownMarket | None:
    """Return the entry of `market` among the markets of a training, by its content, path or name; None if it is not among them."""
    available, path = manifest.markets or [], str(market.path.resolve())
    for same in ({"fingerprint": market.fingerprint}, {"path": path}, {"name": market.name}):
        for item in available:
            if same.items() <= item.model_dump().items():
                return item
    return None


def shares_listings(market: Market, run: Path) -> bool:
    """Return whether the market shares listings with the run `run`; True also if the run cannot be read."""
    manifests = sorted((run / MARKETS).glob("*/run.toml"))
    try:
        for item in [path.parent for path in manifests] or [run]:
            with reading(item) as folder:
                ids = read_spaces(folder / "listings.safetensors")["listing_id"]
            if market.plain[C.LISTING].isin(ids.tolist()).any():
                return True
    except (VibesError, OSError):
        return True
    return False


def is_other_market(run: Path, market: Market) -> bool:
    """Return whether the run `run` is over another market than `market`, by its path and its listings.

    A market that was moved or has new listings is the same market.
    """
    with reading(run) as folder:
        manifest = Manifest.load(folder)
        here = (folder / manifest.market).resolve() == market.path.resolve()
    return not (here or training_market(manifest, market) or shares_listings(market, run))


def transfer_settings(manifest: Manifest, market: Market) -> tuple[Resolved, str]:
    """Return the settings of a model in use in `market`, and the fingerprint of the market that it was trained on.

    For one of several markets of its training these have that market's T1, T2 and fingerprint, so that the test has no
    training events. In another market a model of several markets also uses late interaction. In both cases a market with few
    events gets the fixed default blend.
    """
    settings, trained_on = manifest.settings, manifest.trained_on
    changed: dict[str, Any] = {}
    if manifest.markets is not None:
        events = market.events
        if C.ACTION in events.columns:  # Unwanted events are not training targets.
            events = events[~events[C.ACTION].isin(market.config.unwanted)]
        by_user = events[C.USER].value_counts().to_numpy()  # (U,)
        few = len(market.events) > 0 and count_repeated(by_user) < SMALL_MARKET
        adds = few and market.timed
        blend = fixed_blend(settings.training, RECENT, bool(market.attributes)) if adds else None
        settings = settings.model_copy(update={"blend": blend})
    item, weight = training_market(manifest, market), settings.training.late_interaction
    if item is not None:
        split = settings.split.model_copy(update={"t1": item.t1, "t2": item.t2})
        settings, trained_on = settings.model_copy(update={"split": split}), item.fingerprint
    elif (
        manifest.markets is not None and not USER_ENCODERS[settings.history].reads_tokens and weight != "auto"
    ):
        changed["late_interaction"] = max(weight, TRANSFER_LATE_WEIGHT)
    training = settings.training.model_copy(update=changed)
    if settings.blend is not None and not market.timed:  # Without timestamps there is no recency.
        settings = settings.model_copy(update={"blend": None})
    return settings.model_copy(update={"training": training}), trained_on
