"""What it is worth to know which events say "not this", on the demo market with planted ones.

Beside the clicks of the simulated users lies how interested each was when they saw the whole gallery, which the market does not
have. Half of the events in the fifth with the least interest, drawn by chance, become `hide`. Then are trained, by the seeds given,

    ordinary    hides are actions like any other (`unwanted = []`), and may be positives
    left out    the log without them
    subtracted  the model of "left out" over the log with them: it does not read them, what is like them loses
    learned     hides are unwanted, and the model learns from them

and asked the test queries that all of them have: the moments at which a wanted event comes next. Nobody's log: the figures show the
tool, not the world.

    python -m tests.benchmarks.hides WORK trained [--seeds 0 1 2] [--steps N]
    python -m tests.benchmarks.hides WORK shipped

The second trains nothing: the demo's own model, neighbours and ItemKNN read the hides as actions like any other, not at all, or
subtract them, on 4,000 of the queries.
"""

from __future__ import annotations

import argparse
import json
import shutil
import time
from pathlib import Path

import numpy as np

from listing_vibes.demo.bundle import ENCODER, SHIPPED
from listing_vibes.demo.shipped import ROOT, bundled_run
from listing_vibes.demo.simulate import simulate
from listing_vibes.evaluation.intervals import bootstrap_means, interval
from listing_vibes.features.photos.tail import load_photo_encoder
from listing_vibes.features.photos.vectors import embed_photos, load_photo_vectors
from listing_vibes.market.columns import Columns as C
from listing_vibes.market.config import MarketConfig
from listing_vibes.market.log import EventLog
from listing_vibes.market.market import Market
from listing_vibes.market.splits import Queries, make_split
from listing_vibes.market.writer import write_market
from listing_vibes.model.settings import Resolved
from listing_vibes.run.run import Run
from listing_vibes.run.scorer import model_scorer
from listing_vibes.scoring.baselines.itemknn import ItemKNN
from listing_vibes.scoring.interactions import Interactions
from listing_vibes.scoring.metrics import user_means
from listing_vibes.scoring.neighbours import VectorNeighbours
from listing_vibes.scoring.ranking import batches, pessimistic_ranks
from listing_vibes.training.train import train

FIFTH, HALF = 0.2, 0.5
ARMS = ("ordinary", "left out", "learned")
K = 30


def markets(work: Path) -> dict[str, Market]:
    """The market of each arm, and "shown": with hides as unwanted, on which all are asked."""
    folders = {name: work / name.replace(" ", "-") for name in ARMS}
    if not (work / "made").is_file():
        world = simulate(work / "whole", ROOT)
        market, events = Market.open(work / "whole"), world.events
        rng = np.random.default_rng(0)
        low = events["interest"] < events["interest"].quantile(FIFTH)
        hidden = low.to_numpy() & (rng.random(len(events)) < HALF)
        events = events.drop(columns="interest")
        events[C.ACTION] = np.where(hidden, "hide", events[C.ACTION])
        for name, folder in folders.items():
            told = {"unwanted": [] if name == "ordinary" else ["hide"], "actions": [*market.actions, "hide"]}
            config = MarketConfig(**market.config.model_dump(exclude_defaults=True) | told)
            rows = events[~hidden] if name == "left out" else events
            write_market(folder, config, world.listings, world.photos, rows, ROOT)
            if name == ARMS[0]:
                embed_photos(folder, Market.open(folder).photos, load_photo_encoder(ENCODER))
            else:
                shutil.copytree(folders[ARMS[0]] / ".cache", folder / ".cache", dirs_exist_ok=True)
        (work / "made").write_text("")
    return {name: Market.open(folder) for name, folder in folders.items()}


def main(work: Path, seeds: list[int], steps: int) -> None:
    """Train, ask and tell."""
    all_of = markets(work)
    logs = {name: EventLog.from_market(market) for name, market in all_of.items()}
    log = logs["learned"]
    t1, t2 = (int(one) for one in np.quantile(log.time, [0.7, 0.8], method="lower"))
    told: dict[str, list[np.ndarray]] = {}
    queries: dict[str, Queries] = {}
    for seed in seeds:
        for name, market in all_of.items():
            run = work / f"{name.replace(' ', '-')}-{seed}"
            if not (run / "run.toml").is_file():
                began = time.process_time()
                settings = Resolved.of(
                    {
                        **SHIPPED,
                        "seed": seed,
                        "training": {"max_steps": steps},
                        "split": {"protocol": "temporal", "t1": t1, "t2": t2},
                    }
                )
                photos = load_photo_vectors(market.path, market.photos, ENCODER)
                train(market, run, settings, photos)
                print(f"{run.name}: {time.process_time() - began:.0f} s of a processor", flush=True)
        runs = {name: Run.open(work / f"{name.replace(' ', '-')}-{seed}") for name in ARMS}
        queries = queries or shared(runs, t1, t2)
        runs["subtracted"] = Run.open(work / f"left-out-{seed}", all_of["learned"])
        for name, run in runs.items():
            of = "learned" if name == "subtracted" else name
            scorers = {"model": model_scorer(run)}
            if seed == seeds[0]:
                split = make_split(run.log, run.catalogue, "temporal", t1, t2)
                scorers |= {
                    f"{space} neighbours": VectorNeighbours.of(run.vectors(space), run.log, 0.8)
                    for space in ("photos", "attributes")
                }
                scorers["ItemKNN"] = ItemKNN.tune(run.log, split, run.catalogue, 0)
            for what, scorer in scorers.items():
                found = hits(scorer, run, queries[of], log, queries["learned"])
                told.setdefault(f"{what}: {name}", []).append(found)
    users = {
        name: user_means(np.mean(found, axis=0)[:, None], queries["learned"].user)[:, 0]
        for name, found in told.items()
    }
    document = {
        "events": len(log), "hides": int((~log.wanted).sum()), "queries": len(queries["learned"]), "users": len(next(iter(users.values()))),
        "t1": t1, "t2": t2, "seeds": seeds,
        "recall@30": {name: summary(values) for name, values in users.items()},
        "of each seed": {name: [float(user_means(one[:, None], queries["learned"].user).mean()) for one in found] for name, found in told.items()},
        "differences": {},
    }  # fmt: skip
    for what in dict.fromkeys(name.split(": ")[0] for name in users):
        for one, other in (
            ("learned", "left out"),
            ("learned", "ordinary"),
            ("subtracted", "left out"),
            ("learned", "subtracted"),
        ):
            document["differences"][f"{what}: {one} - {other}"] = summary(
                users[f"{what}: {one}"] - users[f"{what}: {other}"]
            )
    text = json.dumps(document, indent=1)
    (work / "hides.json").write_text(text)
    print(text)


