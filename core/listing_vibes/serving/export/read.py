"""An export at work, and how near it is to the model it was made of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from listing_vibes.defaults import K
from listing_vibes.errors import VibesError
from listing_vibes.market.log import EventLog, ranges
from listing_vibes.model.encoder import TOKENS_PER_BATCH
from listing_vibes.model.export.formats import Graph
from listing_vibes.model.export.inputs import Arrays, history_inputs, listing_inputs
from listing_vibes.model.export.trace import open_graph
from listing_vibes.packed.batches import batches_by_length
from listing_vibes.run.engine import Engine
from listing_vibes.run.prepared import weights_digest
from listing_vibes.run.run import Run
from listing_vibes.serving.export.write import read_manifest, save_manifest

#: Below this mean cosine or top-30 overlap an export does not stand for the model any more.
LEAST = 0.98
#: Listings and histories that a check encodes, at most (and the listings of these histories).
LISTINGS, HISTORIES = 2000, 500


@dataclass(frozen=True, eq=False)
class Exported:
    """Graphs of one format, fed with the features of a run."""

    engine: Engine
    log: EventLog
    listings: Graph
    histories: Graph

    @classmethod
    def open(cls, run: Run, out: Path, format: str) -> Exported:
        """The graphs in `out`, over the market of `run`.

        Raises:
            VibesError: there are none, or they are of another model.
        """
        manifest = read_manifest(out)
        names = manifest.get("graphs", {}).get(format)
        if names is None:
            raise VibesError(
                f"{out} holds no export as {format}; write it with `vibes export {run.path} {out} --format {format}`."
            )
        if manifest["weights"] != weights_digest(run.folder):
            raise VibesError(
                f"{out} was exported from another model than that of {run.path}; export it again."
            )
        listings = open_graph(out / names["listings"], format)
        same = names["histories"] == names["listings"]
        return cls(
            run.engine, run.log, listings, listings if same else open_graph(out / names["histories"], format)
        )

    def encode_listings(self, rows: np.ndarray) -> np.ndarray:
        """(n, d) float32 of the bare listings `rows` (n,), L2-normalised."""
        inputs, vocabulary = self.engine.inputs(self.log), self.engine.featurizer.vocabulary

        def made(some: np.ndarray) -> Arrays:
            return listing_inputs(self.engine.model, inputs, rows[some], vocabulary)

        return _encode(self.listings, made, inputs.listing_lengths(rows), self.engine.featurizer.width)

    def encode_histories(self, start: np.ndarray, end: np.ndarray, table: np.ndarray) -> np.ndarray:
        """(n, d) float32 of the histories `start[q] : end[q]`; table (L, d): all listings as this export encodes them."""
        engine, inputs = self.engine, self.engine.inputs(self.log)
        first = inputs.newest(start, end)
        lengths = inputs.block_lengths(first, end) if engine.model.user_pass is None else end - first

        def made(some: np.ndarray) -> Arrays:
            vocabulary = engine.featurizer.vocabulary
            return history_inputs(engine.model, inputs, start[some], end[some], vocabulary, table)

        return _encode(self.histories, made, lengths, engine.featurizer.width)


@dataclass(frozen=True)
class Check:
    """How near an export is to the model.

    Attributes:
        listings, histories: how many were encoded both ways.
        listing_cosine, history_cosine: mean cosine of the two vectors; lowest: the least of all.
        overlap: share of the 30 best listings of a history that both ways find, mean over histories.
    """

    listings: int
    histories: int
    listing_cosine: float
    history_cosine: float
    lowest: float
    overlap: float

    @property
    def holds(self) -> bool:
        """True where the export stands for the model."""
        return min(self.listing_cosine, self.history_cosine, self.overlap) >= LEAST


def check_export(run: Run, out: Path, format: str, seed: int = 0) -> Check:
    """Encode listings and histories by the model and by its export; the outcome goes into `export.json`, too.

    Raises:
        VibesError: see `Exported.open`.
    """
    exported, engine, log = Exported.open(run, out, format), run.engine.exact(), run.log
    if not engine.settings.training.unwanted_learned:  # what is not wanted is not read
        log = log.wanted_only(log.start[:-1], log.start[1:]) if log.some_unwanted else log
        exported = replace(exported, log=log)
    rng, count, width = np.random.default_rng(seed), len(run.listing_ids), engine.featurizer.width
    users = np.sort(rng.permutation(np.flatnonzero(np.diff(log.start)))[:HISTORIES])
    start, end = log.start[users], log.start[users + 1]
    told = np.maximum(start, end - engine.settings.training.max_listings)
    some = rng.choice(count, min(LISTINGS, count), replace=False)
    rows = np.union1d(log.listing[ranges(told, end - told)], some)  # (n,)
    eager, other = np.zeros((2, count, width), np.float32)  # (L, d) each; what is not in `rows` is not read
    eager[rows] = engine.encode_listings(rows=rows)
    other[rows] = exported.encode_listings(rows)
    histories = engine.encode_histories(log, start, end, eager), exported.encode_histories(start, end, other)
    cosines = [(eager[rows] * other[rows]).sum(axis=1), (histories[0] * histories[1]).sum(axis=1)]
    best = _best(histories[0] @ eager[rows].T), _best(histories[1] @ other[rows].T)
    made = Check(
        listings=len(rows),
        histories=len(users),
        listing_cosine=float(cosines[0].mean()),
        history_cosine=float(cosines[1].mean()),
        lowest=float(min(cosine.min() for cosine in cosines)),
        overlap=float(np.mean([np.isin(*pair).mean() for pair in zip(*best, strict=True)])),
    )
    manifest = read_manifest(out)
    manifest["checks"][format] = asdict(made)
    save_manifest(out, manifest)
    return made


def _best(scores: np.ndarray) -> np.ndarray:
    """(B, 30) columns of the largest scores (B, n)."""
    count = min(K, scores.shape[1])
    return np.argpartition(-scores, count - 1, axis=1)[:, :count]


def _encode(
    graph: Graph, inputs: Callable[[np.ndarray], Arrays], lengths: np.ndarray, width: int
) -> np.ndarray:
    out = np.zeros((len(lengths), width), np.float32)
    for rows in batches_by_length(lengths, TOKENS_PER_BATCH):
        out[rows] = graph(inputs(rows))
    return out
