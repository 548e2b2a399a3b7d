"""Export of a run: its vectors, and its model to other engines, with a check of the exported vectors against the model's.

out/export.json    manifest: by format the graphs, their inputs, and the exported model
out/listings.*     graph from listings without a history to vectors
out/histories.*    graph from histories to vectors, unless both use the same graph
out/*.parquet      vectors of listings in each space, and of users by the model
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from listing_vibes.defaults import K
from listing_vibes.errors import VibesError
from listing_vibes.market.attribute_types import type_of
from listing_vibes.market.columns import Columns as C
from listing_vibes.market.documents import read_json, write_json
from listing_vibes.market.durable import atomic_path, sweep_left
from listing_vibes.market.log import EventLog, ranges
from listing_vibes.model.encoder import TOKENS_PER_BATCH, batches_by_length
from listing_vibes.model.export.formats import FORMATS, Arrays, Graph
from listing_vibes.model.export.graph import (
    graphs_of,
    history_inputs,
    open_graph,
    token_inputs,
    write_graph,
)
from listing_vibes.progress import Counted, Report, silent
from listing_vibes.run.engine import Engine, weights_digest
from listing_vibes.run.run import Run
from listing_vibes.search.index import best
from listing_vibes.search.milvus_store import METRICS, replace_listings

MANIFEST = "export.json"
SAMPLE = 8  # rows that a graph is traced with
#: Minimum mean cosine and top-30 overlap of a valid export.
LEAST = 0.98
#: Maximum number of listings and of histories that a check encodes (and the listings of these histories).
CHECKED_LISTINGS, CHECKED_HISTORIES = 2000, 500
#: Files of vectors.
LISTINGS, USERS = "listings.parquet", "users.parquet"
#: Batch sizes: rows that are written and histories that are encoded.
ROWS, HISTORIES = 50_000, 2048
VECTOR = pa.list_(pa.field("element", pa.float32(), nullable=False))
NAME = pa.dictionary(pa.int32(), pa.string())


def export_run(run: Run, out: Path, format: str, report: Report = silent) -> list[Path]:
    """Write the model of `run` into `out` in one format; return the files.

    Raises:
        VibesError: the run has no model, there are no events to trace it with, or a library is missing.
    """
    engine, log, config = run.engine, run.log, run.engine.settings.encoder_config()
    if not len(log):
        raise VibesError(
            f"{run.market.path} has no events, and the export traces the model with histories; export a run over a market with events."
        )
    sweep_left(out)
    listings, histories = graphs_of(engine.model)
    graphs = {"listings": listings} | ({} if histories is listings else {"histories": histories})
    names = {kind: f"{kind}{FORMATS[format]().suffix}" for kind in graphs}
    inputs, vocabulary = engine.inputs(log), engine.featurizer.vocabulary
    longest = np.argsort(-inputs.listing_lengths(np.arange(len(run.listing_ids))), kind="stable")
    users = np.resize(np.argsort(-np.diff(log.start), kind="stable")[:SAMPLE], SAMPLE)
    for number, (kind, graph) in enumerate(graphs.items()):
        report(Counted(f"{format}: {kind}", number, len(graphs)))
        if kind == "listings":
            sample = token_inputs(
                inputs.listings(np.resize(longest[:SAMPLE], SAMPLE)), inputs.features, vocabulary
            )
        else:
            start, end = log.start[users], log.start[users + 1]
            sample = history_inputs(engine.model, inputs, start, end, vocabulary, run.vectors("model"))
        length = config.max_items - 1 if "table" in sample else config.max_tokens
        write_graph(graph, sample, out / names[kind], format, length)
    weights, before = weights_digest(run.folder), read_manifest(out)
    earlier = before["graphs"] if before.get("weights") == weights else {}  # not those of another model
    manifest = {
        "version": 1,
        "weights": weights,
        "history": engine.settings.history,
        "width": engine.featurizer.width,
        "inputs": {
            kind: {name: [axis or "width" for axis in axes] for name, axes in graph.inputs.items()}
            for kind, graph in graphs.items()
        },
        "graphs": earlier | {format: {"histories": names["listings"], **names}},
    }
    write_json(out / MANIFEST, manifest, indent=1)
    return [out / name for name in names.values()]


def read_manifest(out: Path) -> dict[str, Any]:
    """Return the content of `export.json` in `out`; empty if there is none."""
    return read_json(out / MANIFEST, "remove it and export again") or {}


@dataclass(frozen=True, eq=False)
class ExportedModel:
    """Graphs of one format, fed with the features of a run."""

    engine: Engine
    log: EventLog
    listings: Graph
    histories: Graph

    @classmethod
    def open(cls, run: Run, out: Path, format: str) -> "ExportedModel":
        """Open the graphs in `out`, over the market of `run`.

        Raises:
            VibesError: there are no such graphs, or they belong to another model.
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
        graphs = {name: open_graph(out / name, format) for name in set(names.values())}
        return cls(run.engine, run.log, graphs[names["listings"]], graphs[names["histories"]])

    def encode_listings(self, rows: np.ndarray) -> np.ndarray:
        """Return the vectors (n, d) float32 of the listings `rows` (n,) without a history, L2-normalized."""
        inputs, vocabulary = self.engine.inputs(self.log), self.engine.featurizer.vocabulary

        def arrays(batch: np.ndarray) -> Arrays:
            return token_inputs(inputs.listings(rows[batch]), inputs.features, vocabulary)

        return self._encode(self.listings, arrays, inputs.listing_lengths(rows))

    def encode_histories(self, start: np.ndarray, end: np.ndarray, table: np.ndarray) -> np.ndarray:
        """Return the vectors (n, d) float32 of the histories `start[q] : end[q]`; table (L, d): all listings encoded by this export."""
        engine, inputs = self.engine, self.engine.inputs(self.log)
        first = inputs.newest(start, end)
        has_tokens = engine.model.history_rows == "tokens"
        lengths = inputs.event_tokens(first, end) if has_tokens else end - first

        def arrays(batch: np.ndarray) -> Arrays:
            vocabulary = engine.featurizer.vocabulary
            return history_inputs(engine.model, inputs, start[batch], end[batch], vocabulary, table)

        return self._encode(self.histories, arrays, lengths)

    def _encode(
        self, graph: Graph, arrays: Callable[[np.ndarray], Arrays], lengths: np.ndarray
    ) -> np.ndarray:
        out = np.zeros((len(lengths), self.engine.featurizer.width), np.float32)
        for rows in batches_by_length(lengths, TOKENS_PER_BATCH):
            out[rows] = graph(arrays(rows))
        return out


