"""What can befall the files of a run: each of these ends in one sentence that names the file."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
from safetensors.numpy import load_file, save_file

from listing_vibes.run.contents import LISTINGS, read_spaces

SMALL_RUN = Path(__file__).parent / "small_run"
ESTIMATE = {"value": 0.3, "low": 0.2, "high": 0.4}


def _arrays(change: Callable[[dict[str, np.ndarray]], dict[str, np.ndarray]]) -> Callable[[Path], None]:
    def damage(run: Path) -> None:
        path = run / LISTINGS
        save_file({name: np.ascontiguousarray(one) for name, one in change(load_file(path)).items()}, path)

    return damage


def _weights(change: Callable[[np.ndarray], np.ndarray]) -> Callable[[Path], None]:
    def damage(run: Path) -> None:
        path = run / "model.safetensors"
        save_file(
            {name: np.ascontiguousarray(change(array)) for name, array in load_file(path).items()}, path
        )

    return damage


def _text(name: str, content: str | bytes) -> Callable[[Path], None]:
    raw = content.encode() if isinstance(content, str) else content
    return lambda run: (run / name).write_bytes(raw) and None


def _json(name: str, content: object) -> Callable[[Path], None]:
    return _text(name, json.dumps(content))


def _toml(old: str, new: str) -> Callable[[Path], None]:
    def damage(run: Path) -> None:
        text = (run / "run.toml").read_text()
        assert old in text
        (run / "run.toml").write_text(text.replace(old, new))

    return damage


def _map(**columns: object) -> Callable[[Path], None]:
    def damage(run: Path) -> None:
        ids = read_spaces(run / LISTINGS)["listing_id"].tolist()
        frame = pd.DataFrame(
            {"space": "model", "listing_id": ids, "x": 0.5, "y": 0.5, "cluster": 0} | columns
        )
        frame.to_parquet(run / "map.parquet")

    return damage


def _ablation(**columns: object) -> Callable[[Path], None]:
    from listing_vibes.ablation.table import COLUMNS

    frame = pd.DataFrame(
        [dict.fromkeys(COLUMNS, 1) | {"variant": "full", "slice": "all", "metric": "recall"}]
    )
    frame = frame.assign(**columns)
    return lambda run: frame.to_parquet(run / "ablation.parquet")


def _without(name: str) -> Callable[[Path], None]:
    return lambda run: (run / name).unlink()


def _nan(array: np.ndarray) -> np.ndarray:
    spoiled = array.copy()
    if spoiled.size:
        spoiled.reshape(-1)[0] = np.nan
    return spoiled


def _claim(run: Path) -> None:
    content = (run / LISTINGS).read_bytes()
    size = int.from_bytes(content[:8], "little")
    head = json.loads(content[8 : 8 + size])
    head["model"]["shape"] = [9_999_999, 99_999]
    claimed = json.dumps(head).encode()
    (run / LISTINGS).write_bytes(len(claimed).to_bytes(8, "little") + claimed + content[8 + size :])


def _table(name: str, **columns: object) -> Callable[[Path], None]:
    return lambda run: pd.DataFrame(columns).to_parquet(run / name)


#: By name: the file that the sentence names, and the damage.
DAMAGES: dict[str, tuple[str, Callable[[Path], None]]] = {
    f"{file} {number}": (file, damage)
    for file, damages in {
        LISTINGS: [
            _arrays(lambda a: a | {"model": a["model"][:5]}),
            _arrays(lambda a: a | {"model": a["model"][:, :3]}),
            _arrays(lambda a: a | {"model": _nan(a["model"])}),
            _arrays(lambda a: a | {"attributes": a["attributes"][:, 0]}),
            _arrays(lambda a: a | {"model": a["model"].astype(np.int8)}),
            _arrays(lambda a: {"listing_id": a["listing_id"]}),
            _arrays(lambda a: a | {"listing_id": np.arange(24)}),
            _arrays(lambda a: a | {"listing_id": np.repeat(a["listing_id"][:12], 2, axis=0)}),
            _arrays(lambda a: {"model": a["model"]}),
            _text(LISTINGS, b""),
            _claim,
            _without(LISTINGS),
        ],
        "model.safetensors": [
            _weights(lambda a: a.astype(np.int8)),
            _weights(_nan),
            _weights(lambda a: a.T),
            _text("model.safetensors", b"\x10\x00\x00\x00\x00\x00\x00\x00{}"),
        ],
        "features.safetensors": [_text("features.safetensors", b""), _without("features.safetensors")],
        "vocabulary.json": [
            _without("vocabulary.json"),
            _text("vocabulary.json", "[" * 100_000),
            _json("vocabulary.json", [1, 2]),
        ],
        "run.toml": [
            _text("run.toml", "format = 1\nx = " + "[" * 5000),
            _toml("seed = 0", "seed = " + "9" * 5000),
            _toml("width = 8", "width = 800000"),
            _toml("layers = 1", "layers = 100000000"),
        ],
        "current.json": [
            _json("current.json", {"base": 1, "version": "x"}),
            _json("current.json", {"base": "x", "version": -3, "made": 0, "model": 0}),
        ],
        "metrics.json": [
            _json("metrics.json", {"results": {"model": [1]}}),
            _json("metrics.json", {"results": {"model": {"recall@30": ESTIMATE | {"value": "much"}}}}),
            _json("metrics.json", {"results": {"model": {"recall@30": ESTIMATE | {"low": float("nan")}}}}),
            _json("metrics.json", []),
            _text("metrics.json", '{"a":' * 50_000),
        ],
        "serving.json": [
            _text("serving.json", '[{"name": "model + recency", "days": ' + "9" * 5000 + "}]"),
            _text("serving.json", '[{"name": "model + recency", "days": 3, "weight": Infinity}]'),
        ],
        "map.parquet": [_map(x=np.nan), _map(y="far"), _map(cluster=0.5), _text("map.parquet", b"PAR1")],
        "ablation.parquet": [_ablation(value="good"), _table("ablation.parquet", x=[1])],
        "queries.parquet": [
            _table("queries.parquet", user_id=["a"], at=[1], target=["b"], **{"rank of model": ["first"]})
        ],
    }.items()
    for number, damage in enumerate(damages)
}


def read_all(path: Path) -> None:
    """Everything that is ever read of a run."""
    from listing_vibes.ablation.table import read_ablation
    from listing_vibes.insight.map.vibe_map import read_map
    from listing_vibes.insight.rankings import load_rankings
    from listing_vibes.run.fits import load_fits
    from listing_vibes.run.run import Run

    run = Run.open(path)
    for space in run.spaces:
        run.similar(run.listing_ids[0], 3, space)
    if run.has_model:
        run.recommend(run.log.users[0], 3)
    _ = run.metrics, run.transferred, load_fits(path), read_map(run), load_rankings(run)
    _ = read_ablation(path / "ablation.parquet")
