"""The map of a space: a position in the plane and a group for every listing.

Positions are of UMAP (McInnes, Healy and Melville 2018, arXiv 1802.03426). Groups are of the vectors, not of the positions, so that a
coarse map, the final one, the street map and the wall of the first page have the same.
"""

import warnings

import numpy as np
import pandas as pd

from listing_vibes.errors import needs
from listing_vibes.insight.map.tones import COLUMNS as TONES
from listing_vibes.insight.map.tones import run_tones
from listing_vibes.market.caches import run_cache, run_cache_file
from listing_vibes.market.columns import Columns as C
from listing_vibes.market.io import read_stored_table, require_numbers, write_table
from listing_vibes.market.values import sample_rows
from listing_vibes.progress import Counted, Report, silent
from listing_vibes.run.manifest import LISTINGS, Manifest
from listing_vibes.run.run import Run
from listing_vibes.search.approximate import QUERIES, choose_index
from listing_vibes.search.index import ExactIndex, best

NEIGHBORS = 15
AT_ONCE = 4_000_000  # maximum number of similarities in memory
LEAST = 5  # minimum number of listings of a map
COMPONENTS = 32  # of the vectors, that groups are of
GROUPS = 8  # most groups of a space, which people can tell apart by color
FILE = "map.parquet"
SAMPLE, DEPTH = (
    4000,
    8,
)  # listings that groups and the coarse layout are computed from; components of the layout
COLUMNS = ("space", C.LISTING, "x", "y", "cluster")
DRAWN_OF = "drawn_of"  # metadata key in the file
WIDE = 1.5  # aspect ratio of a map, similar to screens
EVEN = 0.5  # weight of the rank along an axis in a position: gaps between islands shrink, the order is kept
EDGES = 0.01, 0.99  # quantiles beyond which positions do not affect the extent of the map
BEYOND = 0.05  # maximum distance of an outlier from these edges, as a share of the map