@dataclass(frozen=True)
class ExportCheck:
    """Comparison of an export with the model.

    Attributes:
        listing_cosine, history_cosine: mean cosine of the two vectors of a listing, and of a history.
        overlap: share of the 30 best listings of a history that both have, mean over histories.
    """

    listing_cosine: float
    history_cosine: float
    overlap: float

    @property
    def holds(self) -> bool:
        """Return whether mean cosines and overlap reach `LEAST`."""
        return min(self.listing_cosine, self.history_cosine, self.overlap) >= LEAST


def check_export(run: Run, out: Path, format: str) -> ExportCheck:
    """Encode listings and histories with the model and with its export, and compare the vectors."""
    log = run.log.positives  # a model reads no unwanted events
    exported, engine = replace(ExportedModel.open(run, out, format), log=log), run.engine.in_float32()
    rng, count, width = np.random.default_rng(0), len(run.listing_ids), engine.featurizer.width
    users = np.sort(rng.permutation(np.flatnonzero(np.diff(log.start)))[:CHECKED_HISTORIES])
    start, end = log.start[users], log.start[users + 1]
    first = np.maximum(start, end - engine.settings.training.max_listings)
    sample = rng.choice(count, min(CHECKED_LISTINGS, count), replace=False)
    rows = np.union1d(log.listing[ranges(first, end - first)], sample)  # (n,)
    eager, other = np.zeros((2, count, width), np.float32)  # (L, d) each; only the rows in `rows` are used
    eager[rows] = engine.encode_listings(rows=rows)
    other[rows] = exported.encode_listings(rows)
    histories = engine.encode_histories(log, start, end, eager), exported.encode_histories(start, end, other)
    tables, k = (eager[rows], other[rows]), min(K, len(rows))
    lists = [best(vectors @ table.T, k)[0] for vectors, table in zip(histories, tables, strict=True)]
    return ExportCheck(
        listing_cosine=float((eager[rows] * other[rows]).sum(axis=1).mean()),
        history_cosine=float((histories[0] * histories[1]).sum(axis=1).mean()),
        overlap=float(np.mean([np.isin(*pair).mean() for pair in zip(*lists, strict=True)])),
    )


