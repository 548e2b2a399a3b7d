"""Exports: ONNX files that encode as the model does, and vectors as Parquet that the docs' snippets load."""

import json
import re
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from helpers.commands import vibes
from helpers.copies import copied, resealed
from helpers.milvus import search_collection, stored_ids
from helpers.newcomers import new_listings
from listing_vibes.errors import VibesError
from listing_vibes.market.columns import Columns as C
from listing_vibes.market.market import Market
from listing_vibes.run.embedding import embed_market
from listing_vibes.run.run import Run
from listing_vibes.search.milvus_store import replace_listings
from listing_vibes.serving import export as exported
from listing_vibes.serving.export import (
    LISTINGS,
    USERS,
    ExportCheck,
    ExportedModel,
    check_export,
    export_run,
    export_vectors,
    fill_collection,
    read_manifest,
)
from listing_vibes.serving.refresh.polls import FileSource
from listing_vibes.serving.refresh.refresher import Refresher

DOCS = Path(__file__).parents[2] / "assets" / "docs" / "how-to" / "vector-databases.md"


def with_other_weights(run: Run, folder: Path) -> Run:
    """Return a copy of a run whose last weight differs by a bit."""
    other = copied(run, folder)
    weights = bytearray((other.path / "model.safetensors").read_bytes())
    weights[-1] ^= 1
    (other.path / "model.safetensors").write_bytes(weights)
    resealed(other.path)
    return Run.open(other.path)


@pytest.fixture(scope="module")
def command(trained, tmp_path_factory):
    """The folder and the outcome of one command, which requires more than any export reaches."""
    folder = tmp_path_factory.mktemp("export")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(exported, "LEAST", 1.1)
        return folder, vibes("export", trained.path, folder, check=2)


@pytest.mark.slow
def test_onnx_is_the_model_for_any_number_and_length_of_rows(trained, command):
    out, done = command
    opened, log = ExportedModel.open(trained, out, "onnx"), trained.log
    engine = trained.engine.in_float32()
    table = engine.encode_listings()
    for rows in ([5], [5, 0, 119], np.arange(100)):
        np.testing.assert_allclose(opened.encode_listings(np.array(rows)), table[rows], atol=1e-5)
    for users in ([0], [3, 1], np.arange(40)):
        start, end = log.start[users], log.start[np.array(users) + 1]
        expected = engine.encode_histories(log, start, end, table)
        np.testing.assert_allclose(opened.encode_histories(start, end, table), expected, atol=1e-5)
    exact = check_export(trained, out, "onnx")
    assert exact.overlap == 1 and min(exact.listing_cosine, exact.history_cosine) > 0.99999
    assert "overlap 1.0000" in done.stderr and not done.stdout
    assert (out / "histories.onnx").is_file() and "onnx is below" in done.stderr


def test_each_measure_of_a_check_counts():
    good = {"listing_cosine": 1.0, "history_cosine": 0.99, "overlap": 0.98}
    assert ExportCheck(**good).holds
    for name in ("listing_cosine", "history_cosine", "overlap"):
        assert not ExportCheck(**good | {name: 0.979}).holds


@pytest.mark.slow
def test_an_export_of_another_model_or_format_and_a_damaged_one_are_refused(trained, command, tmp_path):
    out, broken = command[0], tmp_path / "broken"
    with pytest.raises(VibesError, match="no export as onnx"):
        ExportedModel.open(trained, tmp_path, "onnx")
    with pytest.raises(VibesError, match="from another model"):
        check_export(with_other_weights(trained, tmp_path), out, "onnx")
    broken.mkdir()
    (broken / "export.json").write_text("{")
    with pytest.raises(VibesError, match=r"export\.json is damaged"):
        ExportedModel.open(trained, broken, "onnx")
    (broken / "export.json").write_text(json.dumps(read_manifest(out)))
    (broken / "listings.onnx").write_bytes(b"no graph")
    with pytest.raises(VibesError, match=r"\.onnx cannot be opened"):
        ExportedModel.open(trained, broken, "onnx")


def test_what_cannot_be_exported_is_refused(trained, bare, tmp_path):
    with pytest.raises(VibesError, match="no trained model"):
        export_run(bare, tmp_path / "out", "onnx")
    vibes("export", trained.path, tmp_path / "out", "--format", "tensorrt", check=2)
    assert not (tmp_path / "out").exists()


@pytest.fixture(scope="module")
def vectors(trained, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("vectors") / "vectors"
    lines = vibes("export", trained.path, folder, "--format", "vectors").stdout.splitlines()
    rows = {name: pq.read_metadata(folder / name).num_rows for name in (LISTINGS, USERS)}
    assert lines == [f"{folder / name}: {number:,} vectors" for name, number in rows.items()]
    return folder


@pytest.mark.slow
def test_listings_and_users_have_the_vectors_of_the_run_in_every_space(trained, vectors, tmp_path):
    table = pq.read_table(vectors / LISTINGS)
    assert table.schema.field("vector").type.value_type == pa.float32()
    frame = table.to_pandas()
    assert list(frame.columns) == ["listing_id", "space", "model", "vector"]
    assert set(frame["space"]) == set(trained.spaces)
    for space, rows in frame.groupby("space", observed=True):
        expected = trained.vectors(space)
        known = expected.any(axis=1)
        assert rows["listing_id"].tolist() == np.array(trained.listing_ids)[known].tolist()
        np.testing.assert_array_equal(np.stack(rows["vector"]), expected[known])
    users, log = pd.read_parquet(vectors / USERS), trained.log
    assert list(users.columns) == ["user_id", "model", "vector"]
    assert users["user_id"].tolist() == log.users
    assert set(users["model"]) == set(frame["model"][frame["space"] == "model"])
    expected = trained.engine.encode_histories(
        log, log.start[:-1], log.start[1:], listings=trained.vectors("model")
    )
    np.testing.assert_allclose(np.stack(users["vector"]), expected, atol=1e-3)
    export_vectors(with_other_weights(trained, tmp_path), tmp_path / "other")
    other = pd.read_parquet(tmp_path / "other" / LISTINGS)
    models = [each.groupby("space", observed=True)["model"].first() for each in (frame, other)]
    assert models[0]["model"] != models[1]["model"] and models[0]["attributes"] == models[1]["attributes"]


def test_without_a_model_there_are_no_users_and_no_stale_ones_stay(tiny_market, tmp_path):
    embed_market(Market.open(tiny_market(photos=0)), tmp_path / "run", None)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / USERS).touch()
    rows = export_vectors(Run.open(tmp_path / "run"), tmp_path / "out")
    assert [path.name for path in (tmp_path / "out").iterdir()] == [LISTINGS] == list(rows)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "package"), [("milvus", "milvus_lite"), ("qdrant", "qdrant_client")])
