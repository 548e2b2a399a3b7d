"""Vectors of listings and users as Parquet, for DuckDB, pandas, pgvector, Qdrant and others, and a Milvus collection of listings.

out/listings.parquet   listing_id, space, model, vector: one row per listing and space
out/users.parquet      user_id, model, vector: one row per user with a history, if the run has a model and events
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from listing_vibes.market.attribute_types import type_of
from listing_vibes.market.columns import Columns as C
from listing_vibes.market.durable import atomic_path, sweep_left
from listing_vibes.progress import Counted, Report, silent
from listing_vibes.run.engine import weights_digest
from listing_vibes.run.run import Run
from listing_vibes.search.milvus_store import METRICS, replace_listings

LISTINGS, USERS = "listings.parquet", "users.parquet"
#: Batch sizes: rows that are written and histories that are encoded.
ROWS, HISTORIES = 50_000, 2048
VECTOR = pa.list_(pa.field("element", pa.float32(), nullable=False))
NAME = pa.dictionary(pa.int32(), pa.string())


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