def export_vectors(run: Run, out: Path, report: Report = silent) -> dict[str, int]:
    """Write the vectors of `run` into the folder `out`; return the number of rows by file.

    All vectors are L2-normalized float32, so that the inner product is the cosine. Listings without a vector in a space (no
    photo) and users without a history that the model reads have no row. Compare only vectors of the same space and `model`.
    """
    sweep_left(out)
    schema = pa.schema([(C.LISTING, pa.string()), ("space", NAME), ("model", NAME), ("vector", VECTOR)])
    rows = {LISTINGS: _write(out / LISTINGS, schema, _listing_tables(run, schema))}
    if run.has_model and len(run.log):
        schema = pa.schema([(C.USER, pa.string()), ("model", NAME), ("vector", VECTOR)])
        rows[USERS] = _write(out / USERS, schema, _user_tables(run, schema, report))
    else:
        (out / USERS).unlink(missing_ok=True)  # stale file of an earlier export
    return rows


def fill_collection(run: Run, place: str, index: str | None = None, metric: str = METRICS[0]) -> int:
    """Make the Milvus collection `listings_SPACE` hold the active listings of `run`, with vectors of its first space; return how many.

    Args:
        index, metric: see `listing_vibes.search.milvus_store.replace_listings`.

    Raises:
        VibesError: the collection cannot be opened or written.
    """
    space = run.spaces[0]
    vectors = run.vectors(space)
    is_in = run.catalogue.live(run.after_last_event) & vectors.any(axis=1)
    ids = np.array(run.listing_ids, dtype=object)[is_in].tolist()
    names = [
        attribute.name
        for attribute in run.market.attributes
        if type_of(attribute.kind).short and attribute.name != C.LISTING
    ]
    replace_listings(
        place, f"listings_{space}", ids, vectors[is_in], run.market.listings[names][is_in], index, metric
    )
    return len(ids)


def model_of(run: Run, space: str) -> str:
    """Return an id of the model behind a space: its weights, its photo encoder, or the market it was fitted on."""
    if space == "model":
        return weights_digest(run.folder)[:16]
    return run.manifest.photo_encoder if space == "photos" else f"market-{run.manifest.fingerprint[:16]}"


def _listing_tables(run: Run, schema: pa.Schema) -> Iterator[pa.Table]:
    for space in run.spaces:
        vectors = run.vectors(space)  # (L, d)
        for first in range(0, len(vectors), ROWS):
            part = slice(first, first + ROWS)
            yield _table(schema, run.listing_ids[part], vectors[part], [space, model_of(run, space)])


def _user_tables(run: Run, schema: pa.Schema, report: Report) -> Iterator[pa.Table]:
    log, listings = run.log, run.vectors("model")
    for first in range(0, len(log.users), HISTORIES):
        report(Counted("users", first, len(log.users)))
        part = slice(first, first + HISTORIES)
        vectors = run.engine.encode_histories(
            log, log.start[:-1][part], log.start[1:][part], listings=listings
        )
        yield _table(schema, log.users[part], vectors, [model_of(run, "model")])


def _table(schema: pa.Schema, ids: list[str], vectors: np.ndarray, names: list[str]) -> pa.Table:
    """Return a table of the rows (n, d) that are not zero, each with the same `names` between id and vector."""
    rows = np.flatnonzero(vectors.any(axis=1))
    values = np.ascontiguousarray(vectors[rows], np.float32)  # (n, d)
    offsets = np.arange(len(rows) + 1, dtype=np.int32) * vectors.shape[1]
    repeated = [pa.DictionaryArray.from_arrays(np.zeros(len(rows), np.int32), [name]) for name in names]
    vector = pa.ListArray.from_arrays(offsets, values.ravel(), type=VECTOR)
    return pa.table([pa.array([ids[row] for row in rows], pa.string()), *repeated, vector], schema)


def _write(path: Path, schema: pa.Schema, tables: Iterator[pa.Table]) -> int:
    rows = 0
    # Floats of vectors hardly repeat, so neither dictionaries nor strong compression pay off.
    options = {"compression": "zstd", "use_dictionary": ["space", "model"]}
    with atomic_path(path) as temporary, pq.ParquetWriter(temporary, schema, **options) as writer:
        for table in tables:
            writer.write_table(table)
            rows += table.num_rows
    return rows
