"""Whether unmet demand is found where it is: holes planted in simulated markets, and markets without one.

    python tests/benchmarks/demand.py [--json] [--markets N]

**Made** markets have twelve tastes on the unit sphere; listings and users are drawn from the same mixture, a third of the
listings is live. A hole takes away most live listings of a taste that many users have. **Demo**: the market that ships, at
several moments, with its own trained model; the live listings of a vibe are withdrawn, each of those that more people want
than homes have it (`core/listing_vibes/demo/parameters.toml`). A named place is right where most of its listings are of the planted taste; a
hole is found where a right place is named. Of the demo's market a place that is named without any withdrawal, too, is the
market's own and neither right nor wrong. As the people of the demo are made, it is known what they would choose were all that
was ever published still there: a place is truly short where this is `LEAST` times as much to a live listing as in the market,
of whatever taste.
"""

import argparse
import json
import os
import time
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from listing_vibes.demo.choice import matches, utility
from listing_vibes.demo.homes import default_parameters
from listing_vibes.demo.shipped import ROOT, TRUTH, bundled_run
from listing_vibes.demo.world import World
from listing_vibes.insight.demand.demand import LEAST, OVERLAP
from listing_vibes.insight.demand.places import candidate_places
from listing_vibes.insight.demand.surely import lifts, surest
from listing_vibes.insight.demand.wishes import NEAR, Wishes
from listing_vibes.market.log import DAY
from listing_vibes.run.run import Run

TASTES, WIDTH, LISTINGS, USERS, LIVE = 12, 32, 1500, 1500, 500
TIGHT = 0.16  # standard deviation in each dimension around a taste, before the length is made 1
KEPT = 0.1  # of a planted taste's live listings that stay
MANY = 0.06  # of the users that have a taste for which a hole is planted
DAYS = (28, 49, 70)  # of the demo's market
CHUNK = 64  # people whose choices are reckoned at once


def made(seed: int, hole: bool) -> tuple[int, int, bool]:
    """Right places, wrong places, and whether the hole was found, in a made market."""
    rng = np.random.default_rng([seed, int(hole)])
    centre = rng.normal(0, 1, (TASTES, WIDTH))
    centre /= np.linalg.norm(centre, axis=1, keepdims=True)
    chance = rng.dirichlet(np.full(TASTES, 6.0))
    taste, liked = (rng.choice(TASTES, count, p=chance) for count in (LISTINGS, USERS))
    vectors, users = (_around(rng, centre[one]) for one in (taste, liked))
    live = np.zeros(LISTINGS, bool)
    live[rng.choice(LISTINGS, LIVE, replace=False)] = True
    planted = -1
    if hole:
        planted = int(rng.choice(np.flatnonzero(np.bincount(liked, minlength=TASTES) >= MANY * USERS)))
        live &= (taste != planted) | (rng.random(LISTINGS) < KEPT)
    first = np.argpartition(-(users @ vectors.T), NEAR, axis=1)[:, :NEAR]  # (U, k)
    places = candidate_places(vectors)
    share = np.stack([np.isin(first, rows).mean(axis=1) for rows in places], axis=1)  # (U, P)
    there = np.array([live[rows].sum() for rows in places])
    found = lifts(share, there, int(live.sum()), LEAST, len(places))
    return _verdict(
        [places[one] for one in surest([found], places, LISTINGS, LEAST, OVERLAP)], taste == planted
    )


def _around(rng: np.random.Generator, centres: np.ndarray) -> np.ndarray:
    found = centres + rng.normal(0, TIGHT, centres.shape)
    return (found / np.linalg.norm(found, axis=1, keepdims=True)).astype(np.float32)


def _verdict(named: list[np.ndarray], planted: np.ndarray) -> tuple[int, int, bool]:
    right = sum(bool(planted[rows].mean() >= 0.5) for rows in named)
    return right, len(named) - right, right > 0


def truly_wanted(run: Run, world: World, told: Wishes) -> np.ndarray:
    """(L,) what part of their choices the asked people of the demo would give to each listing of the run, could they have all
    that was published and saw each as well as any other."""
    place = {offer.listing_id: number for number, offer in enumerate(world.offers)}
    order = [place[name] for name in run.listing_ids]
    person = {name: number for number, name in enumerate(world.people.names)}
    users = np.array([person[run.log.users[user]] for user in told.audience.user])
    browsing, found = world.parameters.users.browsing, np.zeros(len(order))
    for first in range(0, len(users), CHUNK):
        some = users[first : first + CHUNK]
        asked = (
            world.stock,
            world.people,
            some,
            np.full(len(some), (told.audience.at - 1 - world.first) / DAY),
            world.parameters,
        )
        value, fits = utility(*asked)[:, order], matches(*asked)[:, order]  # (c, L)
        for weight, shown in ((1 - browsing, fits & told.published), (browsing, told.published[None])):
            chance = np.where(shown, np.exp(value - value.max(axis=1, keepdims=True), dtype=float), 0)
            found += weight * (chance / np.maximum(chance.sum(axis=1, keepdims=True), 1e-300)).sum(axis=0)
    return found / found.sum()


