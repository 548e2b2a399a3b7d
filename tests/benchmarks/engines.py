"""The same requests to this project, Qdrant (local mode) and Milvus Lite: `python -m tests.benchmarks.engines [RUN] [--requests 200]`.

Each holds the vectors of a run's live listings and their attributes, and is asked one request at a time, all engines in turns,
for the 30 listings nearest to a listing under each rule. What an engine has no request for is told as such; where it has one,
p50 and p99 in milliseconds, the processor time of a request in this process and those it started, which a busy machine changes
least, and the mean share of the 30 that this project gives as well. Needs `qdrant-client` (not among the
project's extras) beside the extra `milvus`; an engine that is not installed is left out.
"""

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd
import psutil

from core.market.columns import Columns as C
from core.run.rules import Rules
from core.run.run import Run

DEMO = Path(__file__).parents[2] / "assets" / "demo" / "run"
K = 30
Ask = Callable[[int], list[int]]


class Asked:
    """What all engines are asked: rows of live listings, their vectors and attributes."""

    def __init__(self, path: Path) -> None:
        self.run = Run.open(path)
        live = self.run.catalogue.live(self.run.after_last_event)
        self.rows = np.flatnonzero(live & self.run.index("model").known)
        self.vectors = self.run.vectors("model")[self.rows]
        listings = self.run.market.listings.iloc[self.rows].reset_index(drop=True)
        names = {one.kind: one.name for one in reversed(self.run.market.attributes)}
        self.number, self.group = names["number"], names["category"]
        self.limit = float(listings[self.number].median())
        self.blocked = [int(row) for row in range(0, len(self.rows), 9)]
        self.payload = pd.DataFrame(
            {"number": listings[self.number].astype(float), "group": listings[self.group].astype(str)}
        )
        since = listings[C.PUBLISHED].astype("int64") / 86_400e9 if C.PUBLISHED in listings else 0.0
        self.payload["day"] = pd.Series(since, index=listings.index, dtype=float)
        self.now = self.run.after_last_event / 86_400e9


def ours(asked: Asked) -> dict[str, Ask]:
    run, ids = asked.run, asked.run.listing_ids
    back = {int(row): place for place, row in enumerate(asked.rows)}
    blocked = tuple(ids[asked.rows[row]] for row in asked.blocked)
    rules = {
        "none": Rules(),
        "where": Rules(where=(f"{asked.number}<={asked.limit:g}",)),
        "block": Rules(block=blocked),
        "pin": Rules(pin=blocked[:3]),
        "at most": Rules(at_most=2, seller=asked.group),
        "at most, filled": Rules(at_most=2, seller=asked.group, fill=True),
        "diversity": Rules(diversity=0.3),
        "not": Rules.of({"not": [blocked[0]]}),
        "fresh": Rules(boost=("fresh 0.5 14d",)),
    }
    found = {}
    for name, rule in rules.items():
        maker = run.recommender("model", rule.model_copy(update={"live_only": True}), for_users=False)

        def ask(row: int, maker: Any = maker) -> list[int]:
            at = run.after_last_event
            rows = maker.similar(asked.rows[row : row + 1], at, K).rows[0]
            return [back[int(one)] for one in rows if one >= 0]

        found[name] = ask
    return found


def qdrant(asked: Asked, folder: Path) -> dict[str, Ask]:
    from qdrant_client import QdrantClient, models

    client = QdrantClient(path=str(folder / "qdrant"))
    width = asked.vectors.shape[1]
    client.create_collection(
        "l", vectors_config=models.VectorParams(size=width, distance=models.Distance.COSINE)
    )
    points = [
        models.PointStruct(id=row, vector=vector.tolist(), payload=told)
        for row, (vector, told) in enumerate(
            zip(asked.vectors, asked.payload.to_dict("records"), strict=True)
        )
    ]
    client.upsert("l", points)

    def without(row: int, more: Any = ()) -> Any:
        return [models.HasIdCondition(has_id=[row, *more])]

    def told(answer: Any) -> list[int]:
        return [int(point.id) for point in answer.points]

    def nearest(row: int, **filters: Any) -> list[int]:
        chosen = models.Filter(must_not=without(row, filters.pop("blocked", ())), **filters)
        return told(client.query_points("l", query=asked.vectors[row].tolist(), query_filter=chosen, limit=K))

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

    def fresh(row: int) -> list[int]:
        decay = models.ExpDecayExpression(
            exp_decay=models.DecayParamsExpression(x="day", target=asked.now, scale=14.0, midpoint=0.5)
        )
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

    limit = models.FieldCondition(key="number", range=models.Range(lte=asked.limit))
    return {
        "none": nearest,
        "where": lambda row: nearest(row, must=[limit]),
        "block": lambda row: nearest(row, blocked=asked.blocked),
        "at most": at_most,
        "diversity": diverse,
        "not": unlike,
        "fresh": fresh,
    }


