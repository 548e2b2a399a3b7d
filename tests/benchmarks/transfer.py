"""Leave one town out: a model of the other towns at work in the one that took no part in its training.

    python -m tests.benchmarks.transfer OUT [--data FOLDER] [--towns a,b] [--seeds 0,1,2] [--config FILE] [--without a,b]
        [--no-fine] [--no-own]

For each town and seed: a model of all other towns by the recipe of `homes`, without training here ("zero-shot") and trained on
from there ("fine-tuned"), beside the town's own model by the same recipe ("own"). Each of the three as it lists without being
asked, and alone; beside them what needs no model at all: attribute neighbors, and the best of the untrained neighbours with
recency, as `vibes evaluate` fits both on the town's validation ("neighbors + recency"), and attribute neighbors with recency by
the share and weight of small markets, with nothing fitted ("neighbours + recency, unfitted"). All are asked the town's own test queries.
`OUT/runs` keeps the models, `OUT/transfer.jsonl` gets one line of JSON a town and seed, with each user's recall@30; what is done is
not done again, and a training that was interrupted goes on. At the end a table: means over the seeds, paired differences over
users, p after Holm over the towns, and the differences over the users of all towns.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np

from listing_vibes.evaluation.intervals import Estimate, paired_estimates, with_holm
from listing_vibes.evaluation.run_evaluation import rank_queries
from listing_vibes.market.config import MarketConfig
from listing_vibes.market.importers import import_market
from listing_vibes.market.market import Market
from listing_vibes.progress import shown
from listing_vibes.run.embedding import embed_market
from listing_vibes.run.run import Run
from listing_vibes.run.scorers import default_ranking, model_scorer, neighbor_features, untrained_neighbors
from listing_vibes.scoring.blend import fit_blend, moments_of
from listing_vibes.scoring.neighbors import NEIGHBORS
from listing_vibes.scoring.ranking_metrics import METRIC, METRICS, NEAR_RECENT
from listing_vibes.scoring.scores import CachedScorer
from listing_vibes.training.api import train

TOWNS = (
    "trentino-2015-10", "singapore-2023-09", "salem-or-2023-03", "albany-2024-11", "barossa-valley-2023-06",
    "antwerp-2015-10", "santa-cruz-county-2015-10", "oakland-2015-07",
)  # fmt: skip
#: What takes longest to embed, where a newcomer has it.
WITHOUT = ["description"]
#: How `homes` is trained, a minute of a core; longer trainings have not been tried.
SETTINGS: dict[str, Any] = {
    "preset": "tiny",
    "training": {
        "max_steps": 250, "fresh": 256, "window_listings": 512, "warmup": 30, "validate_every": 50, "validations": 5,
        "average": 0.95,
    },
}  # fmt: skip
ZERO, FINE, OWN = "zero-shot", "fine-tuned", "own"
ATTRIBUTES = NEIGHBORS["attributes"]


def alone(name: str) -> str:
    """What a model is called without what its lists add."""
    return f"{name} alone"


#: Whose difference is told.
PAIRS = (
    (ZERO, ATTRIBUTES), (alone(ZERO), ATTRIBUTES), (ZERO, NEAR_RECENT), (ZERO, OWN), (FINE, OWN),
    (alone(FINE), alone(OWN)), (FINE, ZERO), (FINE, NEAR_RECENT),
)  # fmt: skip


def market_of(town: str, data: Path, out: Path, without: list[str]) -> Market:
    """The market of a town, imported once, `without` these columns."""
    folder = out / "markets" / town
    if not (folder / "market.toml").is_file():
        import_market("inside-airbnb", data / "inside-airbnb" / town, folder)
        config = MarketConfig.load(folder / "market.toml")
        kept = {name: one for name, one in config.attributes.items() if name not in without}
        excluded = list(dict.fromkeys([*config.excluded, *without]))
        *place, year, month = town.split("-")
        name = f"Homes in {' '.join(place).title()}, {year}-{month} (Inside Airbnb)"
        changed = {"name": name, "attributes": kept, "excluded": excluded}
        config.model_copy(update=changed).save(folder / "market.toml")
    return Market.open(folder)


def trained(market: Any, run: Path, **options: Any) -> None:
    """Train, unless the run is there; an interrupted training goes on."""
    if not (run / "run.toml").is_file():
        with shown(True) as report:
            train(market, run, resume=(run / ".training" / "run.toml").is_file(), progress=report, **options)


def both(name: str, run: Run) -> list[CachedScorer]:
    """The model of a run as it lists, and alone."""
    model = model_scorer(run)
    return [CachedScorer(default_ranking(run, model, run.split()), name), CachedScorer(model, alone(name))]


def without_model(run: Run, seed: int) -> list[Any]:
    """What needs none: attribute neighbors, the best neighbours with recency, and these by the weights of small markets."""
    log, catalogue, split = run.log, run.catalogue, run.split()
    near = untrained_neighbors(run, split)
    features = neighbor_features(near)
    return [
        next(one for one in near if one.name == ATTRIBUTES),
        fit_blend(
            NEAR_RECENT, features, moments_of(log, split.train, catalogue), log, split, catalogue, seed
        ),
    ]


def measure(
    town: str,
    seed: int,
    markets: dict[str, Market],
    out: Path,
    config: Any = SETTINGS,
    fine: bool = True,
    own: bool = True,
) -> dict:
    """The line of a town and seed."""
    here, runs, started = markets[town], out / "runs" / f"{town}-{seed}", time.process_time()
    trained([one for name, one in markets.items() if name != town], runs / "others", config=config, seed=seed)
    if not (runs / "zero" / "run.toml").is_file():
        embed_market(here, runs / "zero", None, runs / "others")
    zero = Run.open(runs / "zero", here)
    scorers = [*both(ZERO, zero), *without_model(zero, seed)]
    if own:
        trained(here, runs / "own", config=config, seed=seed)
        scorers += both(OWN, Run.open(runs / "own", here))
    if fine:
        trained(here, runs / "fine", seed=seed, start=runs / "others")
        scorers += both(FINE, Run.open(runs / "fine", here))
    found = rank_queries(scorers, zero.log, zero.split(), zero.catalogue, seed=seed)
    column = METRICS.index(METRIC)
    values = {name: found.user_values(name)[:, column].round(6).tolist() for name in found.names}
    return {
        "town": town,
        "seed": seed,
        "listings": zero.log.listings,
        "queries": len(found.queries),
        "processor_s": round(time.process_time() - started),
        METRIC: {name: float(np.mean(of)) for name, of in values.items()},
        "by user": values,
    }


def table(lines: list[dict]) -> str:
    """Means over the seeds of each town, differences with p after Holm over the towns, and over the users of all."""
    towns = list(dict.fromkeys(line["town"] for line in lines))
    means = {town: over_seeds([line for line in lines if line["town"] == town]) for town in towns}
    names = list(dict.fromkeys(name for one in means.values() for name in one))
    rows = [["town", *names]]
    rows += [
        [town, *(f"{one[n].mean():.3f}" if n in one else "-" for n in names)] for town, one in means.items()
    ]
    told = ["\n".join("  ".join(f"{cell:<20}" for cell in row).rstrip() for row in rows)]
    for a, b in PAIRS:
        with_both = [town for town, one in means.items() if a in one and b in one]
        if not with_both:
            continue
        deltas = [means[town][a] - means[town][b] for town in with_both]
        found = with_holm([{"": paired_estimates(delta[:, None])[0]} for delta in deltas])
        ahead = sum(one[""]["value"] > 0 for one in found)
        told.append(f"{a} - {b}: ahead in {ahead} of {len(found)}")
        told += [
            f"  {town} {said(one[''])}, {one['']['p_holm']:.4f} after Holm"
            for town, one in zip(with_both, found, strict=True)
        ]
        pooled = np.concatenate(deltas)
        told.append(f"  {len(pooled)} users of all: {said(paired_estimates(pooled[:, None])[0])}")
    return "\n".join(told)


def said(one: Estimate) -> str:
    """A difference in a line."""
    return f"{one['value']:+.3f} ({one['low']:+.3f} to {one['high']:+.3f}), p {one['p_value']:.4f}"


def over_seeds(lines: list[dict]) -> dict[str, np.ndarray]:
    """Of each scorer (U,) the mean of each user's values over the seeds."""
    names = [name for name in lines[0]["by user"] if all(name in line["by user"] for line in lines)]
    return {name: np.mean([line["by user"][name] for line in lines], axis=0) for name in names}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("out", type=Path)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--towns", default=",".join(TOWNS))
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--config", type=Path, help="settings other than those of `homes`")
    parser.add_argument("--without", default=",".join(WITHOUT), help="columns that are left out, a,b")
    parser.add_argument("--no-fine", action="store_true")
    parser.add_argument("--no-own", action="store_true")
    given = parser.parse_args()
    without = [name for name in given.without.split(",") if name]
    markets = {town: market_of(town, given.data, given.out, without) for town in TOWNS}
    config = given.config or SETTINGS
    path = given.out / "transfer.jsonl"
    lines = [json.loads(line) for line in path.read_text().splitlines()] if path.is_file() else []
    for seed in map(int, given.seeds.split(",")):
        for town in given.towns.split(","):
            if any(line["town"] == town and line["seed"] == seed for line in lines):
                continue
            lines.append(measure(town, seed, markets, given.out, config, not given.no_fine, not given.no_own))
            with path.open("a") as stream:
                stream.write(json.dumps(lines[-1]) + "\n")
            told = {key: value for key, value in lines[-1].items() if key != "by user"}
            print(json.dumps(told), flush=True)
    print(table(lines))


if __name__ == "__main__":
    main()
