"""Which index for how many listings: by size, and only if it finds on these very vectors what a full search finds."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from listing_vibes.defaults import K
from listing_vibes.errors import VibesError
from listing_vibes.search.index.approximate import ApproximateIndex
from listing_vibes.search.index.exact import EXACT_TO, ExactIndex, nearest

#: Up to so many listings each kind is tried first: a sketch looks at every listing, HNSW keeps every vector in memory.
SKETCH_TO, HNSW_TO = 2_000_000, 20_000_000
KINDS = ("exact", "sketch", "hnsw", "ivf-pq")
SAMPLE = 256

_log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Chosen:
    """An index, and the recall@30 that it was measured to have against the full search.

    Attributes:
        tried: (what, recall@30) of each that was measured, in turn.
    """

    kind: str
    index: ExactIndex
    recall: float
    tried: tuple[tuple[str, float], ...] = ()


def choose(
    vectors: np.ndarray,
    kind: str = "auto",
    at_least: float = 0.998,
    queries: np.ndarray | None = None,
    seed: int = 0,
) -> Chosen:
    """The index that suits the number of `vectors` (L, d) float32; what misses `at_least` gives way to an exact one.

    Args:
        kind: "auto", or one of `KINDS`.
        queries: (Q, d) what is asked, such as users' vectors; None: a sample of the vectors themselves.

    Raises:
        VibesError: an unknown kind, or one that was asked for by name and misses `at_least`.
    """
    if kind not in ("auto", *KINDS):
        raise VibesError(f"There is no index '{kind}'; use auto or one of {', '.join(KINDS)}.")
    exact = ExactIndex(vectors)
    wanted = _by_size(len(vectors)) if kind == "auto" else kind
    if wanted == "exact":
        return Chosen("exact", exact, 1.0)
    known = np.flatnonzero(exact.known)
    if queries is None:
        rows = np.random.default_rng(seed).choice(known, min(SAMPLE, len(known)), replace=False)
        queries = exact.vectors[rows]
    truth, _ = nearest(exact.vectors, queries, K, exact.known)
    tried: list[tuple[str, float]] = []
    for what, index in _candidates(exact.vectors, wanted, seed):
        tried.append((what, recall(truth, index.search(queries, K)[0])))
        _log.info("index %s: recall@%d %.4f", what, K, tried[-1][1])
        if tried[-1][1] >= at_least:
            return Chosen(wanted, index, tried[-1][1], tuple(tried))
    if kind != "auto":
        best = max((value for _, value in tried), default=0.0)
        raise VibesError(
            f"The index '{kind}' reaches a recall of {best:.3f} on these vectors, below {at_least}; use exact."
        )
    _log.warning("no index of kind %s reaches a recall of %s; the search is exact", wanted, at_least)
    return Chosen("exact", exact, 1.0, tuple(tried))


def recall(truth: np.ndarray, found: np.ndarray) -> float:
    """The mean share of the rows `truth` (Q, k), of which -1 are none, that are among `found` (Q, k)."""
    hits = sum(int(np.isin(t[t >= 0], f).sum()) for t, f in zip(truth, found, strict=True))
    return hits / max(1, int((truth >= 0).sum()))


def _by_size(listings: int) -> str:
    limits = (EXACT_TO, SKETCH_TO, HNSW_TO, np.inf)
    return next(kind for kind, limit in zip(KINDS, limits, strict=True) if listings <= limit)


def _candidates(vectors: np.ndarray, kind: str, seed: int) -> Iterator[tuple[str, ExactIndex]]:
    """Indexes of one kind, the quickest first."""
    if kind == "sketch":
        try:
            from listing_vibes.search.index.sketch import SketchIndex

            width = vectors.shape[1]
            for quarters, groups in ((2, (64, 96)), (3, (64,)), (4, (64,))):
                index = SketchIndex(vectors, min(width, -(-width * quarters // 4 // 32) * 32), seed=seed)
                for index.groups in groups:
                    yield f"int8, {index.axes} axes, {index.groups} groups", index
        except ImportError:
            _log.warning("torch is not installed, so batches are searched by FAISS")
        return
    built = ApproximateIndex.build(vectors, kind)
    for effort in built.efforts:
        built.effort = effort
        yield f"{kind}, effort {effort}", built
