"""How often `vibes monitor` names what is not there, and what is: `python -m tests.benchmarks.monitor [--months 200]`.

Months are drawn from one small simulated market: the attributes of 300 listings that trained against those of 60 others that
came after, as they are (honest) and with a planted drift. Only drift of attributes is looked at, which needs no training.
"""

import argparse
import json
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from tests.helpers.small_market import generate

from listing_vibes.features.seen import SeenMarket, Spread
from listing_vibes.market.kinds import kind_of
from listing_vibes.market.market import Market
from listing_vibes.serving.monitor.checks import Thresholds
from listing_vibes.serving.monitor.drift import Group, attribute_checks

TRAINED, NEW, ALL = 300, 60, 2000
DRIFTS = {
    "honest": lambda rows: rows,
    "prices x 2": lambda rows: rows.assign(price=2 * rows["price"]),
    "prices x 1.2": lambda rows: rows.assign(price=1.2 * rows["price"]),
    "a kind of building gone": lambda rows: rows.assign(building=rows["building"].replace("villa", "tower")),
    "one of twelve districts gone": lambda rows: rows.assign(
        district=rows["district"].replace("Orchard", "Harbour")
    ),
    "half of the areas missing": lambda rows: rows.assign(area_m2=rows["area_m2"].where(rows.index % 2 == 0)),
}
WANTED = {
    "prices x 2": "price",
    "prices x 1.2": "price",
    "a kind of building gone": "building",
    "one of twelve districts gone": "district",
    "half of the areas missing": "area_m2",
}


def measure(months: int, new: int) -> dict[str, dict[str, float]]:
    """By drift the share of months in which what was planted was named, and in which anything else was."""
    with TemporaryDirectory(prefix="vibes-") as folder:
        generate(Path(folder) / "market", listings=ALL, users=1)
        market = Market.open(Path(folder) / "market")
    found = {name: {"named": 0.0, "else": 0.0} for name in DRIFTS}
    for month in range(months):
        order = np.random.default_rng(month).permutation(ALL)
        known = market.listings.iloc[order[:TRAINED]].reset_index(drop=True)
        spreads = {
            one.name: Spread.of(one.name, one.kind, known, kind_of(one.kind).fit(known, one.name, 10, 1))
            for one in market.attributes
        }
        seen = SeenMarket(name="then", listings=TRAINED, attributes=spreads)
        later = market.listings.iloc[order[TRAINED : TRAINED + new]].reset_index(drop=True)
        for name, change in DRIFTS.items():
            moved = replace(market, listings=change(later))
            checks = attribute_checks(seen, moved, [Group("new", "new", np.arange(new))], {}, Thresholds())
            crossed = {check.of for check in checks if check.crossed}
            found[name]["named"] += (WANTED.get(name) in crossed) / months
            found[name]["else"] += bool(crossed - {WANTED.get(name)}) / months
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--months", type=int, default=200)
    parser.add_argument("--new", type=int, default=NEW)
    parser.add_argument("--json", action="store_true")
    told = parser.parse_args()
    found = measure(told.months, told.new)
    if told.json:
        print(json.dumps(found))
        return
    for name, one in found.items():
        print(f"{name:<30} named {one['named']:6.1%}   anything else {one['else']:6.1%}")


if __name__ == "__main__":
    main()
