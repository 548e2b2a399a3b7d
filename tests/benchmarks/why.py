"""Reasons: `python -m tests.benchmarks.why [RUN] [--requests 200] [--cases 100] [--json]`.

How long `GET /recommend/USER?k=10&why=1` takes, one request at a time against a server of its own: within the 200 ms that it
has by default, told whole however long it takes, and without reasons; with the processor time that the server needs for each,
which tells more than the clock where others use the cores. Nothing is kept of the first `--requests`, as of listings nobody asked
about before; *again* are the same requests a second time. And whether counterfactuals are those of encoding anew: of users, recommended listings and their parts drawn by
chance the listing is read from tables that lack the attribute, or the history without the event, by the readable model.
"""

import argparse
import json
import time
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import numpy as np
import psutil
from tests.benchmarks.serve import DEMO, serving

from listing_vibes.features.photos.vectors import load_photo_vectors
from listing_vibes.insight.explain.reasons import explain
from listing_vibes.market.columns import Columns as C
from listing_vibes.market.log import EventLog
from listing_vibes.run.run import Run

#: What is asked for beside the list.
ASKED = {"plain": "", "why": "&why=1", "whole": "&why=1&why_ms=10000"}


def latencies(path: Path, run: Run, requests: int) -> dict[str, Any]:
    """Milliseconds by the clock and of the server's processors, and of how many listings all was told."""
    rng = np.random.default_rng(0)
    users = [run.log.users[user] for user in rng.choice(len(run.log.users), requests + 5)]
    found: dict[str, Any] = {}
    for name, more in ASKED.items():
        with serving(path, 64) as (address, process):
            server = psutil.Process(process)
            for user in users[:5]:  # warm
                urlopen(f"{address}/recommend/{user}?k=10{more}").read()
            for turn in (name, f"{name} again"):
                spent, used, whole, listed = [], [], 0, 0
                for user in users[5:]:
                    begin, before = time.perf_counter(), sum(server.cpu_times()[:2])
                    answer = json.loads(urlopen(f"{address}/recommend/{user}?k=10{more}").read())
                    spent.append(1000 * (time.perf_counter() - begin))
                    used.append(1000 * (sum(server.cpu_times()[:2]) - before))
                    listed += len(answer["results"])
                    whole += sum(one.get("why", {}).get("photos") is not None for one in answer["results"])
                found[turn] = {f"p{q}_ms": round(float(np.percentile(spent, q)), 1) for q in (50, 95, 99)} | {
                    "under_300_ms": float(np.mean(np.array(spent) < 300)),
                    "processor_mean_ms": round(float(np.mean(used)), 1),
                    "processor_p95_ms": round(float(np.percentile(used, 95)), 1),
                    "listings_told_whole": whole / listed,
                }
    return found


def agreement(run: Run, cases: int) -> dict[str, Any]:
    """Greatest difference of `adds` and the shares of cases whose place is the same, and within one."""
    rng, vectors, engine = np.random.default_rng(1), run.vectors("model"), run.engine.exact()
    photos = load_photo_vectors(run.market.path, run.market.photos, engine.featurizer.photo_encoder or None)
    if photos is None:
        raise SystemExit(
            f"This needs the photos' vectors; run `vibes embed {run.market.path} NEW_RUN` first."
        )
    kinds = ["events", "attributes", "photos"]
    off, places, counts = [], [], dict.fromkeys(kinds, 0)
    while len(off) < cases:
        number = int(rng.integers(len(run.log.users)))
        start, end = run.log.history_at(number, None)
        if end - start < 2:
            continue
        user = run.log.users[number]
        listing = run.recommend(user, 30)[C.LISTING].iloc[int(rng.integers(30))]
        (found,) = explain(run, user, listing)
        kind = kinds[len(off) % len(kinds)]
        told = getattr(found, kind)
        if not told:
            continue
        part, row = told[int(rng.integers(len(told)))], run.row(listing)
        allowed = run.catalogue.live(run.after_last_event).copy()
        allowed[run.log.listing[start:end]] = False
        allowed[row] = False
        mine = _user(run, run.log, np.arange(start, end))
        scores = vectors @ mine
        whole = float(scores[row])
        if kind == "events":
            without = vectors @ _user(run, run.log, np.delete(np.arange(start, end), part["event"] - 1))
        else:
            market, seen = run.market, photos
            if kind == "attributes":
                table = market.listings.copy()
                for column in (C.LATITUDE, C.LONGITUDE) if part["name"] == C.PLACE else (part["name"],):
                    table[column] = table[column].where(table.index != row)
                market = replace(market, listings=table)
            else:
                ok = photos.ok.copy()
                ok[np.flatnonzero(market.photos[C.LISTING] == listing)[part["photo"]]] = False
                seen = replace(photos, ok=ok)
            features = [engine.featurizer.transform(*one) for one in ((run.market, photos), (market, seen))]
            both = [
                replace(engine, features=one).encode_listings(rows=np.array([row]))[0] @ mine
                for one in features
            ]
            without = scores.copy()
            without[row] += both[1] - both[0]
        off.append(abs(part["adds"] - (whole - float(without[row]))))
        places.append(part["place_without"] - (1 + int((without[allowed] > without[row]).sum())))
        counts[kind] += 1
    return {
        "cases": counts,
        "greatest_difference": float(max(off)),
        "same_place": float(np.mean(np.array(places) == 0)),
        "place_off_at_most": int(np.abs(places).max()),
    }


def _user(run: Run, log: EventLog, rows: np.ndarray) -> np.ndarray:
    """(d,) the vector of the events `rows` of a log as one history."""
    part = replace(
        log, user=np.zeros(len(rows), np.int32), listing=log.listing[rows], time=np.arange(len(rows)),
        action=log.action[rows], duration=log.duration[rows], start=np.array([0, len(rows)]), users=[""],
    )  # fmt: skip
    ends = np.array([0]), np.array([len(rows)])
    return run.engine.exact().encode_histories(part, *ends, listings=run.vectors("model"))[0]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", nargs="?", type=Path, default=DEMO)
    parser.add_argument("--requests", type=int, default=200)
    parser.add_argument("--cases", type=int, default=100)
    parser.add_argument("--json", action="store_true")
    told = parser.parse_args()
    run = Run.open(told.run)
    found = {"latency": latencies(told.run, run, told.requests), "agreement": agreement(run, told.cases)}
    print(json.dumps(found, indent=None if told.json else 1))


if __name__ == "__main__":
    main()
