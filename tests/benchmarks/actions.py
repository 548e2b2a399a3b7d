"""Actions of a user that are timed inside one process: `python -m tests.benchmarks.actions NAME RUN [--repeat N]`.

Each prints rows of the table as JSON: what is done, the seconds of each repeat, and maybe a note.
"""

from __future__ import annotations

import argparse
import json
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

Rows = list[dict[str, Any]]
QUERIES = 1_024  # of searches that are timed; exact ones are timed with a quarter
TOP = 30


def seconds(action: Callable[[], object], repeat: int = 1) -> list[float]:
    """Return the seconds of each of `repeat` calls."""
    taken = []
    for _ in range(repeat):
        started = time.perf_counter()
        action()
        taken.append(round(time.perf_counter() - started, 4))
    return taken


def draft(path: Path, repeat: int) -> Rows:
    """Time the audience of a draft: the first with all that is loaded for it, then drafts with another number."""
    from listing_vibes.insight.audience import Crowd
    from listing_vibes.insight.drafts import Draft, single_changes
    from listing_vibes.insight.launch import launch
    from listing_vibes.run.newcomers import Newcomers
    from listing_vibes.run.run import Run

    run = Run.open(path)
    start = Draft.of_listing(run.market, run.listing_ids[7])
    crowd, newcomers = Crowd.of(run), Newcomers(run)

    def show(cells: Any, advise: bool) -> None:
        launch(run, Draft(cells, start.photos), advise=advise, crowd=crowd, newcomers=newcomers)

    show(start.cells, False)
    active = np.ones(len(run.market.listings), bool)
    changes = [change.cells for change in single_changes(run.market, start, active)][:repeat]
    audience = [seconds(lambda cells=cells: show(cells, False))[0] for cells in changes]
    advice = [seconds(lambda cells=cells: show(cells, True))[0] for cells in changes]
    return [
        {"action": "audience of the next draft (demo)", "seconds": audience},
        {"action": "audience, advice and covers of the next draft (demo)", "seconds": advice},
    ]


def search(path: Path, repeat: int) -> Rows:
    """Time searches by words after the first one."""
    from listing_vibes.insight.photo_search import PhotoSearch, search_photos
    from listing_vibes.run.run import Run

    run = Run.open(path)
    photos = PhotoSearch.open(run) or PhotoSearch.make(run)
    search_photos(run, "canopy bed", photos=photos)
    words = ["white refrigerator", "rocking chair", "desk", "sliding door", "book shelf"][:repeat]
    taken = [seconds(lambda text=text: search_photos(run, text, photos=photos))[0] for text in words]
    return [{"action": "the next search by words (demo)", "seconds": taken}]


def coarse(path: Path, repeat: int) -> Rows:
    """Time the coarse map that stands until the final one is drawn, without imports."""
    from listing_vibes.insight.map.space_map import coarse_map
    from listing_vibes.run.run import Run

    run = Run.open(path)
    _ = run.market.listings
    taken = seconds(lambda: coarse_map(run, run.spaces[0]), 1)
    return [
        {
            "action": f"coarse map ({run.market.name})",
            "seconds": taken,
            "note": f"{len(run.listing_ids):,} listings",
        }
    ]


def final(path: Path, repeat: int) -> Rows:
    """Time the final map of all spaces, as the explorer's background process draws it."""
    from listing_vibes.insight.map.vibe_map import map_frame
    from listing_vibes.run.run import Run

    run = Run.open(path)
    taken = seconds(lambda: map_frame(run), 1)
    return [
        {"action": f"final map ({run.market.name})", "seconds": taken, "note": f"{len(run.spaces)} spaces"}
    ]


def page(path: Path, repeat: int) -> Rows:
    """Time the explorer's first page for the next visitors of a running explorer."""
    from streamlit.testing.v1 import AppTest

    import listing_vibes_app as explorer
    from listing_vibes.run.run import Run

    sys.argv = ["main.py", str(path)]

    def visit() -> None:
        driver = AppTest.from_file(f"{explorer.__path__[0]}/main.py", default_timeout=600).run()
        if driver.exception:
            raise SystemExit(driver.exception[0].message)

    visit()
    listings = len(Run.open(path).listing_ids)
    action = f"first page of a running explorer, next visitor ({listings:,} listings)"
    return [{"action": action, "seconds": seconds(visit, repeat)}]