def test_the_snippets_of_the_docs_find_what_the_run_finds(
    vectors, trained, tmp_path, monkeypatch, name, package
):
    pytest.importorskip(package)
    monkeypatch.chdir(vectors.parent)
    names, text = {}, DOCS.read_text(encoding="utf-8")
    for part in ("vectors", name):
        snippet = re.search(rf"```python {part}\n(.*?)```", text, re.DOTALL)[1]
        exec(snippet.replace('"vectors.db"', repr(str(tmp_path / "vectors.db"))), names)
    best = np.array(trained.listing_ids)[np.argsort(-(trained.vectors("model") @ names["wanted"]))[:30]]
    assert len(names["nearest"]) == 30 and len(set(best) & set(names["nearest"])) >= 29
    names["client"].close()


@pytest.mark.slow  # starts a server of its own
def test_the_index_of_a_collection_is_chosen_kept_and_changed(tmp_path):
    client_of = pytest.importorskip("pymilvus").MilvusClient
    pytest.importorskip("milvus_lite")
    place, rng = str(tmp_path / "store.db"), np.random.default_rng(0)
    vectors = rng.normal(size=(300, 8)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    ids = [str(number) for number in range(300)]
    fill = partial(replace_listings, place, "listings_model", ids, vectors, pd.DataFrame(index=range(300)))

    def described() -> tuple[str, str]:
        client = client_of(place)
        index = client.describe_index("listings_model", client.list_indexes("listings_model")[0])
        return index["index_type"], index["metric_type"]

    seen = []
    for index, metric in ((None, "IP"), ("IVF_FLAT", "COSINE"), (None, "IP"), ("FLAT", "IP")):
        fill(index=index, metric=metric)
        seen.append(described())
        assert stored_ids(place, "listings_model") == set(ids)
    assert seen == [("FLAT", "IP"), ("IVF_FLAT", "COSINE"), ("IVF_FLAT", "COSINE"), ("FLAT", "IP")]
    found = search_collection(place, "listings_model", vectors[:5], 3)[0]
    assert found.tolist() == [[ids[row] for row in np.argsort(-vectors @ vectors[q])[:3]] for q in range(5)]
    client = client_of(place)
    client.release_collection("listings_model")
    client.drop_index("listings_model", "vector")  # as after a filling that was interrupted
    client.close()
    fill()
    assert described() == ("FLAT", "IP")
    with pytest.raises(VibesError, match="NO_SUCH"):
        fill(index="NO_SUCH")


@pytest.mark.slow  # starts a server of its own
def test_a_collection_is_brought_up_to_date(trained, tmp_path):
    pytest.importorskip("milvus_lite")
    run, place = copied(trained, tmp_path), tmp_path / "store.db"
    is_active = run.catalogue.live(run.after_last_event)
    sold = run.vectors("model")[is_active][:1]
    replace_listings(str(place), "listings_model", ["sold long ago"], sold, pd.DataFrame(index=[0]))
    assert f"{is_active.sum():,} vectors" in vibes("export", run.path, "--milvus", place).stdout
    assert stored_ids(place, "listings_model") == set(np.array(run.listing_ids)[is_active])
    vibes("export", run.path, "--milvus", tmp_path / "folder", check=2)

    active, new = run.market.listings[is_active], tmp_path / "listings"
    new.mkdir()
    pd.concat([new_listings(run.market, 2), active.iloc[[1]].assign(price=5.0)]).to_parquet(new / "a.parquet")
    ended = active[[C.LISTING]].iloc[[0]].assign(**{C.EXPIRES: run.market.events[C.TIMESTAMP].max()})
    ended.to_csv(new / "b.csv", index=False)
    Refresher(run.path, {"listings": FileSource(new)}).refresh()
    opened = Run.open(run.path)
    now = opened.catalogue.live(opened.after_last_event) & opened.index("model").known
    assert fill_collection(opened, str(place)) == now.sum()
    assert stored_ids(place, "listings_model") == set(np.array(opened.listing_ids)[now])

    queries = opened.vectors("model")[[0, -1]]
    rows, scores = opened.index("model").search(queries, 10, now)
    search = partial(search_collection, place, "listings_model", queries)
    ids, found = search(10)
    assert ids.tolist() == np.array(opened.listing_ids, object)[rows].tolist()
    np.testing.assert_allclose(found, scores, atol=1e-5)
    assert search(1, "price == 5.0")[0][0, 0] == active[C.LISTING].iloc[1]
