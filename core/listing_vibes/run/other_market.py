"""Use of a model in another market: whether the market took part in its training, and the settings that follow."""

from pathlib import Path

from listing_vibes.errors import VibesError
from listing_vibes.features.market_summary import TransferReport
from listing_vibes.market.columns import Columns as C
from listing_vibes.market.log import EventLog
from listing_vibes.market.market import Market
from listing_vibes.market.splits import Catalogue, Protocol, Split, make_split
from listing_vibes.model.settings import Resolved, ResolvedSplit
from listing_vibes.model.user_encoders import USER_ENCODERS
from listing_vibes.run.manifest import KnownMarket, Manifest, read_spaces
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
            if market.listings[C.LISTING].isin(ids.tolist()).any():
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
    training events. In another market a model of several markets also uses late interaction.
    """
    settings, trained_on = manifest.settings, manifest.trained_on
    item, weight = training_market(manifest, market), settings.training.late_interaction
    if item is not None:
        split = settings.split.model_copy(update={"t1": item.t1, "t2": item.t2})
        return settings.model_copy(update={"split": split}), item.fingerprint
    if (
        manifest.markets is not None
        and USER_ENCODERS[settings.history].has_listing_vectors
        and weight != "auto"
    ):
        late = {"late_interaction": max(weight, TRANSFER_LATE_WEIGHT)}
        training = settings.training.model_copy(update=late)
        settings = settings.model_copy(update={"training": training})
    return settings, trained_on


def split_of_model(
    log: EventLog,
    catalogue: Catalogue,
    trained: ResolvedSplit,
    transfer: TransferReport | None,
    protocol: Protocol | None = None,
) -> Split:
    """Return the split of a market's events for a model with the split `trained`; see `Run.split`.

    Args:
        transfer: the report on the model's transfer to the market; None if it was trained on it.
    """
    if transfer is None:
        return make_split(log, catalogue, protocol or trained.protocol, trained.t1, trained.t2)
    new = make_split(log, catalogue, protocol)
    times = new.t1, new.t2, trained.t1, trained.t2
    if not transfer.shared or any(time is None for time in times):
        return new
    t1, t2 = (max(times[i] or 0, times[i + 2] or 0) for i in (0, 1))
    return make_split(log, catalogue, protocol, t1, t2)
