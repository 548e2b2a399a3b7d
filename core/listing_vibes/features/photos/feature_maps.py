"""Feature maps of the frozen part of a photo encoder: computed once, cached next to the market's photo vectors."""

import tempfile

import numpy as np

from listing_vibes.errors import VibesError
from listing_vibes.features.photos.tail import load_trunk
from listing_vibes.features.photos.vectors import PhotoPass, cache_root, photo_paths
from listing_vibes.features.vector_cache import VectorCache
from listing_vibes.market.columns import Columns as C
from listing_vibes.market.market import Market
from listing_vibes.market.photo_files import PhotoProblem, locate, stamp
from listing_vibes.progress import Report


def photo_maps(market: Market, rows: np.ndarray, stages: int, report: Report | None = None) -> np.ndarray:
    """Return (P, C, h, w) float16 feature maps before the last `stages` stages, for the photos `rows` (P,) of the market's table.

    Equal photos are computed once and cached (31 kB a photo for one stage, 73 for two, 52 for three). The array is
    memory-mapped from an unnamed file in that cache, so that it need not fit into memory, and is removed with the process.

    Raises:
        VibesError: a photo cannot be read any more, or the cache cannot be written.
    """
    encoder, shape = load_trunk(stages)
    paths, root = photo_paths(market.photos.iloc[rows]), cache_root(market.path)
    job = PhotoPass(market.path, VectorCache(root, encoder.name, encoder.width), encoder)
    job.run(paths, report)
    if job.broken:
        path, reason = next(iter(job.broken.items()))
        raise VibesError(
            f"The photo {path} of {market.path} has a vector but cannot be read any more: {reason}; restore it, or "
            f"run `vibes embed {market.path} NEW_RUN`."
        )
    root.mkdir(parents=True, exist_ok=True)
    if not len(rows):
        return np.zeros((0, *shape), np.float16)
    with tempfile.TemporaryFile(dir=root) as file:  # the map keeps it open
        maps = np.memmap(file, np.float16, "w+", shape=(len(rows), encoder.width))
    job.gather(paths, maps)
    return maps.reshape(len(rows), *shape)


def cache_vectors(market: Market, rows: np.ndarray, stages: int, encoder: str, vectors: np.ndarray) -> None:
    """Cache the vectors (P, width) of the photos `rows` (P,) by the trained encoder of this name.

    Photos with feature maps in `photo_maps` then need not pass the full encoder again.
    """
    root = cache_root(market.path)
    vector_cache = VectorCache(root, load_trunk(stages)[0].name, None)
    store = VectorCache(root, encoder, vectors.shape[1])
    for path, vector in zip(market.photos[C.PATH].iloc[rows], vectors, strict=True):
        try:
            mark = stamp(locate(market.path, path))
        except PhotoProblem:
            continue
        entry = vector_cache.recall(path, mark)
        if entry is not None and entry.key is not None:  # a photo that changed since has to pass the encoder
            store.add(entry.key, vector)
            store.remember(path, mark, entry.key)
    store.flush()
