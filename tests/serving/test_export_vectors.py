"""Vectors as Parquet: those of the run, readable by what loads vectors; the snippets of the docs do what they say."""

import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from helpers.copies import copied
from listing_vibes.cli import app
from listing_vibes.market.market import Market
from listing_vibes.run.run import Run
from listing_vibes.run.spaces import embed_market
from listing_vibes.serving.export.vectors import LISTINGS, USERS, export_vectors

GUIDE = (Path(__file__).parents[2] / "assets" / "docs" / "how-to" / "vector-databases.md").read_text(
    encoding="utf-8"
)


def snippet(name: str) -> str:
    return re.search(rf"```python {name}\n(.*?)```", GUIDE, re.DOTALL)[1]


@pytest.fixture(scope="module")
def out(trained, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("vectors") / "vectors"
    done = CliRunner().invoke(app, ["export", str(trained.path), str(folder), "--vectors", "--json"])
    assert done.exit_code == 0, done.output
    tables = {str(path): pq.read_metadata(path).num_rows for path in folder.iterdir()}
    assert json.loads(done.stdout) == tables and set(tables) == {
        str(folder / name) for name in (LISTINGS, USERS)
    }
    return folder


@pytest.fixture
def loaded(out, monkeypatch) -> dict:
    """What the first snippet makes, in the folder that has `vectors/`."""
    monkeypatch.chdir(out.parent)
    names: dict = {}
    exec(snippet("vectors"), names)
    return names


@pytest.mark.slow
def test_listings_and_users_have_the_vectors_of_the_run_in_every_space(trained, out):
    table = pq.read_table(out / LISTINGS)
    assert pa.types.is_list(table.schema.field("vector").type)
    assert table.schema.field("vector").type.value_type == pa.float32()
    frame = table.to_pandas()
    assert list(frame.columns) == ["listing_id", "space", "model", "vector"]
    assert set(frame["space"]) == set(trained.spaces)
    assert not frame.duplicated(["listing_id", "space"]).any()
    for space, rows in frame.groupby("space", observed=True):
        vectors = trained.vectors(space)
        known = vectors.any(axis=1)
        assert rows["listing_id"].tolist() == np.array(trained.listing_ids)[known].tolist()
        np.testing.assert_array_equal(np.stack(rows["vector"]), vectors[known])
        assert rows["model"].nunique() == 1
    users = pd.read_parquet(out / USERS)
    assert (
        list(users.columns) == ["user_id", "model", "vector"]
        and users["user_id"].tolist() == trained.log.users
    )
    assert set(users["model"]) == set(frame["model"][frame["space"] == "model"])
    log = trained.log
    expected = trained.engine.encode_histories(
        log, log.start[:-1], log.start[1:], listings=trained.vectors("model")
    )
    np.testing.assert_allclose(np.stack(users["vector"]), expected, atol=1e-3)


@pytest.mark.slow
def test_another_model_has_another_name(trained, tmp_path, out):
    run = copied(trained, tmp_path)
    with (run.path / "model.safetensors").open("r+b") as stream:
        stream.seek(-1, 2)
        last = stream.read(1)[0]
        stream.seek(-1, 2)
        stream.write(bytes([last ^ 1]))
    names = [export_name(folder) for folder in (out, _exported(run.path, tmp_path / "other"))]
    assert names[0]["model"] != names[1]["model"] and names[0]["attributes"] == names[1]["attributes"]


def _exported(run: Path, folder: Path) -> Path:
    from listing_vibes.run.contents import seal
    from listing_vibes.run.manifest import Manifest

    seal(run, Manifest.load(run))
    export_vectors(Run.open(run), folder)
    return folder


def export_name(folder: Path) -> dict[str, str]:
    frame = pd.read_parquet(folder / LISTINGS, columns=["space", "model"]).drop_duplicates()
    return dict(zip(frame["space"], frame["model"], strict=True))


def test_without_a_model_there_are_no_users_and_no_old_ones_stay(tiny_market, tmp_path):
    embed_market(Market.open(tiny_market(photos=0)), tmp_path / "run", None)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / USERS).touch()
    rows = export_vectors(Run.open(tmp_path / "run"), tmp_path / "out")
    assert [path.name for path in (tmp_path / "out").iterdir()] == [LISTINGS] == list(rows)


def test_vectors_and_formats_are_not_mixed(tiny_market, tmp_path):
    embed_market(Market.open(tiny_market(photos=0)), tmp_path / "run", None)
    done = CliRunner().invoke(app, ["export", str(tmp_path / "run"), "--vectors", "--format", "onnx"])
    assert done.exit_code != 0


@pytest.mark.slow
def test_the_snippet_for_milvus_finds_what_the_run_finds(loaded, trained, tmp_path, monkeypatch):
    pytest.importorskip("milvus_lite")
    pytest.importorskip("pymilvus")
    exec(snippet("milvus").replace('"vectors.db"', repr(str(tmp_path / "vectors.db"))), loaded)
    scores = trained.vectors("model") @ loaded["wanted"]
    best = np.array(trained.listing_ids)[np.argsort(-scores)[:30]]
    assert len(loaded["nearest"]) == 30 and len(set(best) & set(loaded["nearest"])) >= 29
    loaded["client"].close()


@pytest.mark.slow
def test_the_snippet_for_qdrant_finds_what_the_run_finds(loaded, trained):
    pytest.importorskip("qdrant_client")
    exec(snippet("qdrant"), loaded)
    scores = trained.vectors("model") @ loaded["wanted"]
    best = np.array(trained.listing_ids)[np.argsort(-scores)[:30]]
    assert len(loaded["nearest"]) == 30 and len(set(best) & set(loaded["nearest"])) >= 29
