"""Month after month on a growing log: a training from the last model beside one from nothing.

    python -m tests.benchmarks.continual OUT [--data FOLDER] [--town albany-2024-11] [--seeds 0,1,2] [--until .5,.6,.7,.8]

The log of a town is cut at several T1, given as shares of its events; T2 lies a tenth of the events after each. At the
first one a model is trained from nothing; at each later one a model from nothing ("anew") and one from the last step's
model ("from"), both asked, as their lists are, what came after that step's T2. `OUT/continual.jsonl` gets one line of JSON a step and seed with
each user's recall@30 and the processor time of both trainings; what is done is not done again. At the end a table: means
over the seeds, paired differences over users, p after Holm over the steps.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np

from core.evaluation.intervals import holm, paired_difference
from core.evaluation.protocol import evaluate
from core.market.market import Market
from core.run.run import Run
from core.run.scorer import as_served, model_scorer
from core.scoring.scorer import Named
from tests.benchmarks.transfer import METRIC, market_of, over_seeds, trained

ANEW, FROM = "anew", "from"
#: Share of the events between T1 and T2.
VALIDATION = 0.1


def step(market: Market, until: float, times: np.ndarray, runs: Path, last: Path | None, seed: int) -> dict:
    """The line of a step: both trainings until the share `until` of the events (N,) `times`, asked what came after."""
    t1, t2 = (int(np.quantile(times, share)) for share in (until, until + VALIDATION))
    split, seconds, folders = {"t1": t1, "t2": t2}, {}, {ANEW: runs / f"anew-{until}"}
    if last is not None:
        folders[FROM] = runs / f"from-{until}"
    for name, folder in folders.items():
        started = time.process_time()
        more: dict[str, Any] = {"start": last} if name == FROM else {}
        trained(market, folder, config={"split": split}, seed=seed, **more)
        seconds[name] = round(time.process_time() - started, 1)
    opened = {name: Run.open(folder, market) for name, folder in folders.items()}
    anew = opened[ANEW]
    scorers = [Named(name, as_served(run, model_scorer(run))) for name, run in opened.items()]
    found = evaluate(scorers, anew.log, anew.split(), anew.catalogue, seed=seed)
    column = found.cutoffs.names.index(METRIC)
    values = {name: found.user_values(name)[:, column].round(6).tolist() for name in found.names}
    return {
        "until": until,
        "seed": seed,
        "queries": len(found.queries),
        "processor_s": seconds,
        METRIC: {name: float(np.mean(of)) for name, of in values.items()},
        "by user": values,
    }


def table(lines: list[dict]) -> str:
    """Each step's means over the seeds and its difference, with p after Holm over the steps."""
    steps = sorted({line["until"] for line in lines if FROM in line[METRIC]})
    means = [over_seeds([line for line in lines if line["until"] == one]) for one in steps]
    found = [paired_difference(one[FROM], one[ANEW]) for one in means]
    told = []
    for until, one, d, p in zip(steps, means, found, holm(np.array([d.p_value for d in found])), strict=True):
        mine = [line for line in lines if line["until"] == until]
        spent = {name: np.mean([line["processor_s"][name] for line in mine]) for name in (ANEW, FROM)}
        told.append(
            f"until {until}: {mine[0]['queries']} queries, anew {one[ANEW].mean():.3f}, from {one[FROM].mean():.3f}, difference "
            f"{d.value:+.3f} ({d.low:+.3f} to {d.high:+.3f}), p {p:.4f}; processor {spent[ANEW]:.0f} s and {spent[FROM]:.0f} s"
        )
    return "\n".join(told)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("out", type=Path)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--town", default="albany-2024-11")
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--until", default=".5,.6,.7,.8")
    given = parser.parse_args()
    market = market_of(given.town, given.data, given.out, [])
    times = np.asarray(market.events["timestamp"].dropna().astype("int64"))
    path = given.out / "continual.jsonl"
    lines = [json.loads(line) for line in path.read_text().splitlines()] if path.is_file() else []
    for seed in map(int, given.seeds.split(",")):
        runs, last = given.out / "runs" / f"{given.town}-{seed}", None
        for until in map(float, given.until.split(",")):
            if not any(line["until"] == until and line["seed"] == seed for line in lines):
                lines.append(step(market, until, times, runs, last, seed))
                with path.open("a") as stream:
                    stream.write(json.dumps(lines[-1]) + "\n")
                told = {key: value for key, value in lines[-1].items() if key != "by user"}
                print(json.dumps(told), flush=True)
            last = runs / (f"anew-{until}" if last is None else f"from-{until}")
    print(table(lines))


if __name__ == "__main__":
    main()
