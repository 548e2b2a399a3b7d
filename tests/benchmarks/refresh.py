"""How long new rows take until a concurrent reader of the demo's run sees them, and what that costs beside a rebuild.

    python -m tests.benchmarks.refresh [--rounds 3]

Each round copies the demo, starts `vibes refresh --every 1s` and a reader in a process of its own that opens the run
again and again, puts 100 listings and 1,000 events into the watched folders, and waits for the reader to see both. In
the same round `vibes embed` makes the same market's run anew, with the photos and texts cached. Seconds of the clock
depend on what else the machine does; processor seconds hardly do.
"""

import argparse
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests"))

READER = """
import json, sys, time
from listing_vibes.market.columns import Columns as C
from listing_vibes.run.run import Run
path, seen, opens = sys.argv[1], None, 0
while True:
    run = Run.open(path)
    opens += 1
    market = run.market
    assert market.fingerprint == run.manifest.fingerprint
    assert run.listing_ids == market.listings[C.LISTING].tolist()
    assert len(run.vectors("model")) == len(run.listing_ids)
    assert set(run.pushes["candidate_id"]) <= set(run.listing_ids)
    state = [len(run.listing_ids), len(market.events), int(run.pushes["user_id"].nunique())]
    if state != seen:
        seen = state
        print(json.dumps({"at": time.time(), "state": state, "opens": opens}), flush=True)
    while not run.outdated:
        time.sleep(0.05)
"""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    rounds = [measure(seed) for seed in range(given.rounds)]
    found = {
        "machine": f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}",
        "rounds": rounds,
        "median": {
            name: statistics.median(one[name] for one in rounds)
            for name in ("visible_s", "refresh_processor_s", "rebuild_processor_s", "rebuild_s")
        },
    }
    print(json.dumps(found, indent=1))


def measure(seed: int) -> dict[str, object]:
    """One round."""
    from helpers.newcomers import new_events, new_listings
    from listing_vibes.market.columns import Columns as C
    from listing_vibes.market.market import Market

    with tempfile.TemporaryDirectory(prefix="vibes-") as folder:
        demo, new = Path(folder) / "demo", Path(folder) / "new"
        shutil.copytree(ROOT / "assets" / "demo", demo)
        for name in ("events", "listings"):
            (new / name).mkdir(parents=True)
        market = Market.open(demo)
        listings = new_listings(market, 100, seed)
        events = new_events(market, list(listings[C.LISTING]), 1000, 300, seed)
        vibes = [sys.executable, "-m", "listing_vibes"]
        watch = [
            "--events",
            str(new / "events"),
            "--listings",
            str(new / "listings"),
            "--every",
            "1s",
            "--json",
        ]
        with (
            piped([*vibes, "refresh", str(demo / "run"), *watch]) as refresh,
            piped([sys.executable, "-c", READER, str(demo / "run")]) as reader,
        ):
            before = told(reader)["state"]
            told(refresh)  # the first look found nothing; before the second, the model is loaded
            told(refresh)
            start, spent = time.time(), processor_s(refresh.pid)
            listings.to_parquet(new / "listings" / ".a", index=False)
            events.to_parquet(new / "events" / ".a", index=False)
            for name in ("listings", "events"):
                (new / name / ".a").rename(new / name / "a.parquet")
            states = [before]
            while states[-1][:2] != [before[0] + 100, before[1] + 1000]:
                line = told(reader)
                states.append(line["state"])
            looks = []
            while sum(look["events"] for look in looks) < 1000 or sum(look["new"] for look in looks) < 100:
                looks.append(told(refresh))
            spent = processor_s(refresh.pid) - spent
            refresh.terminate()
            stopped = refresh.wait()
            reader.kill()
        published = [look for look in looks if look["published"]]
        begun, children = time.time(), os.times()
        again = [*vibes, "embed", str(demo), str(Path(folder) / "whole"), "--model", str(demo / "run")]
        subprocess.run(again, check=True, stderr=subprocess.DEVNULL)
        after = os.times()
        users = sorted(events[C.USER].unique())
        return {
            "visible_s": round(line["at"] - start, 2),
            "look_s": [round(look["seconds"], 2) for look in published],
            "refresh_processor_s": round(spent, 2),
            "rebuild_s": round(time.time() - begun, 2),
            "rebuild_processor_s": round(
                after.children_user
                + after.children_system
                - children.children_user
                - children.children_system,
                2,
            ),
            "encoded": [look["encoded"] for look in published],
            "listings_of_a_rebuild": before[0] + 100,
            "beside_the_rebuild": beside(demo / "run", Path(folder) / "whole", users),
            "reader_states": states,
            "exit_after_sigterm": stopped,
        }


def beside(fresh: Path, whole: Path, users: list[str]) -> dict[str, object]:
    """The refreshed run beside the rebuilt one: all listings in all spaces, and the recommendations of `users`.

    A run keeps float16; the model may compute in bfloat16, where a listing's vector depends on those it is computed with.
    """
    import numpy as np

    from listing_vibes.run.run import Run

    ours, theirs = Run.open(fresh), Run.open(whole)
    if ours.listing_ids != theirs.listing_ids or ours.spaces != theirs.spaces:
        raise SystemExit("The refreshed run holds other listings or spaces than the rebuilt one.")
    pushed = dict(iter(ours.pushes.groupby("user_id")))
    overlap, same, scores = [], 0, [0.0]
    for user in users:
        served = theirs.recommend(user)
        mine, other = pushed[user]["candidate_id"].tolist(), served["listing_id"].tolist()
        overlap.append(len(set(mine) & set(other)) / max(len(other), len(mine)))
        same += mine == other
        scores.append(float(np.abs(np.sort(pushed[user]["score"]) - np.sort(served["score"])).max()))
    found: dict[str, object] = {"inference": theirs.engine.path, "listings": len(ours.listing_ids)}
    for space in ours.spaces:
        mine, other = ours.vectors(space), theirs.vectors(space)  # (L, d) each
        found[f"{space}: largest difference"] = float(np.abs(mine - other).max())
        known = ours.index(space).known | theirs.index(space).known  # (L,)
        found[f"{space}: least cosine"] = round(float((mine * other).sum(axis=1)[known].min()), 6)
    if found["model: least cosine"] < 0.999 or np.mean(overlap) < 0.99:  # type: ignore[operator]
        raise SystemExit(
            f"The refreshed run is not the rebuilt one: {found}, overlap {np.mean(overlap):.4f}."
        )
    return found | {
        "users with new events": len(users),
        "same 30 in the same order": same,
        "overlap of the 30": round(float(np.mean(overlap)), 5),
        "least overlap": round(min(overlap), 5),
        "largest difference of a score": max(scores),
    }


def piped(command: list[str]) -> subprocess.Popen[str]:
    """A process whose lines are read."""
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)


def told(process: subprocess.Popen[str]) -> dict:
    """The next JSON line of a process."""
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line:
        raise SystemExit(f"{process.args} ended with {process.wait()}")
    return json.loads(line)


def processor_s(pid: int) -> float:
    """Processor seconds that a process has used (Linux)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    main()
