"""A collection of listings in Milvus: a file by `milvus-lite`, or a server by its URL."""

import json
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from listing_vibes.errors import VibesError, needs

ID, VECTOR = "listing_id", "vector"
CHUNK = 2000  # listings per request; a server accepts at most 64 MiB


def replace_listings(
    place: str, collection: str, ids: Sequence[str], vectors: np.ndarray, attributes: pd.DataFrame
) -> None:
    """Make a collection hold exactly these listings, and create it if it does not exist; Milvus's own clients search it.

    Readers of Milvus see each change immediately. Attributes are dynamic fields, so that the server can filter by any text,
    number or flag.

    Args:
        place: a URL such as `http://host:19530`, or a file ending in `.db` (milvus-lite). The token is read from `MILVUS_TOKEN`.
        collection: the collection's name, of letters, digits and _.
        ids: n distinct ids.
        vectors: (n, width) float32, L2-normalized.
        attributes: n rows in the order of `ids`, with columns of text, numbers and flags.

    Raises:
        VibesError: the name is not one of a collection, Milvus fails or cannot be reached, or its vectors have another width.
    """
    if not re.fullmatch(r"[A-Za-z_]\w*", collection):
        raise VibesError(f"'{collection}' is not a name of a Milvus collection; use letters, digits and _.")
    with needs("Milvus", "export"):
        from pymilvus import MilvusClient
        from pymilvus.exceptions import MilvusException
    if "://" not in place:
        if not place.endswith(".db"):
            raise VibesError(
                f"'{place}' is neither the URL of a Milvus server nor a file that ends in .db; give one of them."
            )
        Path(place).absolute().parent.mkdir(parents=True, exist_ok=True)
    try:
        client = MilvusClient(place, token=os.environ.get("MILVUS_TOKEN", ""))
        if not client.has_collection(collection):
            _create(client, collection, vectors.shape[1])
        client.load_collection(collection)
        fields = client.describe_collection(collection)["fields"]
        width = next((int(f["params"]["dim"]) for f in fields if f["name"] == VECTOR), None)
        if width != vectors.shape[1]:
            raise VibesError(
                f"The vectors of '{collection}' at {place} are {width} wide, not {vectors.shape[1]}; give another collection."
            )
        others = sorted({*_stored_ids(client, collection)} - {*ids})
        for start in range(0, len(others), CHUNK):
            # Quoted as JSON, since the library does not escape quotes in ids.
            subset = json.dumps(others[start : start + CHUNK], ensure_ascii=False)
            client.delete(collection, filter=f"{ID} in {subset}")
        # Missing values are null, so that no old value stays.
        cells = attributes.astype(object).where(attributes.notna(), None).to_dict("records")
        for start in range(0, len(ids), CHUNK):
            rows = range(start, min(start + CHUNK, len(ids)))
            client.upsert(
                collection, [{**cells[row], ID: ids[row], VECTOR: vectors[row].tolist()} for row in rows]
            )
        client.flush(collection)
        client.close()
    except MilvusException as error:
        reason = str(error.message).splitlines()[0]
        raise VibesError(
            f"Milvus at {place} failed or cannot be reached ({reason}); check its URL and state."
        ) from error


def _stored_ids(client: Any, collection: str) -> Iterator[str]:
    pages = client.query_iterator(collection, batch_size=CHUNK, output_fields=[ID])
    while page := pages.next():
        yield from (row[ID] for row in page)
    pages.close()


def _create(client: Any, collection: str, width: int) -> None:
    from pymilvus import DataType

    schema = client.create_schema(auto_id=False, enable_dynamic_field=True)
    schema.add_field(ID, DataType.VARCHAR, is_primary=True, max_length=512)
    schema.add_field(VECTOR, DataType.FLOAT_VECTOR, dim=width)
    index = client.prepare_index_params()
    index.add_index(VECTOR, index_type="FLAT", metric_type="IP")
    client.create_collection(collection, schema=schema, index_params=index, consistency_level="Strong")
