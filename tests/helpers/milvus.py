"""Search of a Milvus collection as another system does it, by Milvus's own client."""

from pathlib import Path

import numpy as np


def search_collection(
    place: Path, collection: str, queries: np.ndarray, k: int, filter: str = ""
) -> tuple[np.ndarray, np.ndarray]:
    """Return ids (B, k), None where there are fewer, and scores (B, k), -inf where there are fewer."""
    from pymilvus import MilvusClient

    ids, scores = np.full((len(queries), k), None, object), np.full((len(queries), k), -np.inf)
    parameters = {"anns_field": "vector", "search_params": {"metric_type": "IP"}}
    for start in range(0, len(queries), 256):
        part = list(queries[start : start + 256])
        lists = MilvusClient(str(place)).search(collection, data=part, limit=k, filter=filter, **parameters)
        for row, hits in enumerate(lists, start=start):
            ids[row, : len(hits)] = [hit["listing_id"] for hit in hits]
            scores[row, : len(hits)] = [hit["distance"] for hit in hits]
    return ids, scores


def stored_ids(place: Path, collection: str) -> set[str]:
    """Return the ids of all listings in a collection."""
    from pymilvus import MilvusClient

    client = MilvusClient(str(place))
    client.load_collection(collection)
    return {row["listing_id"] for row in client.query(collection, filter="", limit=10_000)}


def like(trained: np.ndarray, count: int, width: int, seed: int = 0) -> np.ndarray:
    """(count, width) float32, L2-normalised, with the mean and the spectrum of `trained` (n, d).

    The eigenvalues are stretched over `width` axes, which lie at random. Nothing is clustered: clusters make any
    approximate index look good.
    """
    rng = np.random.default_rng(seed)
    mean = trained.mean(axis=0)
    spectrum = np.linalg.svd(trained - mean, compute_uv=False) ** 2 / len(trained)  # (d,)
    place = np.linspace(0, len(spectrum) - 1, width)
    wide = np.exp(np.interp(place, np.arange(len(spectrum)), np.log(spectrum + 1e-9)))
    wide *= spectrum.sum() / wide.sum()
    axes, _ = np.linalg.qr(rng.normal(size=(width, width)))
    middle = (np.linalg.norm(mean) * axes[0]).astype(np.float32)
    turn = (np.sqrt(wide)[:, None] * axes).astype(np.float32)  # (width, width)
    vectors = np.empty((count, width), np.float32)
    for start in range(0, count, 65536):
        rows = vectors[start : start + 65536]
        rows[:] = rng.standard_normal(rows.shape, np.float32) @ turn + middle
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return vectors
