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
