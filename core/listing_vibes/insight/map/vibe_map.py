"""The map of a space: every listing at a place in the plane, and in a cluster where it has close company.

UMAP (McInnes, Healy and Melville 2018, arXiv 1802.03426) and HDBSCAN (Campello, Moulavi and Sander 2013).
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import numpy as np
import pandas as pd

from listing_vibes.errors import VibesError, needs
from listing_vibes.insight.map.pace import COVERS, LOOKED_AT, STEPS, Pace, expected
from listing_vibes.insight.map.tones import tones_of
from listing_vibes.market.caches import run_cache, run_cache_file
from listing_vibes.market.columns import Columns as C
from listing_vibes.market.io import read_kept, require_numbers, write_table
from listing_vibes.progress import Report
from listing_vibes.run.contents import LISTINGS
from listing_vibes.run.manifest import Manifest
from listing_vibes.run.run import Run
from listing_vibes.search.approximate import choose_index
from listing_vibes.search.index import best

NEIGHBOURS = 15
#: Rounds in which listings are moved, and those where there are more than `MANY` of them; as umap-learn chooses.
EPOCHS, EPOCHS_OF_MANY, MANY = 500, 200, 10_000
AT_ONCE = 4_000_000  # similarities that are looked at together
LEAST = 5  # listings that a space needs to be drawn
SHARE = 28  # the smallest cluster is this part of all listings
FILE = "map.parquet"
COLUMNS = ("space", C.LISTING, "x", "y", "cluster")
DRAWN_OF = "drawn_of"  # note in the file
WIDE = 1.5  # how much wider than high a map is, as screens are
EVEN = (
    0.5  # how much of a place is its rank along an axis: gaps between islands shrink, order and company stay
)
EDGES = (0.01, 0.99)  # beyond which places are outliers, that do not say how large the map is
BEYOND = 0.05  # how far beyond these edges an outlier may lie, as a part of the map
#: Told how far a drawing is: which of `STEPS`, and what share of it is done.
Tell: TypeAlias = Callable[[int, float], None]


def draw_map(vectors: np.ndarray, seed: int = 0, tell: Tell | None = None) -> tuple[np.ndarray, np.ndarray]:
    """(n, 2) places and (n,) cluster numbers of L2-normalised `vectors` (n, d); the same seed gives the same map.

    The largest cluster is number 0; -1 is a listing between clusters.

    Args:
        tell: called as the work goes on.

    Raises:
        VibesError: umap-learn is not installed.
    """
    tell = tell or (lambda step, share: None)
    tell(0, 0.0)
    with needs("Drawing the map"):
        from umap import UMAP
    from sklearn.cluster import HDBSCAN

    near = min(NEIGHBOURS, len(vectors) - 1)
    # Found here: umap-learn's own search compiles for seconds and compares by one core, slower than a product of matrices.
    rows, away = neighbours(vectors, near, lambda share: tell(0, share))
    tell(1, 0.0)
    epochs = epochs_of(len(vectors))
    with warnings.catch_warnings():
        warnings.filterwarnings(
            "ignore", message=r".*precomputed_knn\[2\]"
        )  # needed only to place others later
        # Spectral starts need more listings than dimensions; a seed means one thread, or no two maps would be alike.
        places = UMAP(
            n_neighbors=near,
            metric="cosine",
            precomputed_knn=(rows, away),
            random_state=seed,
            init="spectral" if len(vectors) > 10 * near else "random",
            n_epochs=epochs,
            n_jobs=1,
            tqdm_kwds={
                "disable": False,
                "file": _Epochs(lambda share: tell(2, share)),
                "bar_format": "{n}/{total}",
            },
        ).fit_transform(vectors)
    tell(3, 0.0)
    smallest = max(LEAST, len(vectors) // SHARE)
    # Leaves, not the most persistent: a market splits into rent and sale first, and that tells nobody anything.
    found = HDBSCAN(
        min_cluster_size=smallest, min_samples=LEAST, cluster_selection_method="leaf", copy=True
    ).fit_predict(places)
    size = np.bincount(found[found >= 0], minlength=1)
    rank = np.empty(len(size), int)
    rank[np.argsort(-size, kind="stable")] = np.arange(len(size))
    return spread_out(places), np.where(found >= 0, rank[found], -1).astype(np.int32)


def epochs_of(listings: int) -> int:
    """Rounds in which so many listings are moved."""
    return EPOCHS if listings <= MANY else EPOCHS_OF_MANY


def neighbours(
    vectors: np.ndarray, k: int, tell: Callable[[float], None] = lambda share: None
) -> tuple[np.ndarray, np.ndarray]:
    """The `k` nearest of each of `vectors` (n, d), L2-normalised, itself among them: rows (n, k) int32 and cosine distances
    (n, k) float32, the nearest first. Exact up to `listing_vibes.search.index.EXACT_TO`."""
    index, size = choose_index(vectors), max(1, AT_ONCE // len(vectors))
    rows, away = np.empty((len(vectors), k), np.int32), np.empty((len(vectors), k), np.float32)
    for begin in range(0, len(vectors), size):
        tell(begin / len(vectors))
        some = slice(begin, begin + size)
        rows[some], score = index.search(vectors[some], k)
        away[some] = np.maximum(1 - score, 0)
    # Not merely nearly: umap-learn reads how dense a place is off the first distance that is not 0.
    away[rows == np.arange(len(rows))[:, None]] = 0
    return rows, away


class _Epochs:
    """The file that umap-learn's bar is written to, which reads what share of the rounds is done."""

    def __init__(self, tell: Callable[[float], None]) -> None:
        self._tell = tell

    def write(self, text: str) -> None:
        """A bar such as `12/500`, between characters that move the cursor."""
        done, slash, total = text.strip("\r\n ").partition("/")
        if slash and done.isdecimal() and total.isdecimal():
            self._tell(int(done) / max(int(total), 1))

    def flush(self) -> None:
        """Nothing is held back."""


