"""A vector store in Milvus: a file by `milvus-lite`, or a server by its URL."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd

from listing_vibes.errors import VibesError, needs

ID, VECTOR = "listing_id", "vector"
COLLECTION = "listings"
CHUNK = 2000  # listings per request; a server accepts at most 64 MiB


class MilvusStore:
    """Listings of one space, with id, L2-normalized vector and attributes for filters, which are searched by Milvus's own clients.

    Readers of Milvus see each change immediately, so `save` only flushes it. Attributes are dynamic fields, so that the server can
    filter by any text, number or flag.
    """

    def __init__(self, client: Any, collection: str, width: int) -> None:
        self._client, self._collection, self.width = client, collection, width

    @classmethod
    def open(cls, place: Path | str, width: int | None = None, collection: str = COLLECTION) -> Self:
        """Open a collection; with `width`, create it if it does not exist.

        Args:
            place: a URL such as `http://host:19530`, or a file ending in `.db` (milvus-lite).
            collection: the collection's name, of letters, digits and _. The token is read from `MILVUS_TOKEN`.

        Raises:
            VibesError: the collection does not exist, Milvus fails or cannot be reached, or the vectors have another width.
        """
        if not re.fullmatch(r"[A-Za-z_]\w*", collection):
            raise VibesError(
                f"'{collection}' is not a name of a Milvus collection; use letters, digits and _."
            )
        with needs("Milvus", "export"):
            from pymilvus import MilvusClient
        if "://" not in str(place):
            if not str(place).endswith(".db"):
                raise VibesError(
                    f"'{place}' is neither the URL of a Milvus server nor a file that ends in .db; give one of them."
                )
            Path(place).absolute().parent.mkdir(parents=True, exist_ok=True)
        with _milvus_errors(f"Milvus at {place}"):
            client = MilvusClient(str(place), token=os.environ.get("MILVUS_TOKEN", ""))
            existing = client.has_collection(collection)
            if not existing and width is not None:
                _create(client, collection, width)
        if not existing and width is None:
            raise VibesError(f"Milvus at {place} has no collection '{collection}'; fill one first.")
        with _milvus_errors(f"Milvus at {place}"):
            client.load_collection(collection)
            fields = client.describe_collection(collection)["fields"]
        result = next((int(f["params"]["dim"]) for f in fields if f["name"] == VECTOR), None)
        if result is None or width not in (None, result):
            raise VibesError(
                f"The vectors of '{collection}' at {place} are {result} wide, not {width}; give another collection."
            )
        return cls(client, collection, result)

    def ids(self) -> list[str]:
        """Return the ids of all listings, in no order."""
        results: list[str] = []
        with _milvus_errors("Milvus"):
            pages = self._client.query_iterator(self._collection, batch_size=CHUNK, output_fields=[ID])
            while page := pages.next():
                results += [row[ID] for row in page]
            pages.close()
        return results

    def upsert(self, ids: Sequence[str], vectors: np.ndarray, attributes: pd.DataFrame | None = None) -> None:
        """Add listings, or replace existing ones.

        Args:
            ids: n distinct ids.
            vectors: (n, width) float32, L2-normalized; a listing with a zero row has no vector, and is deleted.
            attributes: n rows in the order of `ids`, with columns of text, numbers and flags.

        Raises:
            VibesError: the shapes do not match, an id occurs twice, or a value is not finite.
        """
        names, rows = list(map(str, ids)), np.ascontiguousarray(vectors, np.float32)
        table = pd.DataFrame(index=range(len(names))) if attributes is None else attributes
        if rows.shape != (len(names), self.width) or len(table) != len(names):
            raise VibesError(
                f"The store takes vectors ({len(names)}, {self.width}) and {len(names)} rows of attributes for {len(names)} listings, not "
                f"{rows.shape} and {len(table)}; give one row per listing, of the store's width."
            )
        if len(set(names)) < len(names) or not np.isfinite(rows).all():
            raise VibesError(
                "A listing occurs twice in one upsert, or a vector is not finite; give each once, and encode it again."
            )
        has_vector = np.any(rows != 0, axis=1)  # (n,)
        self.delete([names[row] for row in np.flatnonzero(~has_vector)])
        cells = _records(table)
        records = [
            {**cells[row], ID: names[row], VECTOR: rows[row].tolist()} for row in np.flatnonzero(has_vector)
        ]
        for start in range(0, len(records), CHUNK):
            with _milvus_errors("Milvus"):
                self._client.upsert(self._collection, records[start : start + CHUNK])

    def delete(self, ids: Sequence[str]) -> None:
        """Delete listings; unknown ids are ignored."""
        for start in range(0, len(ids), CHUNK):
            with _milvus_errors("Milvus"):
                # Quoted as JSON, since the library does not escape quotes in ids.
                subset = json.dumps(list(ids[start : start + CHUNK]), ensure_ascii=False)
                self._client.delete(self._collection, filter=f"{ID} in {subset}")

    def save(self) -> None:
        """Flush all changes to Milvus's disk."""
        with _milvus_errors("Milvus"):
            self._client.flush(self._collection)

    def close(self) -> None:
        """Close the connection or the file."""
        self._client.close()


def _create(client: Any, collection: str, width: int) -> None:
    from pymilvus import DataType

    schema = client.create_schema(auto_id=False, enable_dynamic_field=True)
    schema.add_field(ID, DataType.VARCHAR, is_primary=True, max_length=512)
    schema.add_field(VECTOR, DataType.FLOAT_VECTOR, dim=width)
    index = client.prepare_index_params()
    index.add_index(VECTOR, index_type="FLAT", metric_type="IP")
    client.create_collection(collection, schema=schema, index_params=index, consistency_level="Strong")


def _records(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Return the attributes of each row for Milvus; missing values are null, so that no old value stays."""
    columns = {str(name): table[name].astype(object).tolist() for name in table}
    rows: list[dict[str, Any]] = [{} for _ in range(len(table))]
    for name, values in columns.items():
        for row, value in zip(rows, values, strict=True):
            row[name] = None if pd.isna(value) else value.item() if isinstance(value, np.generic) else value
    return rows


@contextmanager
def _milvus_errors(where: str) -> Iterator[None]:
    """Raise errors of Milvus as a `VibesError`."""
    from pymilvus.exceptions import MilvusException

    try:
        yield
    except MilvusException as error:
        reason = str(error.message).splitlines()[0]
        raise VibesError(
            f"{where} failed or cannot be reached ({reason}); check its URL and state."
        ) from error
