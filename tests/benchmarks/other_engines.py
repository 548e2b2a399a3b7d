"""Other vector engines, asked what `tests/benchmarks/engines.py` asks: each gives by rule what answers for one listing."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from tests.benchmarks.engines import Asked

K = 30
PART = 5000  # listings that are handed over at once
Ask = Callable[[int], list[int]]


class TooSlow(Exception):
    """An engine did not load its listings in time."""


def qdrant(asked: Asked, _folder: Path, _until: float) -> dict[str, Ask]:
    from qdrant_client import QdrantClient, models

    client = QdrantClient(":memory:")
    width = asked.vectors.shape[1]
    client.create_collection(
        "l", vectors_config=models.VectorParams(size=width, distance=models.Distance.COSINE)
    )
    records = asked.payload.to_dict("records")
    for told_of in records:
        told_of["place"] = {"lat": told_of.pop("latitude"), "lon": told_of.pop("longitude")}
    first = min(PART, len(records))
    points = models.Batch(
        ids=list(range(first)), vectors=asked.vectors[:first].tolist(), payloads=records[:first]
    )
    client.upsert("l", points)
    _filled(client._client.collections["l"], records[first:], asked.vectors[first:])

    def without(row: int, more: Any = ()) -> Any:
        return [models.HasIdCondition(has_id=[row, *more])]

    def told(answer: Any) -> list[int]:
        return [int(point.id) for point in answer.points]

    def plain(row: int) -> list[int]:  # one more, so that no filter has to look at every listing
        found = told(client.query_points("l", query=asked.vectors[row].tolist(), limit=K + 1))
        return [one for one in found if one != row][:K]

    def nearest(row: int, **filters: Any) -> list[int]:
        chosen = models.Filter(must_not=without(row, filters.pop("blocked", ())), **filters)
        return told(client.query_points("l", query=asked.vectors[row].tolist(), query_filter=chosen, limit=K))

    def same(row: int) -> list[int]:
        value = models.MatchValue(value=asked.payload["group"].iat[row])
        return nearest(row, must=[models.FieldCondition(key="group", match=value)])

    def at_most(row: int) -> list[int]:
        answer = client.query_points_groups(
            "l", query=asked.vectors[row].tolist(), group_by="group", group_size=2, limit=K,
            query_filter=models.Filter(must_not=without(row)),
        )  # fmt: skip
        hits = [hit for group in answer.groups for hit in group.hits]
        return [int(hit.id) for hit in sorted(hits, key=lambda hit: -hit.score)][:K]

    def diverse(row: int) -> list[int]:
        query = models.NearestQuery(
            nearest=asked.vectors[row].tolist(), mmr=models.Mmr(diversity=0.3, candidates_limit=100)
        )
        return told(
            client.query_points("l", query=query, query_filter=models.Filter(must_not=without(row)), limit=K)
        )

    def unlike(row: int) -> list[int]:
        query = models.RecommendQuery(
            recommend=models.RecommendInput(positive=[row], negative=[asked.blocked[0]])
        )
        return told(client.query_points("l", query=query, limit=K))

    def decayed(row: int, decay: Any) -> list[int]:
        weighted = models.MultExpression(mult=[0.05, decay])
        return told(
            client.query_points(
                "l",
                prefetch=models.Prefetch(
                    query=asked.vectors[row].tolist(), limit=len(asked.rows), filter=models.Filter(must_not=without(row))
                ),
                query=models.FormulaQuery(formula=models.SumExpression(sum=["$score", weighted])),
                limit=K,
            )
        )  # fmt: skip

    def fresh(row: int) -> list[int]:
        return decayed(row, models.ExpDecayExpression(
            exp_decay=models.DecayParamsExpression(x="day", target=asked.now, scale=14.0, midpoint=0.5)
        ))  # fmt: skip

    def near(row: int) -> list[int]:
        latitude, longitude = map(float, asked.place.split(","))
        way = models.GeoDistance(
            geo_distance=models.GeoDistanceParams(
                origin=models.GeoPoint(lat=latitude, lon=longitude), to="place"
            )
        )
        return decayed(row, models.ExpDecayExpression(
            exp_decay=models.DecayParamsExpression(x=way, scale=2000.0, midpoint=0.5)
        ))  # fmt: skip

    limit = models.FieldCondition(key="number", range=models.Range(lte=asked.limit))
    return {
        "none": plain,
        "where": lambda row: nearest(row, must=[limit]),
        "same": same,
        "block": lambda row: nearest(row, blocked=asked.blocked),
        "at most": at_most,
        "diversity": diverse,
        "not": unlike,
        "fresh": fresh,
        "near": near,
    }


def _filled(held: Any, records: list[dict[str, Any]], vectors: np.ndarray) -> None:
    """What `upsert` makes of more points of a local collection: it copies whole arrays for each, so that
    a million would take hours.

    Args:
        held: the client's collection, which holds points already.
        vectors: (n, d) float32, of length 1.
    """
    first = len(held.ids)
    held.ids.update((one, one) for one in range(first, first + len(records)))
    held.ids_inv.extend(range(first, first + len(records)))
    held.payload.extend(records)
    held.vectors[""] = np.concatenate([held.vectors[""][:first], vectors])
    none = np.zeros(len(records), held.deleted.dtype)
    held.deleted = np.concatenate([held.deleted, none])
    held.deleted_per_vector[""] = np.concatenate([held.deleted_per_vector[""], none])


def milvus(asked: Asked, folder: Path, until: float) -> dict[str, Ask]:
    from pymilvus import DataType, Function, FunctionType, MilvusClient

    client = MilvusClient(str(folder / "milvus.db"))
    schema = client.create_schema(auto_id=False)
    schema.add_field("id", DataType.INT64, is_primary=True)
    schema.add_field("vector", DataType.FLOAT_VECTOR, dim=asked.vectors.shape[1])
    schema.add_field("number", DataType.DOUBLE)
    schema.add_field("group", DataType.VARCHAR, max_length=200)
    schema.add_field("day", DataType.DOUBLE)
    index = client.prepare_index_params()
    index.add_index("vector", index_type="FLAT", metric_type="IP")
    client.create_collection("l", schema=schema, index_params=index, consistency_level="Strong")
    told = asked.payload[["number", "group", "day"]].fillna(1e18)  # fulfils no "at most"
    for some in asked.parts(until):
        records = zip(asked.vectors[some], told.iloc[some].to_dict("records"), strict=True)
        client.insert(
            "l",
            [
                {"id": row, "vector": vector.tolist(), **one}
                for row, (vector, one) in enumerate(records, some.start)
            ],
        )
    client.load_collection("l")

    def nearest(row: int, more: str = "", **options: Any) -> list[int]:
        (answer,) = client.search(
            "l", data=[asked.vectors[row].tolist()], limit=K, anns_field="vector",
            filter=f"id != {row}{more}", search_params={"metric_type": "IP"}, **options,
        )  # fmt: skip
        return [int(hit["id"]) for hit in answer]

    decay = Function(
        name="fresh", input_field_names=["day"], function_type=FunctionType.RERANK,
        params={"reranker": "decay", "function": "exp", "origin": asked.now, "scale": 14, "decay": 0.5},
    )  # fmt: skip
    return {
        "none": nearest,
        "where": lambda row: nearest(row, f" and number <= {asked.limit}"),
        "same": lambda row: nearest(row, f" and group == {json.dumps(told['group'].iat[row])}"),
        "block": lambda row: nearest(row, f" and id not in {asked.blocked}"),
        "at most": lambda row: nearest(row, group_by_field="group", group_size=2),
        "fresh": lambda row: nearest(row, ranker=decay),
    }