def brush(path: Path, repeat: int) -> Rows:
    """Time a brushed region of a coarse map: which listings it has, and what sets them apart."""
    from listing_vibes.insight.map.parts import chosen_by, map_part
    from listing_vibes.insight.map.space_map import coarse_map
    from listing_vibes.run.run import Run

    drawn = coarse_map(Run.open(path), "model")
    low, high = np.quantile(drawn.places, [0.4, 0.6], axis=0).astype(int)
    corners = [(low[0], low[1]), (high[0], low[1]), (high[0], high[1]), (low[0], high[1])]
    region = {"region": ";".join(f"{x},{y}" for x, y in corners)}
    map_part(drawn, "about", region)
    note = f"{int(chosen_by(drawn, region).sum()):,} of {len(drawn.rows):,} listings"
    return [
        {"action": "brush on the map: the listings", "seconds": seconds(lambda: chosen_by(drawn, region), repeat), "note": note},
        {"action": "brush on the map: what sets them apart", "seconds": seconds(lambda: map_part(drawn, "about", region), repeat)},
    ]  # fmt: skip


def nearest(path: Path, repeat: int) -> Rows:
    """Time lists of 30 for vectors of users on one thread: the index of `vibes batch` beside exact search, with recall@30."""
    import faiss
    import torch

    from listing_vibes.run.run import Run
    from listing_vibes.search.approximate import choose_index, recall

    torch.set_num_threads(1)
    faiss.omp_set_num_threads(1)
    run = Run.open(path)
    vectors = run.vectors("model")
    rng = np.random.default_rng(0)
    # A user's vector lies between a few listings.
    few = vectors[rng.integers(0, len(vectors), (QUERIES, 3))]  # (Q, 3, d)
    queries = few.mean(axis=1) + rng.normal(0, 0.1 / vectors.shape[1] ** 0.5, (QUERIES, vectors.shape[1]))
    queries = (queries / np.linalg.norm(queries, axis=1, keepdims=True)).astype(np.float32)
    some = queries[: QUERIES // 4]
    # Releases from 1.15 on use the matrix product only for more than 128,000 queries, but it is eight times as fast for fewer.
    faiss.cvar.distance_compute_blas_threshold = 20
    flat = faiss.IndexFlatIP(vectors.shape[1])
    flat.add(vectors)
    rates = [len(some) / taken for taken in seconds(lambda: flat.search(some, TOP), repeat)]
    rows: Rows = [{"action": "lists a second and core: FAISS, exact", "rates": rates}]
    started = time.process_time()
    index = choose_index([vectors], some)
    built = time.process_time() - started
    if index is None:  # a small market in a quick run
        return rows
    share = recall(flat.search(some, TOP)[1], index.search(some, TOP)[0])
    rates = [len(queries) / taken for taken in seconds(lambda: index.search(queries, TOP), repeat)]
    note = f"recall@30 {share:.4f}; chosen in {built:.0f} s of processor time, {index.probes} lists probed"
    return [
        {"action": "lists a second and core: the index of `vibes batch`", "rates": rates, "note": note},
        *rows,
    ]


def evaluation(path: Path, repeat: int) -> Rows:
    """Time the exact ranks of test queries among all active listings, by the model only, on all threads."""
    from listing_vibes.cores import cores
    from listing_vibes.evaluation.run_evaluation import rank_queries
    from listing_vibes.run.run import Run
    from listing_vibes.run.scorers import model_scorer

    run = Run.open(path)
    split, scorer = run.split(), model_scorer(run)
    count = min(256, len(split.test) // 2)

    def rank(number: int) -> None:
        part = type(split)(**{**vars(split), "test": split.test.take(np.arange(number))})
        rank_queries([scorer], run.log, part, run.catalogue)

    rank(count)
    started = time.process_time()
    taken = seconds(lambda: rank(count))
    each, wall = (time.process_time() - started) / count, taken[0] / count
    note = (
        f"{1000 * each:.1f} ms of processor time a query; on {cores()} cores {wall * 100_000 / 60:.1f} min for 100,000, "
        "all scores exact"
    )
    return [{"action": f"exact ranks of {count} test queries", "seconds": taken, "note": note}]


ACTIONS = {item.__name__: item for item in (draft, search, coarse, final, page, brush, nearest, evaluation)}


def main() -> None:
    """Run one action and print its rows."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("name", choices=list(ACTIONS))
    parser.add_argument("run", type=Path)
    parser.add_argument("--repeat", type=int, default=5)
    options = parser.parse_args()
    rows = ACTIONS[options.name](options.run, options.repeat)
    rows[0]["peak GiB"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(json.dumps(rows))


if __name__ == "__main__":
    main()
