"""A vector store in a folder: segments that never change, and one small file that says which of them count."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import numpy as np
import pandas as pd
from pydantic import BaseModel, Field

from listing_vibes.errors import VibesError
from listing_vibes.market.documents import read_json, write_json
from listing_vibes.market.durable import only_writer, sweep_left
from listing_vibes.market.kept import content
from listing_vibes.search.index.approximate import ApproximateIndex
from listing_vibes.search.index.choose import SKETCH_TO, Chosen, choose
from listing_vibes.search.index.exact import best
from listing_vibes.search.store.checks import checked, checked_queries
from listing_vibes.search.store.filters import refuse_unknown
from listing_vibes.search.store.protocol import Filter, Found
from listing_vibes.search.store.segment import Segment

MANIFEST, SEGMENTS = "store.json", "segments"
#: The kinds of an index that a store keeps; a sketch is made anew for each batch.
KEPT = ("auto", "exact", "hnsw", "ivf-pq")
#: Small segments are merged where there are more beside the largest; all are, where the rows of the small ones and
#: the dead ones of the largest are more than this share of it.
MOST_SEGMENTS = 8
MERGE_SHARE = 0.25


class _Index(BaseModel):
    """How a part is searched."""

    kind: Literal["hnsw", "ivf-pq"]
    effort: int = Field(ge=1, le=10**6)
    recall: float | None = None
    sha256: str = ""


class _Part(BaseModel):
    """One part, as `store.json` names it."""

    name: str = Field(pattern=r"^[0-9a-z]{1,32}$")  # a folder here, and nowhere else
    dead: list[Annotated[int, Field(ge=0)]]
    index: _Index | None = None


class _State(BaseModel):
    """The content of `store.json`."""

    width: int = Field(ge=1, le=10**6)
    segments: list[_Part]


class FaissStore:
    """See `VectorStore`. An upsert costs what it brings, not what is there; `save` writes only what is new.

    One process writes; any number read. A reader goes on with the state that it opened (on POSIX systems, also after
    later saves); `open` again shows what was published since.
    """

    def __init__(self, folder: Path, width: int, segments: list[Segment]) -> None:
        self.folder, self.width, self._segments = folder, width, segments
        self._seen = content(folder / MANIFEST)

    @classmethod
    def open(cls, place: Path | str, width: int | None = None) -> Self:
        """See `VectorStore.open`."""
        folder = Path(place)
        for last_try in (False, True):
            state = _read(folder / MANIFEST)
            if state is None:
                if width is None:
                    raise VibesError(f"There is no vector store in {folder}; fill one first.")
                return cls(folder, width, [])
            if width is not None and width != state["width"]:
                raise VibesError(
                    f"The vectors of {folder} are {state['width']} wide, not {width}; give another folder."
                )
            try:
                segments = [_open(folder / SEGMENTS, part, state["width"]) for part in state["segments"]]
                return cls(folder, state["width"], segments)
            except FileNotFoundError as error:  # merged away between reading the manifest and opening it
                if last_try:
                    raise VibesError(f"{folder} lacks {error.filename}; fill the store again.") from error
        raise AssertionError

    def __len__(self) -> int:
        return sum(int(segment.live.sum()) for segment in self._segments)

    def ids(self) -> list[str]:
        """See `VectorStore.ids`."""
        return [str(name) for segment in self._segments for name in segment.ids[segment.live]]

    def upsert(self, ids: Sequence[str], vectors: np.ndarray, attributes: pd.DataFrame | None = None) -> None:
        """See `VectorStore.upsert`."""
        names, rows, table = checked(ids, vectors, attributes, self.width)
        self.delete(list(ids))
        some = np.flatnonzero(np.any(rows != 0, axis=1))
        if len(some):
            self._segments.append(
                Segment.of(names[some], rows[some], table.iloc[some].reset_index(drop=True))
            )
        self._merge()

    def delete(self, ids: Sequence[str]) -> None:
        """See `VectorStore.delete`."""
        for segment in self._segments:
            segment.drop(list(ids))

    def search(self, queries: np.ndarray, k: int, filter: Filter | None = None) -> Found:
        """See `VectorStore.search`."""
        queries = checked_queries(queries, self.width)
        if filter and self._segments:
            refuse_unknown(filter, {str(name) for part in self._segments for name in part.attributes})
        found = [segment.search(queries, k, filter) for segment in self._segments if segment.live.any()]
        if not found:
            return Found(
                np.full((len(queries), k), None, object), np.full((len(queries), k), -np.inf, np.float32)
            )
        ids = np.concatenate([part[0] for part in found], axis=1)  # (B, segments x k)
        place, scores = best(np.concatenate([part[1] for part in found], axis=1), k)
        nearest = np.take_along_axis(ids, np.maximum(place, 0), axis=1)
        nearest[place < 0] = None
        return Found(nearest, scores)

    def save(self) -> None:
        """See `VectorStore.save`.

        Raises:
            VibesError: somebody else wrote the store since it was opened.
        """
        with only_writer(self.folder, "vibes index", wait=True):
            if content(self.folder / MANIFEST) != self._seen:
                raise VibesError(
                    f"{self.folder} was written by another process since it was opened; run the same again."
                )
            self._publish()

    def _publish(self) -> None:
        for segment in self._segments:
            segment.write(self.folder / SEGMENTS)
        parts = [
            {"name": segment.name, "dead": np.flatnonzero(~segment.live).tolist(), "index": segment.told}
            for segment in self._segments
        ]
        before = _read(self.folder / MANIFEST) or {"segments": []}
        write_json(self.folder / MANIFEST, {"width": self.width, "segments": parts})
        self._seen = content(self.folder / MANIFEST)
        sweep_left(self.folder)
        self._sweep({part["name"] for part in (*parts, *before["segments"])})

    def build(self, kind: str = "auto", at_least: float = 0.98) -> Chosen:
        """Put all listings into one segment, and an index on it; `save` publishes both.

        What comes later is searched exactly beside it, and what went is passed over, until it is built again.

        Args:
            kind: "exact", "hnsw" or "ivf-pq"; "auto" chooses by the number of listings.
            at_least: recall@30 that the index has to reach on these vectors.

        Raises:
            VibesError: a kind that a store cannot keep; see also `choose`.
        """
        if kind not in KEPT:
            raise VibesError(
                f"There is no index '{kind}' of a store; use {', '.join(KEPT[:-1])} or {KEPT[-1]}."
            )
        if not len(self):
            self._segments = []
            return choose(np.zeros((0, self.width), np.float32), "exact", at_least)
        whole = _joined(self._segments)
        if (
            kind == "auto" and len(whole.ids) <= SKETCH_TO
        ):  # a sketch serves batches, a store single questions
            kind = "exact"
        chosen = choose(whole.vectors, kind, at_least)
        if isinstance(chosen.index, ApproximateIndex):
            whole.index = chosen.index
            whole.told = {"kind": chosen.kind, "effort": chosen.index.effort, "recall": chosen.recall}
        self._segments = [whole]
        return chosen

    @property
    def indexed(self) -> dict[str, Any] | None:
        """Kind, effort and measured recall of the index; None where the search is exact."""
        told = next((segment.told for segment in self._segments if segment.told is not None), None)
        return None if told is None else {name: told[name] for name in ("kind", "effort", "recall")}

    def _merge(self) -> None:
        """One segment of all, where the small ones or the dead rows are many beside the largest."""
        if not self._segments:
            return
        first, *others = sorted(self._segments, key=lambda segment: -len(segment.ids))
        beside = sum(len(segment.ids) for segment in others) + int((~first.live).sum())
        if first.index is None and beside > MERGE_SHARE * len(first.ids):
            self._segments = [_joined(self._segments)]
        elif len(others) >= MOST_SEGMENTS:
            self._segments = [first, _joined(others)]

    def _sweep(self, named: set[str]) -> None:
        """Remove what neither this manifest nor the one before it names: a reader may just be opening that one."""
        for folder in (self.folder / SEGMENTS).glob("*"):  # of a store that never held anything there is none
            if folder.name not in named:
                shutil.rmtree(folder, ignore_errors=True)


def _read(path: Path) -> dict[str, Any] | None:
    """The manifest; None where there is none."""

    def state(content: Any) -> dict[str, Any]:
        return _State.model_validate(content).model_dump()

    return read_json(path, "fill the store again", state)


def _open(segments: Path, part: dict[str, Any], width: int) -> Segment:
    segment = Segment.open(segments / part["name"], part["index"])
    if segment.vectors.shape[1] != width or max(part["dead"], default=-1) >= len(segment.ids):
        raise VibesError(
            f"The part {segment.folder} does not fit {MANIFEST} of the store; fill the store again."
        )
    segment.live[part["dead"]] = False
    return segment


def _joined(segments: list[Segment]) -> Segment:
    """One segment of what is live in several."""
    parts = [segment.kept() for segment in segments]
    return Segment.of(
        np.concatenate([part.ids for part in parts]),
        np.concatenate([part.vectors for part in parts]),
        pd.concat([part.attributes for part in parts], ignore_index=True),
    )