def shipped(work: Path) -> None:
    """Ask the demo's own model, which learned from those events as clicks, and what needs no training."""
    told, market = markets(work)["ordinary"], Market.open(ROOT)
    hidden = told.events[C.ACTION] == "hide"
    runs = {}
    for name in ("ordinary", "left out", "subtracted"):
        config = market.config.model_copy(update={"unwanted": [] if name == "ordinary" else ["hide"]})
        events = told.events[~hidden].reset_index(drop=True) if name == "left out" else told.events
        actions = [*market.actions, "hide"]
        of = Market(market.path, config, market.listings, market.photos, events, actions, market.attributes)
        runs[name] = Run.open(bundled_run(), of)
    log = runs["subtracted"].log
    t1, t2 = (int(one) for one in np.quantile(log.time, [0.7, 0.8], method="lower"))
    queries = shared(runs, t1, t2)
    count = len(queries["ordinary"])
    some = np.sort(np.random.default_rng(0).choice(count, min(4000, count), replace=False))
    queries = {name: of.take(some) for name, of in queries.items()}
    same = queries["subtracted"]
    hiding = np.unique(log.not_this(same.start, same.end)[0])
    for what in ("model", "photos", "attributes", "ItemKNN"):
        found = {}
        for name, run in runs.items():
            train = make_split(run.log, run.catalogue, "temporal", t1, t2).train
            scorer = (
                model_scorer(run)
                if what == "model"
                else ItemKNN.fit(Interactions.of(run.log, train))
                if what == "ItemKNN"
                else VectorNeighbours.of(run.vectors(what), run.log, 0.8)
            )
            found[name] = hits(scorer, run, queries[name], log, same)
        for which, rows in (("all", np.arange(len(some))), ("with a hide", hiding)):
            users = {
                name: user_means(one[rows][:, None], same.user[rows])[:, 0] for name, one in found.items()
            }
            print(what, which, len(rows), {name: summary(values) for name, values in users.items()})
            for one, other in (
                ("left out", "ordinary"),
                ("subtracted", "left out"),
                ("subtracted", "ordinary"),
            ):
                print(f"  {one} - {other}", summary(users[one] - users[other]))


def summary(values: np.ndarray) -> list[float]:
    """Mean over users with its 95 % interval."""
    low, high = interval(bootstrap_means(values[:, None]))
    return [round(float(one), 4) for one in (values.mean(), low[0], high[0])]


def shared(runs: dict[str, Run], t1: int, t2: int) -> dict[str, Queries]:
    """The test queries that all have, in one order."""
    keys, tests = {}, {}
    for name, run in runs.items():
        tests[name] = make_split(run.log, run.catalogue, "temporal", t1, t2).test
        test = tests[name]
        keys[name] = {
            (run.log.users[user], int(at), int(target)): row
            for row, (user, at, target) in enumerate(zip(test.user, test.at, test.target, strict=True))
        }
    common = sorted(set.intersection(*(set(one) for one in keys.values())))
    return {name: tests[name].take(np.array([keys[name][key] for key in common])) for name in runs}


def hits(scorer, run: Run, queries: Queries, log: EventLog, same: Queries) -> np.ndarray:
    """(Q,) whether the target is among the first 30 of the candidates that are in no history, hides included, of any arm."""
    ranks = np.zeros(len(queries), np.int64)
    for rows, batch, allowed in batches(run.log, queries, run.catalogue, 256):
        allowed &= run.catalogue.candidates(log, same.take(rows))
        ranks[rows] = pessimistic_ranks(scorer.score(batch), allowed, batch.target)
    return (ranks <= K).astype(float)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("work", type=Path)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--steps", type=int, default=1500)
    parser.add_argument("what", nargs="?", choices=["trained", "shipped"], default="trained")
    given = parser.parse_args()
    if given.what == "shipped":
        shipped(given.work)
    else:
        main(given.work, given.seeds, given.steps)
