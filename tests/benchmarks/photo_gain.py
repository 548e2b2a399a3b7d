"""What photos are worth by what else is known: `python -m tests.benchmarks.photo_gain PLACE=MARKET,... OUT.svg`.

PLACE is `ikea`, whose markets are orders of the same users, or `demo`. The ranking is the default one without a network: content EASE,
neighbors and what is the same for all users, tuned and weighted on validation, with and without photos. Differences are of users.
"""

import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from listing_vibes.evaluation.intervals import SIGNIFICANT, paired_estimates
from listing_vibes.evaluation.run_evaluation import rank_queries
from listing_vibes.features.content_spaces import content_spaces
from listing_vibes.features.photos.encoders import market_photos
from listing_vibes.market.log import EventLog
from listing_vibes.market.market import Market
from listing_vibes.market.splits import Catalogue, make_split
from listing_vibes.scoring.attribute_weights import weighted_attributes
from listing_vibes.scoring.blend import COVISITS, Blend, fit_blend, moments_of
from listing_vibes.scoring.content_ease import ContentEase
from listing_vibes.scoring.neighbors import NEIGHBORS, VectorNeighbors
from listing_vibes.scoring.ranking_metrics import METRIC, METRICS

PLACES = {"ikea": "IKEA rooms, five orders", "demo": "demo (simulated, taste that photos show)"}
#: The attributes that are known; None: all.
KNOWN: dict[str, dict[str, tuple[str, ...] | None]] = {
    "ikea": {
        "all attributes and texts": None,
        "title and type": ("title", "type"),
        "title": ("title",),
        "type, color and size": ("type", "color", "size"),
        "type and size": ("type", "size"),
        "color": ("color",),
    },
    "demo": {
        "all attributes and texts": None,
        "all but texts": (
            *("deal", "district", "building", "rooms", "area_m2", "floor", "built", "price"),
            *("balcony", "pets", "parking", "place"),
        ),
        "half of the attributes": ("deal", "rooms", "area_m2", "price", "balcony", "parking"),
        "title and price": ("title", "price"),
        "title": ("title",),
    },
}


def gains(market: Market, known: tuple[str, ...] | None) -> pd.DataFrame:
    """Return the recall of each user (U, 2) `without` and `with` photos, where only the attributes `known` are."""
    if known is not None:
        market = replace(market, attributes=[item for item in market.attributes if item.name in known])
    log, catalogue = EventLog.from_market(market), Catalogue.of(market)
    split = make_split(log, catalogue)
    attributes = weighted_attributes(market, log, split, catalogue, {}, 0)
    spaces = content_spaces(market, market_photos(market), attributes=attributes)
    moments = moments_of(log, split.train, catalogue)

    def ranking(name: str, *used: str) -> Blend:
        content = {space: np.asarray(spaces[space], np.float32) for space in used}
        features = {space: VectorNeighbors.of(content[space], log, name=NEIGHBORS[space]) for space in used}
        closed = {COVISITS: ContentEase.tune(content, log, split, catalogue)}
        return fit_blend(name, features | closed, moments, log, split, catalogue)

    rankings = [ranking("without", "attributes"), ranking("with", "attributes", "photos")]
    measured = rank_queries(rankings, log, split, catalogue)
    users = [log.users[user] for user in np.unique(split.test.user)]
    column = METRICS.index(METRIC)
    return pd.DataFrame({name: measured.user_values(name)[:, column] for name in measured.ranks}, users)


def rows(place: str, folders: list[Path]) -> Iterator[dict[str, object]]:
    """Yield the recall without and with photos and the difference, for each choice of what is known."""
    markets = [Market.open(folder) for folder in folders]
    for label, known in KNOWN[place].items():
        users = pd.concat([gains(market, known) for market in markets]).groupby(level=0).mean()
        (gain,) = paired_estimates((users["with"] - users["without"]).to_numpy()[:, None])
        yield {"place": PLACES[place], "known": label, **users.mean().to_dict(), **gain}


def draw(table: pd.DataFrame, path: Path) -> None:
    """Write the gains with their intervals to `path`."""
    figure = Figure(figsize=(8, 0.6 + 0.33 * (len(table) + table["place"].nunique())))
    axes, labels = figure.add_subplot(), []
    for place, part in table.groupby("place", sort=False):
        labels.append(place)
        for row in part.itertuples():
            color = "#0072b2" if row.p_value < SIGNIFICANT else "#737a80"
            axes.hlines(len(labels), row.low, row.high, color=color, linewidth=1.8)
            axes.plot(row.value, len(labels), "o", color=color)
            labels.append(row.known)
    axes.set_yticks(range(len(labels)), labels)
    for tick, label in zip(axes.get_yticklabels(), labels, strict=True):
        tick.set_weight("bold" if label in PLACES.values() else "normal")
    axes.invert_yaxis()
    axes.axvline(0, color="#737a80", linewidth=0.8)
    axes.set_xlabel(f"gain of photos in {METRIC}, 95 % interval over users")
    axes.tick_params(axis="y", length=0)
    axes.spines[["top", "right", "left"]].set_visible(False)
    with matplotlib.rc_context({"svg.hashsalt": "vibes", "svg.fonttype": "none"}):
        figure.savefig(path, bbox_inches="tight", metadata={"Date": None})


if __name__ == "__main__":
    *places, out = sys.argv[1:]
    found = []
    for place in places:
        name, _, folders = place.partition("=")
        for row in rows(name, [Path(folder) for folder in folders.split(",")]):
            found.append(row)
            print(row, flush=True)
    draw(pd.DataFrame(found), Path(out))
