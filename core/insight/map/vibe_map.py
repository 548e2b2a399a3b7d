"""The map of a space: every listing at a place in the plane, and in a cluster where it has close company.

UMAP (McInnes, Healy and Melville 2018, arXiv 1802.03426) and HDBSCAN (Campello, Moulavi and Sander 2013).
"""

from __future__ import annotations

import zipfile

import numpy as np
import pandas as pd

from core.errors import VibesError
from core.market.columns import Columns as C
from core.market.io import read_kept, require_numbers, write_table
from core.run.run import Run

NEIGHBOURS = 15
LEAST = 5  # listings that a space needs to be drawn
SHARE = 28  # the smallest cluster is this part of all listings
FILE = "map.parquet"
COLUMNS = ("space", C.LISTING, "x", "y", "cluster")
DRAWN_OF = "drawn_of"  # note in the file


def draw_map(vectors: np.ndarray, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """(n, 2) places and (n,) cluster numbers of L2-normalised `vectors` (n, d); the same seed gives the same map.

    The largest cluster is number 0; -1 is a listing between clusters.

    Raises:
        VibesError: umap-learn is not installed.
    """
    try:
        from umap import UMAP
    except ImportError as error:
        raise VibesError(
            f"Drawing the map needs {error.name}; install it with `pip install 'listing-vibes[train]'`."
        ) from error
    from sklearn.cluster import HDBSCAN

    near = min(NEIGHBOURS, len(vectors) - 1)
    # Spectral starts need more listings than dimensions; a seed means one thread, or no two maps would be alike.
    start = "spectral" if len(vectors) > 10 * near else "random"
    places = UMAP(n_neighbors=near, metric="cosine", random_state=seed, init=start, n_jobs=1).fit_transform(
        vectors
    )
    smallest = max(LEAST, len(vectors) // SHARE)
    # Leaves, not the most persistent: a market splits into rent and sale first, and that tells nobody anything.
    found = HDBSCAN(
        min_cluster_size=smallest, min_samples=LEAST, cluster_selection_method="leaf", copy=True
    ).fit_predict(places)
    size = np.bincount(found[found >= 0], minlength=1)
    rank = np.empty(len(size), int)
    rank[np.argsort(-size, kind="stable")] = np.arange(len(size))
    return places.astype(np.float32), np.where(found >= 0, rank[found], -1).astype(np.int32)


def map_frame(run: Run, seed: int = 0) -> pd.DataFrame:
    """`space, listing_id, x, y, cluster` of every space of a run; listings that a space knows nothing of are left out."""
    parts = []
    for space in run.spaces:
        rows = np.flatnonzero(run.index(space).known)
        if len(rows) < LEAST:
            continue
        places, cluster = draw_map(run.vectors(space)[rows], seed)
        ids = np.asarray(run.listing_ids)[rows]
        parts.append(
            pd.DataFrame(
                {"space": space, C.LISTING: ids, "x": places[:, 0], "y": places[:, 1], "cluster": cluster}
            )
        )
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=list(COLUMNS))


def save_map(run: Run, seed: int = 0) -> None:
    """Write `map.parquet` into the run folder, with a note of the embeddings that it was drawn of."""
    frame = map_frame(run, seed)
    frame.attrs[DRAWN_OF] = embeddings_of(run)
    write_table(run.path / FILE, frame)


def read_map(run: Run) -> pd.DataFrame | None:
    """The map of a run; None where it is not drawn yet, or was drawn of other embeddings than these.

    Raises:
        VibesError: the file is damaged.
    """
    mend = "remove the file, and it is drawn anew"
    frame = read_kept(run.path / FILE, COLUMNS, mend)
    if frame is not None:
        require_numbers(frame, run.path / FILE, ("x", "y", "cluster"), mend)
        if not (frame["cluster"] == np.floor(frame["cluster"])).all():
            raise VibesError(f"{run.path / FILE}, column cluster, holds a number that is not whole; {mend}.")
    return frame if frame is not None and frame.attrs.get(DRAWN_OF) == embeddings_of(run) else None


def embeddings_of(run: Run) -> str:
    """What tells the run's own embeddings from any others: the checksums that lie in their file.

    Not the file's date, which a copy or a checkout of the run changes. What a refresh adds to the run is not part of it.
    """
    with zipfile.ZipFile(run.made / "listings.npz") as arrays:
        return " ".join(f"{one.filename}:{one.CRC:08x}" for one in arrays.infolist())
