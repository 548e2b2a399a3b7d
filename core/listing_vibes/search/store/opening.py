"""Which store a place means."""

from __future__ import annotations

from pathlib import Path

from listing_vibes.search.store.faiss_store import FaissStore
from listing_vibes.search.store.protocol import VectorStore


def open_store(place: Path | str, width: int | None = None, space: str = "model") -> VectorStore:
    """The store at `place`: an address or a `.db` file is Milvus, anything else a folder.

    Args:
        space: which space's vectors; in Milvus each has a collection of its own.

    Raises:
        VibesError: see `VectorStore.open`.
    """
    if "://" in str(place) or str(place).endswith(".db"):
        from listing_vibes.search.store.milvus_store import MilvusStore

        return MilvusStore.open(place, width, f"listings_{space}")
    return FaissStore.open(Path(place) / space, width)