def draw_map(vectors: np.ndarray, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return (n, 2) places and (n,) groups of L2-normalized `vectors` (n, d); the same seed gives the same map.

    Raises:
        VibesError: umap-learn is not installed.
    """
    with needs("Drawing the map"):
        from umap import UMAP

    neighbors = min(NEIGHBORS, len(vectors) - 1)
    with warnings.catch_warnings():
        # The warning concerns the transform of new listings, which is not used.
        warnings.filterwarnings("ignore", message=r".*precomputed_knn\[2\]")
        places = UMAP(
            n_neighbors=neighbors,
            metric="cosine",
            # umap-learn's own search compiles for seconds and runs on one core, slower than a product of matrices.
            precomputed_knn=nearest_neighbors(vectors, neighbors),
            random_state=seed,
            # Spectral starts need more listings than dimensions; a seed means one thread, or no two maps would be alike.
            init="spectral" if len(vectors) > 10 * neighbors else "random",
            n_jobs=1,
        ).fit_transform(vectors)
    return spread_out(places), group_vectors(vectors, seed)


def group_vectors(vectors: np.ndarray, seed: int = 0) -> np.ndarray:
    """Return the group (n,) of each of `vectors` (n, d), the largest 0: k-means of the first principal components, each scaled to
    variance 1, so that many small differences count as much as the one between a room and a facade.
    """
    from sklearn.cluster import KMeans
    from sklearn.decomposition import PCA

    sample = vectors[sample_rows(len(vectors), SAMPLE)]
    components = PCA(min(COMPONENTS, len(sample) - 1, vectors.shape[1]), whiten=True, random_state=seed)
    points = components.fit_transform(sample)
    count = max(1, min(GROUPS, len(vectors) // (2 * LEAST), len(np.unique(points, axis=0))))
    means = KMeans(count, n_init=5, random_state=seed).fit(points)
    return _by_size(means.predict(components.transform(vectors)))


def _by_size(clusters: np.ndarray) -> np.ndarray:
    """Return `clusters` (n,) numbered by size, the largest 0; -1 stays."""
    size = np.bincount(clusters[clusters >= 0], minlength=1)
    rank = np.argsort(np.argsort(-size, kind="stable"), kind="stable")
    return np.where(clusters >= 0, rank[clusters], -1).astype(np.int32)


def coarse_layout(vectors: np.ndarray, rows: np.ndarray, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return (n, 2) places and (n,) clusters of the `rows` (n,) of `vectors` (L, d) like `draw_map`, but in seconds: the first two
    principal components.
    """
    from sklearn.decomposition import PCA

    sample = np.sort(np.random.default_rng(seed).permutation(rows)[:SAMPLE])
    model = PCA(min(DEPTH, len(sample), vectors.shape[1]), svd_solver="randomized", random_state=seed)
    model.fit(vectors[sample])
    points = (vectors @ model.components_.T.astype(vectors.dtype))[rows]  # (n, depth), not centered
    return spread_out(points[:, [0, min(1, points.shape[1] - 1)]]), group_vectors(vectors[rows], seed)


def nearest_neighbors(vectors: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the `k` nearest of each of `vectors` (n, d), L2-normalized, itself among them: rows (n, k) int32 and cosine
    distances (n, k) float32, the nearest first. Exact up to `listing_vibes.search.index.EXACT_TO`.
    """
    sample = vectors[np.linspace(0, len(vectors) - 1, min(QUERIES, len(vectors))).astype(int)]
    index, size = choose_index([vectors], sample) or ExactIndex(vectors), max(1, AT_ONCE // len(vectors))
    parts = [index.search(vectors[first : first + size], k) for first in range(0, len(vectors), size)]
    rows = np.concatenate([part[0] for part in parts]).astype(np.int32)
    away = np.maximum(1 - np.concatenate([part[1] for part in parts]), 0).astype(np.float32)
    # Exactly 0: umap-learn estimates the density from the first distance that is not 0.
    away[rows == np.arange(len(rows))[:, None]] = 0
    return rows, away


def spread_out(places: np.ndarray) -> np.ndarray:
    """Return `places` (n, 2) over a frame that is `WIDE` times as wide as it is high, float32.

    The order along each axis is kept; empty gaps shrink, and outliers move to the edge.
    """
    low, high = np.quantile(places, EDGES, axis=0)
    scaled = np.clip((places - low) / np.maximum(high - low, 1e-9), -BEYOND, 1 + BEYOND)
    ranks = (np.argsort(np.argsort(places, axis=0, kind="stable"), axis=0) + 0.5) / len(places)
    result: np.ndarray = ((1 - EVEN) * scaled + EVEN * ranks) * np.array([WIDE, 1.0])
    return result.astype(np.float32)


def map_frame(run: Run, report: Report = silent) -> pd.DataFrame:
    """Return `space, listing_id, x, y, cluster` of every space of a run, and the tones of the covers (see `tones`); listings without
    a vector in a space are left out.
    """
    available = {space: np.flatnonzero(run.index(space).known) for space in run.spaces}
    available = {space: rows for space, rows in available.items() if len(rows) >= LEAST}
    if not available:
        return pd.DataFrame(columns=list(COLUMNS))
    parts = []
    for number, (space, rows) in enumerate(available.items()):
        report(Counted(f"drawing the map by {space}", number, len(available)))
        places, cluster = draw_map(run.vectors(space)[rows])
        listing = np.asarray(run.listing_ids)[rows]
        columns = {C.LISTING: listing, "x": places[:, 0], "y": places[:, 1], "cluster": cluster}
        parts.append(pd.DataFrame({"space": space, **columns}))
    frame = pd.concat(parts, ignore_index=True)
    if not len(run.market.photos):
        return frame
    total = len(run.listing_ids)
    tones = run_tones(run, lambda done: report(Counted("reading covers", done, total)))
    return frame.merge(tones.assign(**{C.LISTING: run.listing_ids}), on=C.LISTING, how="left")


def save_map(run: Run, report: Report = silent) -> None:
    """Write `map.parquet` into the run's cache, with the digest of its embeddings."""
    frame = map_frame(run, report)
    frame.attrs[DRAWN_OF] = embeddings_of(run)
    write_table(run_cache(run.path) / FILE, frame)


def read_map(run: Run) -> pd.DataFrame | None:
    """Read the map of a run, without listings of later refreshes; None if there is no map, or if it is of other embeddings.

    Raises:
        VibesError: the file is damaged.
    """
    hint, file = "remove the file, and it is drawn again", run_cache_file(run.path, FILE)
    frame = read_stored_table(file, COLUMNS, hint)
    if frame is not None:
        require_numbers(frame, file, ("x", "y", "cluster"), hint)
    is_current = frame is not None and frame.attrs.get(DRAWN_OF) == embeddings_of(run)
    return frame if is_current else None


def drawn_tones(run: Run) -> pd.DataFrame | None:
    """Return the tones of the covers of all listings of a run that its map has, NaN for a listing without any; None without a map.

    Raises:
        VibesError: the map's file is damaged.
    """
    drawn = read_map(run)
    if drawn is None:
        return None
    by_listing = drawn.drop_duplicates(C.LISTING).set_index(C.LISTING)
    return by_listing.reindex(index=run.listing_ids, columns=list(TONES)).reset_index(drop=True)


def with_newcomers(
    run: Run, space: str, drawn: pd.DataFrame, rows: np.ndarray
) -> tuple[pd.DataFrame, np.ndarray]:
    """Return the positions on the map of a space, and their rows in the run, with the listings that later refreshes added.

    Existing positions do not change. See `place_among`.

    Args:
        drawn: `x, y, cluster` of n listings.
        rows: (n,) their rows.
    """
    new = np.setdiff1d(np.flatnonzero(run.index(space).known), rows)
    if not len(new):
        return drawn, rows
    vectors, places = run.vectors(space), drawn[["x", "y"]].to_numpy(float)
    clusters = drawn["cluster"].to_numpy(int)
    lines, size = [], max(1, AT_ONCE // len(rows))
    for first in range(0, len(new), size):
        cosines = vectors[new[first : first + size]] @ vectors[rows].T
        for neighbors, cosine in zip(best(cosines - 1, NEIGHBORS)[0], cosines, strict=True):
            place, cluster = place_among(cosine[neighbors], places[neighbors], clusters[neighbors])
            lines.append((*place, cluster))
    added = pd.DataFrame(lines, columns=["x", "y", "cluster"])
    return pd.concat([drawn, added], ignore_index=True), np.concatenate([rows, new])


def place_among(alike: np.ndarray, places: np.ndarray, clusters: np.ndarray) -> tuple[np.ndarray, int]:
    """Return the position (2,) and the cluster of a new listing on a map of n listings at `places` (n, 2) in `clusters` (n,), to
    which it has the cosines `alike` (n,).

    Its position is the mean of its `NEIGHBORS` nearest, weighted as UMAP weights the edges from which it starts to place new data
    (McInnes et al. 2018, section 3.1; the distance to the nearest counts as 0), and belongs to the cluster with most of this
    weight.
    """
    away = 1 - alike
    neighbors = np.argsort(away, kind="stable")[:NEIGHBORS]
    gap = away[neighbors] - away[neighbors].min()
    weight = np.exp(-gap / max(float(gap.mean()), 1e-9))
    weight /= weight.sum()
    groups, group = np.unique(clusters[neighbors], return_inverse=True)
    return weight @ places[neighbors], int(groups[np.argmax(np.bincount(group, weight))])


def embeddings_of(run: Run) -> str:
    """Return the digest of the run's embeddings file.

    Listings added by a refresh are not part of it.
    """
    return Manifest.load(run.created_folder).files[LISTINGS].sha256