def spread_out(places: np.ndarray) -> np.ndarray:
    """(n, 2) float32: `places` (n, 2) over a frame that is `WIDE` times as wide as it is high.

    Along each axis the order stays; gaps shrink, as nothing lies in them, and outliers come to the edge.
    """
    low, high = np.quantile(places, EDGES, axis=0)
    scaled = (places - low) / np.maximum(high - low, 1e-9)
    scaled = np.clip(scaled, -BEYOND, 1 + BEYOND)
    ranks = (np.argsort(np.argsort(places, axis=0, kind="stable"), axis=0) + 0.5) / len(places)
    found: np.ndarray = ((1 - EVEN) * scaled + EVEN * ranks) * np.array([WIDE, 1.0])
    return found.astype(np.float32)


def map_frame(run: Run, report: Report | None = None) -> pd.DataFrame:
    """`space, listing_id, x, y, cluster` of every space of a run, and the tones of the covers (see `tones`); listings that a
    space knows nothing of are left out."""
    known = {space: np.flatnonzero(run.index(space).known) for space in run.spaces}
    drawn = {space: rows for space, rows in known.items() if len(rows) >= LEAST}
    if not drawn:
        return pd.DataFrame(columns=list(COLUMNS))
    work: list[tuple[str, float]] = []
    for number, (space, rows) in enumerate(drawn.items()):
        seconds = expected(len(rows), run.vectors(space).shape[1], epochs_of(len(rows)), first=not number)
        work += [(f"{step} by {space}", of_it) for step, of_it in zip(STEPS, seconds, strict=True)]
    pace = Pace([*work, (COVERS, LOOKED_AT * len(run.market.cover))], report)
    parts = []
    for number, (space, rows) in enumerate(drawn.items()):
        places, cluster = draw_map(run.vectors(space)[rows], tell=pace.from_part(len(STEPS) * number))
        ids = np.asarray(run.listing_ids)[rows]
        parts.append(
            pd.DataFrame(
                {"space": space, C.LISTING: ids, "x": places[:, 0], "y": places[:, 1], "cluster": cluster}
            )
        )
    frame = pd.concat(parts, ignore_index=True)
    if not len(run.market.photos):
        return frame
    names: list[str] = list(dict.fromkeys(frame[C.LISTING]))
    tones = tones_of(run.market, names, lambda share: pace.tell(len(work), share))
    return frame.merge(tones.assign(**{C.LISTING: names}), on=C.LISTING, how="left")


