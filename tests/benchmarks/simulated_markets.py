"""The regret of the default ranking over small simulated markets of random tastes, attributes and sizes.

    python -m tests.benchmarks.simulated_markets OUT [--first 100] [--markets 40] [--minutes 60] [--towns 0]

Every fourth market is by the generator of the demo with random parameters, the others by that of `tests.benchmarks.random_markets`. None
has photos. Each is trained with the default settings and the smallest preset, and evaluated with the fast baselines. `OUT/regret.jsonl`
gets a line per market; what is there is not measured again. The regret is the recall@30 of the best other row of `vibes evaluate` without
ids minus that of the default ranking, where positive. The best row is chosen on the same queries, which overstates it; "by halves" it is
chosen on half of the users and compared on the others.

With `--towns` it only writes that many markets whose attributes have the names and values of public towns to OUT/towns, to train a
model on that is used in such a town: `vibes train OUT/towns/* RUN`.
"""

from __future__ import annotations

import json
import shutil
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from tests.benchmarks.arguments import parse_arguments
from tests.benchmarks.random_markets import Recipe, simulate, simulate_demo

from listing_vibes.evaluation.result import Evaluation
from listing_vibes.evaluation.run_evaluation import evaluate
from listing_vibes.market.market import Market
from listing_vibes.market.splits import make_split
from listing_vibes.scoring.metrics import METRIC, METRICS
from listing_vibes.scoring.ranking_names import DEFAULT_RANKING
from listing_vibes.training.api import train

#: How often users are split in halves.
SPLITS = 50
#: Rows of an evaluation that use ids.
IDS = ("ItemKNN", "EASE", "ALS", "ids")


def regret_of(evaluation: Evaluation) -> dict[str, Any]:
    """Return recall@30 of all rows, the best other row without ids, and its paired difference to the default ranking."""
    rows = {name: result[METRIC]["value"] for name, result in evaluation.results.items()}
    others = [name for name in rows if name != DEFAULT_RANKING and not any(word in name for word in IDS)]
    best = max(others, key=lambda name: rows[name] or 0.0)
    pair = evaluation.differences[f"{DEFAULT_RANKING} - {best}"][METRIC]
    interval = {"low": -(pair["high"] or 0.0), "high": -(pair["low"] or 0.0)}
    behind = -(pair["value"] or 0.0)
    column = METRICS.index(METRIC)
    values = {name: evaluation.user_values(name)[:, column] for name in [DEFAULT_RANKING, *others]}
    halves = {"by halves": difference_by_halves(np.column_stack([*values.values()]))}
    return {"rows": rows, "best": best, "difference": behind, "regret": max(behind, 0.0)} | interval | halves


def difference_by_halves(values: np.ndarray) -> float:
    """Return the mean difference of the best other row to the first one, chosen on one half of the users and measured on the others.

    Args:
        values: (U, S) the metric of each user by row, the first of which is the default ranking.
    """
    rng, differences = np.random.default_rng(0), []
    for _ in range(SPLITS):
        users = rng.permutation(len(values))
        half = len(values) // 2
        for chosen, measured in ((users[:half], users[half:]), (users[half:], users[:half])):
            best = 1 + int(np.argmax(values[chosen, 1:].mean(axis=0)))
            differences.append(float(np.mean(values[measured, best] - values[measured, 0])))
    return float(np.mean(differences))


def measure(folder: Path, seed: int) -> dict[str, Any]:
    """Simulate, train and evaluate market number `seed`; return the line of `regret.jsonl`."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    started, is_demo = time.process_time(), seed % 4 == 3
    recipe = Recipe.draw(seed)
    if is_demo:
        simulate_demo(folder / "market", seed)
    else:
        simulate(folder / "market", recipe)
    market = Market.open(folder / "market")
    run = train(market, folder / "run", preset="tiny")
    blend = run.manifest.settings.blend
    evaluation = evaluate(run, baselines="fast")
    split = make_split(run.log, run.catalogue, run.split().protocol)
    about = {} if is_demo else {key: value for key, value in vars(recipe).items() if key != "worth"}
    return regret_of(evaluation) | {
        "market": seed,
        "generator": "demo" if is_demo else "simulate",
        "listings": run.log.listings,
        "users": len(run.log.users),
        "events": len(run.log),
        "protocol": split.protocol,
        "cold": float(evaluation.cold_listing.mean()),
        "valid": len(split.valid),
        "test": len(evaluation.queries),
        "blend": None if blend is None else blend.model_dump(),
        "recipe": about,
        "processor_s": round(time.process_time() - started),
    }


def table(lines: list[dict[str, Any]]) -> str:
    """Return one row per market, the worst first, and the mean regret."""
    frame = pd.DataFrame(lines).sort_values("regret", ascending=False)
    frame["default"] = [rows[DEFAULT_RANKING] for rows in frame["rows"]]
    size = ["market", "generator", "listings", "events", "valid", "test"]
    shown = frame[[*size, "default", "best", "regret", "low", "by halves"]].round(3).to_string(index=False)
    beyond = int((frame["low"] > 0).sum())
    return (
        f"{shown}\n{len(frame)} markets: mean regret {frame['regret'].mean():.4f}, largest {frame['regret'].max():.4f}, "
        f"{beyond} beyond their interval; by halves {frame['by halves'].mean():.4f}"
    )


def main() -> None:
    given = parse_arguments(__doc__, out=Path, first=100, markets=40, minutes=60, towns=0)
    given.out.mkdir(parents=True, exist_ok=True)
    for seed in range(given.towns):
        simulate(given.out / "towns" / str(seed), Recipe.draw(1000 + seed, town=True))
    if given.towns:
        return
    path, started = given.out / "regret.jsonl", time.monotonic()
    lines = [json.loads(line) for line in path.read_text().splitlines()] if path.is_file() else []
    for seed in range(given.first, given.first + given.markets):
        if any(line["market"] == seed for line in lines) or time.monotonic() - started > 60 * given.minutes:
            continue
        lines.append(measure(given.out / f"market-{seed}", seed))
        with path.open("a") as stream:
            stream.write(json.dumps(lines[-1]) + "\n")
        print(json.dumps({key: lines[-1][key] for key in ("market", "best", "difference")}), flush=True)
    print(table(lines))


if __name__ == "__main__":
    main()
