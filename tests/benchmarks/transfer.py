"""Leave one town out: a model of the other towns at work in the one that took no part in its training.

    python -m tests.benchmarks.transfer OUT [--data FOLDER] [--towns a,b] [--seeds 0,1,2] [--config FILE] [--preset tiny]
        [--without description] [--no-fine] [--no-alone]

For each town and seed: a model of all other towns, without training here ("zero-shot") and trained on from there
("fine-tuned"; also with late interaction, `core/run/origin.py`, kept), beside the town's own model ("alone"), its neighbours
by attributes, and what serving adds: zero-shot with neighbours and recency, and these two without any model. All are asked the town's own test queries. `OUT/transfer.jsonl` gets one line of
JSON a town and seed, with each user's recall@30; what is done is not done again, and a training that was interrupted
goes on. At the end a table: means over the seeds, paired differences over users, p after Holm over the towns.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from core.evaluation.intervals import holm, paired_difference
from core.evaluation.protocol import evaluate
from core.evaluation.run_evaluation import with_serving
from core.market.config import MarketConfig
from core.market.importers import import_market
from core.market.market import Market
from core.progress import shown
from core.run.origin import ABROAD
from core.run.run import Run
from core.run.scorer import model_scorer
from core.run.spaces import embed_market
from core.scoring.neighbours import NEIGHBOURS, VectorNeighbours
from core.scoring.scorer import Named
from core.training.start import train

TOWNS = (
    "trentino-2015-10", "singapore-2023-09", "salem-or-2023-03", "albany-2024-11", "barossa-valley-2023-06",
    "antwerp-2015-10", "santa-cruz-county-2015-10", "oakland-2015-07",
)  # fmt: skip
ZERO, FINE, LATE, ALONE = "zero-shot", "fine-tuned", "fine-tuned, late", "alone"
SERVED, NO_MODEL, BESIDE = (
    "zero-shot + neighbours + recency",
    "neighbours + recency",
    "zero-shot + neighbours",
)
ATTRIBUTES = NEIGHBOURS["attributes"]
#: Whose difference is told.
PAIRS = (
    (ZERO, ATTRIBUTES), (BESIDE, ATTRIBUTES), (SERVED, NO_MODEL), (ZERO, ALONE), (FINE, ALONE), (LATE, FINE)
)  # fmt: skip
METRIC = "recall@30"


def market_of(town: str, data: Path, out: Path, without: list[str]) -> Market:
    """The market of a town, imported once, `without` these columns."""
    folder = out / "markets" / town
    if not (folder / "market.toml").is_file():
        import_market("inside-airbnb", data / "inside-airbnb" / town, folder)
        config = MarketConfig.load(folder / "market.toml")
        kept = {name: one for name, one in config.attributes.items() if name not in without}
        excluded = list(dict.fromkeys([*config.excluded, *without]))
        config.model_copy(update={"attributes": kept, "excluded": excluded}).save(folder / "market.toml")
    return Market.open(folder)


def trained(market: Any, run: Path, **options: Any) -> None:
    """Train, unless the run is there; an interrupted training goes on."""
    if not (run / "run.toml").is_file():
        with shown(True) as report:
            train(market, run, resume=(run / ".training" / "run.toml").is_file(), progress=report, **options)


def measure(
    town: str,
    seed: int,
    markets: dict[str, Market],
    out: Path,
    options: dict[str, Any],
    fine: bool = True,
    alone: bool = True,
) -> dict:
    """The line of a town and seed."""
    here, runs, started = markets[town], out / "runs" / f"{town}-{seed}", time.process_time()
    trained([one for name, one in markets.items() if name != town], runs / "others", seed=seed, **options)
    if not (runs / "zero" / "run.toml").is_file():
        embed_market(here, runs / "zero", None, runs / "others")
    zero = Run.open(runs / "zero", here)
    log, catalogue, split = zero.log, zero.catalogue, zero.split()
    near = VectorNeighbours.tune(zero.vectors("attributes"), log, split, catalogue, ATTRIBUTES, seed)
    added = {
        one.name: one for one in with_serving(model_scorer(zero), [], [near], log, split, catalogue, seed)
    }
    scorers: list[Any] = [
        replace(model_scorer(zero), name=ZERO),
        near,
        Named(NO_MODEL, with_serving(near, [], [], log, split, catalogue, seed)[-1]),
        Named(BESIDE, added["model + neighbours"]),
        Named(SERVED, added["model + neighbours + recency"]),
    ]
    if alone:
        # A small market's default adds recency to its lists; here it stands in rows of its own.
        trained(here, runs / ALONE, seed=seed, **options, training={"recency_days": 0})
        scorers.append(replace(model_scorer(Run.open(runs / ALONE, here)), name=ALONE))
    if fine:
        trained(here, runs / "fine", seed=seed, start=runs / "others")
        late = {"training": {"late_interaction": ABROAD}}
        trained(here, runs / "late", config=late, seed=seed, start=runs / "others")
        scorers += [
            replace(model_scorer(Run.open(runs / folder, here)), name=name)
            for folder, name in (("fine", FINE), ("late", LATE))
        ]
    found = evaluate(scorers, log, split, catalogue, seed=seed)
    column = found.cutoffs.names.index(METRIC)
    values = {name: found.user_values(name)[:, column].round(6).tolist() for name in found.names}
    return {
        "town": town,
        "seed": seed,
        "listings": log.listings,
        "queries": len(found.queries),
        "processor_s": round(time.process_time() - started),
        METRIC: {name: float(np.mean(of)) for name, of in values.items()},
        "by user": values,
    }


def table(lines: list[dict]) -> str:
    """Means over the seeds of each town, and differences with p after Holm over the towns."""
    towns = list(dict.fromkeys(line["town"] for line in lines))
    means = {town: over_seeds([line for line in lines if line["town"] == town]) for town in towns}
    names = list(dict.fromkeys(name for one in means.values() for name in one))
    rows = [["town", *names]]
    rows += [
        [town, *(f"{one[n].mean():.3f}" if n in one else "-" for n in names)] for town, one in means.items()
    ]
    told = ["\n".join("  ".join(f"{cell:<28}" for cell in row).rstrip() for row in rows)]
    for a, b in PAIRS:
        both = [town for town, one in means.items() if a in one and b in one]
        found = [paired_difference(means[town][a], means[town][b]) for town in both]
        for town, one, p in zip(both, found, holm(np.array([d.p_value for d in found])), strict=True):
            told.append(f"{town}: {a} - {b} {one.value:+.3f} ({one.low:+.3f} to {one.high:+.3f}), p {p:.4f}")
    return "\n".join(told)


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
    parser.add_argument("--seeds", default="0")
    parser.add_argument("--config", type=Path)
    parser.add_argument("--preset")
    parser.add_argument("--without", default="", help="columns that are left out, a,b")
    parser.add_argument("--no-fine", action="store_true")
    parser.add_argument("--no-alone", action="store_true")
    given = parser.parse_args()
    without = [name for name in given.without.split(",") if name]
    markets = {town: market_of(town, given.data, given.out, without) for town in TOWNS}
    options = {"config": given.config, **({"preset": given.preset} if given.preset else {})}
    path = given.out / "transfer.jsonl"
    lines = [json.loads(line) for line in path.read_text().splitlines()] if path.is_file() else []
    for seed in map(int, given.seeds.split(",")):
        for town in given.towns.split(","):
            if any(line["town"] == town and line["seed"] == seed for line in lines):
                continue
            lines.append(
                measure(town, seed, markets, given.out, options, not given.no_fine, not given.no_alone)
            )
            with path.open("a") as stream:
                stream.write(json.dumps(lines[-1]) + "\n")
            print(
                json.dumps({key: value for key, value in lines[-1].items() if key != "by user"}), flush=True
            )
    print(table(lines))


if __name__ == "__main__":
    main()