def save_map(run: Run, report: Report | None = None) -> None:
    """Write `map.parquet` into the run's cache, with a note of the embeddings that it was drawn of."""
    frame = map_frame(run, report)
    frame.attrs[DRAWN_OF] = embeddings_of(run)
    write_table(run_cache(run.path) / FILE, frame)


def map_file(run: Run) -> Path:
    """The file that the map of a run is read from, whether there is one or not."""
    return run_cache_file(run.path, FILE)


def read_map(run: Run) -> pd.DataFrame | None:
    """The map of a run, with what a refresh added since among its nearest; None where it is not drawn yet, or was drawn of
    other embeddings than these.

    Raises:
        VibesError: the file is damaged.
    """
    mend = "remove the file, and it is drawn anew"
    file = map_file(run)
    frame = read_kept(file, COLUMNS, mend)
    if frame is not None:
        require_numbers(frame, file, ("x", "y", "cluster"), mend)
        if not (frame["cluster"] == np.floor(frame["cluster"])).all():
            raise VibesError(f"{file}, column cluster, holds a number that is not whole; {mend}.")
    if frame is None or frame.attrs.get(DRAWN_OF) != embeddings_of(run):
        return None
    return with_newcomers(run, frame)


def with_newcomers(run: Run, frame: pd.DataFrame) -> pd.DataFrame:
    """`frame` and behind it the listings of the run that are not on it, so that what stands is not moved.
    See `place_among`.
    """
    parts = [frame]
    for space in [space for space in run.spaces if (frame["space"] == space).any()]:
        mine = frame[frame["space"] == space]
        mine = mine[mine[C.LISTING].isin(run.listing_row)]
        known = run.index(space).known
        on_map = np.zeros(len(known), bool)
        rows = mine[C.LISTING].map(run.listing_row).to_numpy(np.int64)
        on_map[rows] = True
        new = np.flatnonzero(known & ~on_map)
        if not len(new) or not len(rows):
            continue
        vectors = run.vectors(space)
        places, clusters = mine[["x", "y"]].to_numpy(float), mine["cluster"].to_numpy(int)
        x, y, cluster = [], [], []
        drawn, size = vectors[rows], max(1, AT_ONCE // len(rows))
        for begin in range(0, len(new), size):
            alike = vectors[new[begin : begin + size]] @ drawn.T
            near = best(alike - 1, NEIGHBOURS)[0]  # by how far away they are, as `place_among` goes
            for own, line in zip(near, alike, strict=True):
                at, group = place_among(line[own], places[own], clusters[own])
                x.append(at[0])
                y.append(at[1])
                cluster.append(group)
        told = {"space": space, C.LISTING: [run.listing_ids[row] for row in new], "x": x, "y": y}
        parts.append(pd.DataFrame({**told, "cluster": np.array(cluster, np.int32)}))
    return frame if len(parts) == 1 else pd.concat(parts, ignore_index=True)


def place_among(alike: np.ndarray, places: np.ndarray, clusters: np.ndarray) -> tuple[np.ndarray, int]:
    """Where another listing stands on a map of n listings, to which it has the cosines `alike` (n,), and which stand at
    `places` (n, 2) in `clusters` (n,): its place (2,) and its group.

    It stands at the mean of its `NEIGHBOURS` nearest, weighed as UMAP weighs the edges from which it starts to place new data
    (McInnes et al. 2018, section 3.1; the distance to the nearest counts as 0), and belongs to the group that most of this
    weight is in.
    """
    away = 1 - alike
    near = np.argsort(away, kind="stable")[:NEIGHBOURS]
    gap = away[near] - away[near].min()
    weight = np.exp(-gap / max(float(gap.mean()), 1e-9))
    weight /= weight.sum()
    groups, where = np.unique(clusters[near], return_inverse=True)
    return weight @ places[near], int(groups[np.argmax(np.bincount(where, weight))])


def embeddings_of(run: Run) -> str:
    """Return what tells the run's own embeddings from any others: the digest of their file.

    What a refresh adds to the run is not part of it.
    """
    return Manifest.load(run.made).files[LISTINGS].sha256
