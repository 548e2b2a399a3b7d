"""Month after month on a growing log: a training from the last model beside one from nothing.

    python -m tests.benchmarks.continual OUT [--data FOLDER] [--town albany-2024-11] [--seeds 0,1,2] [--until .5,.6,.7,.8]

The log of a town is cut at several T1, given as shares of its events; T2 lies a tenth of the events after each. At the
first one a model is trained from nothing; at each later one a model from nothing ("anew") and one from the last step's
model ("from"), both asked, as their lists are, what came after that step's T2. What is forgotten: the last two models, anew and
step by step, and the first one, which was trained there alone, are asked what came between the first two T2, which by then
trained both of the last. `OUT/continual.jsonl` gets one line of JSON a step and seed with each user's recall@30 and the processor
time of both trainings; what is done is not done again. At the end a table: means over the seeds, paired differences over
users, p after Holm over the steps, and apart from these over the two differences of what is forgotten.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from tests.benchmarks.transfer import METRIC, market_of, over_seeds, trained

from listing_vibes.evaluation.intervals import holm, paired_difference
from listing_vibes.evaluation.protocol import evaluate
from listing_vibes.market.market import Market
from listing_vibes.market.splits import Split
from listing_vibes.run.run import Run
from listing_vibes.run.scorer import as_served, model_scorer
from listing_vibes.scoring.scorer import Named

ANEW, FROM, BEFORE, FORGOTTEN = "anew", "from", "trained there", "what is forgotten"
#: Share of the events between T1 and T2.
VALIDATION = 0.1


def step(market: Market, until: float, times: np.ndarray, runs: Path, last: Path | None, seed: int) -> dict:
    """The line of a step: both trainings until the share `until` of the events (N,) `times`, asked what came after."""
    t1, t2 = (int(np.quantile(times, share)) for share in (until, until + VALIDATION))
    split, seconds, folders = {"t1": t1, "t2": t2}, {}, {ANEW: runs / f"anew-{until}"}
    if last is not None:
        folders[FROM] = runs / f"from-{until}"
    for name, folder in folders.items():
        more: dict[str, Any] = {"start": last} if name == FROM else {}
        started, there = time.process_time(), (folder / "run.toml").is_file()
        trained(market, folder, config={"split": split}, seed=seed, **more)
        if not there:
            seconds[name] = round(time.process_time() - started, 1)
    opened = {name: Run.open(folder, market) for name, folder in folders.items()}
    return {"until": until, "seed": seed, "processor_s": seconds, **asked(opened, opened[ANEW].split(), seed)}


def forgotten(market: Market, first: float, second: float, final: float, runs: Path, seed: int) -> dict:
    """The line of what is forgotten: the models until the shares `first` and `final`, asked what came between the first two T2."""
    folders = {BEFORE: f"anew-{first}", ANEW: f"anew-{final}", FROM: f"from-{final}"}
    opened = {name: Run.open(runs / folder, market) for name, folder in folders.items()}
    split, end = opened[BEFORE].split(), Run.open(runs / f"anew-{second}", market).split().t2
    assert end is not None  # of a log with timestamps
    old = replace(split, test=split.test.take(split.test.at < end))
    return {"until": FORGOTTEN, "seed": seed, "processor_s": {}, **asked(opened, old, seed)}


def asked(runs: dict[str, Run], split: Split, seed: int) -> dict:
    """What the models of the `runs` find, as their lists are, of the test queries of `split`."""
    one = next(iter(runs.values()))
    scorers = [Named(name, as_served(run, model_scorer(run))) for name, run in runs.items()]
    found = evaluate(scorers, one.log, split, one.catalogue, seed=seed)
    column = found.cutoffs.names.index(METRIC)
    values = {name: found.user_values(name)[:, column].round(6).tolist() for name in found.names}
    means = {name: float(np.mean(of)) for name, of in values.items()}
    return {"queries": len(found.queries), METRIC: means, "by user": values}


def table(lines: list[dict]) -> str:
    """Means over the seeds and differences of each step, with p after Holm over the steps, and of what is forgotten, with p
    after Holm over its own two: whether steps are apart is one question, whether the past is lost another."""
    names = list(dict.fromkeys(line["until"] for line in lines if FROM in line[METRIC]))
    means = {one: over_seeds([line for line in lines if line["until"] == one]) for one in names}
    steps = [(one, ANEW) for one in names if one != FORGOTTEN]
    past = [(one, other) for one in names if one == FORGOTTEN for other in (ANEW, BEFORE)]
    found = {
        (one, other): paired_difference(means[one][FROM], means[one][other]) for one, other in steps + past
    }
    safe = {
        one: p
        for family in (steps, past)
        for one, p in zip(family, holm(np.array([found[one].p_value for one in family])), strict=True)
    }
    told = []
    for (until, other), d in found.items():
        mine = [line for line in lines if line["until"] == until]
        means_of = ", ".join(f"{name} {values.mean():.3f}" for name, values in means[until].items())
        spent = [line["processor_s"] for line in mine if len(line["processor_s"]) == 2]
        times = ", ".join(
            f"{np.mean([s[name] for s in spent]):.0f} s {name}" for name in (ANEW, FROM) if spent
        )
        told.append(
            f"until {until}: {mine[0]['queries']} queries, {means_of}, from - {other} {d.value:+.3f} "
            f"({d.low:+.3f} to {d.high:+.3f}), p {safe[until, other]:.4f} after Holm; {times}"
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
    shares = [float(one) for one in given.until.split(",")]
    for seed in map(int, given.seeds.split(",")):
        runs, last = given.out / "runs" / f"{given.town}-{seed}", None
        # Two steps more train what came between the first two T2.
        for until in [*shares, *([FORGOTTEN] if len(shares) > 2 else [])]:
            if not any(line["until"] == until and line["seed"] == seed for line in lines):
                if isinstance(until, float):
                    lines.append(step(market, until, times, runs, last, seed))
                else:
                    lines.append(forgotten(market, shares[0], shares[1], shares[-1], runs, seed))
                with path.open("a") as stream:
                    stream.write(json.dumps(lines[-1]) + "\n")
                told = {key: value for key, value in lines[-1].items() if key != "by user"}
                print(json.dumps(told), flush=True)
            last = runs / (f"anew-{until}" if last is None else f"from-{until}")
    print(table(lines))


if __name__ == "__main__":
    main()
