"""The files of a run: each mutated, and read as a run is."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pandas as pd
from tests.fuzz.harness import target

from listing_vibes.ablation.table import COLUMNS, read_ablation
from listing_vibes.insight.map.vibe_map import read_map
from listing_vibes.insight.rankings import load_rankings, rankers
from listing_vibes.market.documents import read_json
from listing_vibes.run.blends import load_blends, parse_metrics
from listing_vibes.run.manifest import Manifest, read_spaces
from listing_vibes.run.run import Run
from listing_vibes.run.versions import stamp_of

SMALL_RUN = Path(__file__).parents[2] / "run" / "small_run"
METRICS = (
    b'{"protocol": "temporal", "history_hidden": true, "queries": 9, "users": 5, "results": {"model": {"recall@30": '
    b'{"value": 0.3, "low": 0.2, "high": 0.4}}, "popularity": {"recall@30": {"value": 0.1, "low": null, "high": null}}}, '
    b'"differences": {"default ranking - popularity": {"recall@30": {"value": 0.2, "low": 0.1, "high": 0.3, "p_value": 0.01, '
    b'"p_holm": 0.02}}}, "slices": {"cold listings": {"queries": 3, "users": 2, "results": {}}}, "stability": [{"by": "week",'
    b' "group": "1", "scorer": "model", "value": 0.5, "low": 0.4, "high": 0.6, "queries": 7, "users": 3}], "notes": {"a": "b"}}'
)
SERVING = (
    b'[{"name": "model + neighbors + recency", "space": "attributes", "decay": 0.7, "share": 0.5, "ids": null, '
    b'"id_settings": {}, "id_share": 0.0, "days": 15, "events": null, "weight": 0.1}]'
)


def _file(name: str) -> bytes:
    return (SMALL_RUN / "run" / name).read_bytes()


@cache
def _table(name: str) -> bytes:
    ids = [f"home-{number:04d}" for number in range(24)]
    frame = {
        "map": pd.DataFrame({"space": "model", "listing_id": ids, "x": 0.5, "y": 0.25, "cluster": 0}),
        "queries": pd.DataFrame(
            {
                "user_id": ids,
                "at": 1,
                "target": ids,
                "candidates": 9,
                "history_length": 2,
                "cold_listing": False,
                "cold_user": False,
                "rank of model": 3,
                "rank of als": 4,
            }
        ),
        "ablation": pd.DataFrame([dict.fromkeys(COLUMNS, 1) | {"variant": "full", "slice": "all"}]),
    }[name]
    return frame.to_parquet(index=False)


def _of(name: str, read: Callable[[Path], object]) -> Callable[[Path], Callable[[bytes], object]]:
    """Put one file into a copy of the run, and read that."""

    def make(folder: Path) -> Callable[[bytes], object]:
        shutil.copytree(SMALL_RUN, folder / "small", dirs_exist_ok=True)
        run = folder / "small" / "run"

        def feed(content: bytes) -> object:
            (run / name).write_bytes(content)
            return read(run)

        return feed

    return make


def _opened(run: Path, read: Callable[[Run], object]) -> object:
    return read(Run.open(run))


def _metrics(run: Path) -> object:
    return read_json(run / "metrics.json", "evaluate the run again", parse_metrics)


def _answers(path: Path) -> object:
    run = Run.open(path)
    return run.recommend(run.listing_ids[:2], 3, rules={"live_only": False})


for _name, _read, _seed in (
    ("run.toml", Manifest.load, lambda: _file("run.toml")),
    ("current.json", stamp_of, lambda: b'{"base": "ab", "version": 3, "made": 0, "model": 0}'),
    ("metrics.json", _metrics, lambda: METRICS),
    ("serving.json", load_blends, lambda: SERVING),
    (
        "listings.safetensors",
        lambda run: read_spaces(run / "listings.safetensors", {"model": 8}),
        lambda: _file("listings.safetensors"),
    ),
    ("map.parquet", lambda run: _opened(run, read_map), lambda: _table("map")),
    (
        "queries.parquet",
        lambda run: _opened(run, lambda opened: rankers(load_rankings(opened))),
        lambda: _table("queries"),
    ),
    ("ablation.parquet", lambda run: read_ablation(run / "ablation.parquet"), lambda: _table("ablation")),
    ("vocabulary.json", _answers, lambda: _file("vocabulary.json")),
    ("model.safetensors", _answers, lambda: _file("model.safetensors")),
    ("prepared.safetensors", _answers, lambda: _file("prepared.safetensors")),
    ("features.safetensors", _answers, lambda: _file("features.safetensors")),
):
    target(f"run-{_name}", seeds=lambda _seed=_seed: [_seed()])(_of(_name, _read))