def milvus(asked: Asked, folder: Path) -> dict[str, Ask]:
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
    told = asked.payload.fillna(1e18).to_dict("records")  # fulfils no "at most"
    rows = [
        {"id": row, "vector": vector.tolist(), **one}
        for row, (vector, one) in enumerate(zip(asked.vectors, told, strict=True))
    ]
    client.insert("l", rows)
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
        "block": lambda row: nearest(row, f" and id not in {asked.blocked}"),
        "at most": lambda row: nearest(row, group_by_field="group", group_size=2),
        "fresh": lambda row: nearest(row, ranker=decay),
    }


def measure(path: Path, requests: int) -> dict[str, dict[str, dict[str, Any]]]:
    """By rule and engine: milliseconds and overlap, or why there is no answer."""
    asked = Asked(path)
    rows = np.random.default_rng(0).choice(len(asked.rows), requests)
    found: dict[str, dict[str, dict[str, Any]]] = {}
    with TemporaryDirectory(prefix="vibes-") as place:
        engines = {"listing vibes": ours(asked)}
        for name, make in {"qdrant": qdrant, "milvus lite": milvus}.items():
            try:
                engines[name] = make(asked, Path(place))
            except ImportError as error:
                print(f"{name} is left out: {error}")
        for rule, mine in engines["listing vibes"].items():
            spent: dict[str, list[float]] = {name: [] for name in engines}
            worked = dict.fromkeys(engines, 0.0)
            alike: dict[str, list[float]] = {name: [] for name in engines}
            failed: dict[str, str] = {}
            for number, row in enumerate(map(int, rows)):
                wanted = set(mine(row))
                for name, rules in engines.items():
                    if rule not in rules or name in failed:
                        failed.setdefault(name, "no such request")
                        continue
                    before, cpu, begin = _others(), time.process_time(), time.perf_counter()
                    try:
                        got = rules[rule](row)
                    except Exception as error:  # whatever an engine says it cannot do
                        failed[name] = " ".join(str(error).split())[:120]
                        continue
                    ended, worked_here = time.perf_counter(), time.process_time()
                    if number >= 5:  # the first ones load what is loaded once
                        spent[name].append(1000 * (ended - begin))
                        worked[name] += 1000 * (worked_here - cpu + _others() - before)
                        alike[name].append(len(wanted & set(got)) / max(1, len(wanted)))
            found[rule] = {
                name: {"cannot": failed[name]}
                if name in failed
                else {
                    "p50_ms": float(np.percentile(spent[name], 50)),
                    "p99_ms": float(np.percentile(spent[name], 99)),
                    "cpu_ms": worked[name] / len(spent[name]),
                    "overlap": float(np.mean(alike[name])),
                }
                for name in engines
            }
    return found


def _others() -> float:
    """Seconds that the processes which this one started have worked."""
    others = [child.cpu_times() for child in psutil.Process().children(recursive=True)]
    return sum(one.user + one.system for one in others)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", nargs="?", type=Path, default=DEMO)
    parser.add_argument("--requests", type=int, default=200)
    parser.add_argument("--json", action="store_true")
    told = parser.parse_args()
    found = measure(told.run, told.requests)
    if told.json:
        print(json.dumps(found))
        return
    for rule, by_engine in found.items():
        for name, one in by_engine.items():
            said = (
                one.get("cannot")
                or "p50 {p50_ms:.2f} ms, p99 {p99_ms:.2f} ms, processor {cpu_ms:.2f} ms, overlap {overlap:.2f}".format(
                    **one
                )
            )
            print(f"{rule:<16}{name:<16}{said}")


if __name__ == "__main__":
    main()