def demo(space: str) -> list[dict[str, Any]]:
    """One row a moment and vibe of the demo's market, "" for none withdrawn."""
    run, parameters, world = Run.open(bundled_run()), default_parameters(), World.draw()
    vibe = pd.read_parquet(ROOT / TRUTH).set_index("listing_id").loc[run.listing_ids, "vibe"].to_numpy()
    wanted = [name for name, one in parameters.vibe.items() if one.wanted > one.share]
    rows = []
    for day in DAYS:
        at = int(run.log.time.min()) // DAY * DAY + day * DAY
        told = Wishes.of(run, at, at - 28 * DAY)
        known = np.flatnonzero(told.published & run.index(space).known)
        places = [known[part] for part in candidate_places(run.vectors(space)[known])]
        wants = truly_wanted(run, world, told)
        rng = np.random.default_rng(day)
        own = np.zeros(len(vibe), bool)  # what is named without a withdrawal
        for name in ("", *wanted):
            here = replace(told, live=told.live & ((vibe != name) | (rng.random(len(vibe)) < KEPT)))
            there = np.array([here.live[part].sum() for part in places])
            found = lifts(here.shares(places), there, int(here.live.sum()), LEAST, len(places))
            best = surest([found], places, len(vibe), LEAST, OVERLAP)
            named = [places[one] for one in best]
            share = np.array([wants[part].sum() for part in places])
            true = (
                share * here.live.sum() / np.maximum(there, 0.5)
            )  # (P,) of none the least that half a listing is
            right, wrong, hit = _verdict([part for part in named if own[part].mean() < 0.5], vibe == name)
            if not name:
                for part in named:
                    own[part] = True
            rows.append(
                {
                    "day": day, "vibe": name, "right": right, "wrong": wrong, "found": hit, "named": len(named),
                    "looked": len(places), "short": int((true >= LEAST).sum()), "named short": int((true[best] >= LEAST).sum()),
                    "bound holds": int((found.low[best] <= true[best]).sum()),
                    "times the truth": (found.lift[best] / true[best]).tolist(),
                }
            )  # fmt: skip
    return rows


def summary(holes: list[tuple[int, int, bool]], without: list[int]) -> dict[str, Any]:
    """Precision and recall of named places, and how many markets without a hole had one named."""
    right, wrong = sum(one[0] for one in holes), sum(one[1] for one in holes)
    return {
        "markets with a hole": len(holes),
        "holes found": sum(one[2] for one in holes),
        "places named right": right,
        "places named wrong": wrong,
        "precision": right / max(1, right + wrong),
        "recall": sum(one[2] for one in holes) / max(1, len(holes)),
        "markets without": len(without),
        "without, a place named": sum(one > 0 for one in without),
    }


def main() -> None:
    """Measure and print."""
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("--markets", type=int, default=20)
    options.add_argument("--json", action="store_true")
    given = options.parse_args()
    started = time.monotonic()
    holes = [made(seed, True) for seed in range(given.markets)]
    without = [sum(made(seed, False)[:2]) for seed in range(given.markets)]
    found: dict[str, Any] = {"made": summary(holes, without)}
    for space in ("photos", "model"):
        rows = demo(space)
        planted = [(row["right"], row["wrong"], row["found"]) for row in rows if row["vibe"]]
        found[f"demo, {space}"] = summary(planted, [row["named"] for row in rows if not row["vibe"]])
        ratio = [one for row in rows for one in row["times the truth"] if np.isfinite(one)]
        found[f"demo, {space}"] |= {
            key: sum(row[key] for row in rows)
            for key in ("looked", "short", "named", "named short", "bound holds")
        } | {"lift, times the true one, median": float(np.median(ratio))}
        found[f"demo, {space}"]["by vibe"] = {
            name: f"{sum(row['found'] for row in rows if row['vibe'] == name)} of {len(DAYS)}"
            for name in dict.fromkeys(row["vibe"] for row in rows if row["vibe"])
        }
    found |= {"seconds": time.monotonic() - started, "load": os.getloadavg()[0]}
    if given.json:
        print(json.dumps(found, indent=1))
        return
    for name, told in found.items():
        print(
            name,
            *(
                [told]
                if not isinstance(told, dict)
                else [f"\n  {key}: {value}" for key, value in told.items()]
            ),
        )


if __name__ == "__main__":
    main()
