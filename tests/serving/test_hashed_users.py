"""With hashed user ids no id leaves the market's own tables: not in pages, commands, lists, queries, pushes or the service."""

import contextlib
import io
import logging

import pandas as pd
import pytest
from fastapi.testclient import TestClient

from helpers.commands import vibes
from helpers.copies import copied
from helpers.serving import app_of
from helpers.traces import traces
from listing_vibes.market.columns import Columns as C
from listing_vibes.market.market import Market
from listing_vibes.run.manifest import Manifest
from listing_vibes.run.run import Run
from listing_vibes.run.spaces import embed_market
from listing_vibes.serving.impressions import read_impressions


def hashed(run: Run) -> Run:
    """The same run over the same market, whose `market.toml` says that users are hashed."""
    with (run.market.path / "market.toml").open("a") as stream:
        stream.write('\n[privacy]\nusers = "hashed"\n')
    market = Market.open(run.market.path)
    Manifest.load(run.path).model_copy(update={"fingerprint": market.fingerprint}).save(run.path)
    return Run.open(run.path)


@pytest.mark.slow
def test_a_refresh_compares_ids_and_keeps_rejected_rows_by_name(tiny_market, tmp_path):
    tmp_path = tmp_path / "own"
    tmp_path.mkdir()
    market = Market.open(tiny_market("own/market", photos=0))
    embed_market(market, tmp_path / "run", None)
    run, new = hashed(Run.open(tmp_path / "run")), tmp_path / "new"
    new.mkdir()
    rows = pd.DataFrame(
        {
            C.USER: ["user-xyz", "user-xyz"],
            C.LISTING: run.listing_ids[:2],
            C.TIMESTAMP: ["2024-06-01", "soon"],
        }
    )
    rows.to_csv(new / "a.csv", index=False)
    for touched in range(2):
        done = vibes("refresh", run.path, "--events", new)
        (new / "a.csv").touch()
        assert ("1 event of 1 user" if not touched else "nothing new") in done.stderr
        assert "user-xyz" not in done.stderr
    name = Run.open(run.path).market.names.of("user-xyz")
    events = "run/versions/000001/market/events.parquet"
    assert traces(tmp_path, "user-xyz") == ["market/events.parquet", "new/a.csv", events]
    assert traces(tmp_path, name) == ["run/rejected.csv"]
    users = Run.open(run.path).market.events[C.USER].unique()
    assert name in users and all(user.startswith("u-") for user in users)
    vibes("forget", run.path, name, "--also", new)
    assert traces(tmp_path, "user-xyz") == traces(tmp_path, name) == []


@pytest.mark.slow
def test_no_face_shows_an_id_and_all_join_by_the_name(trained, tmp_path, caplog):
    run = hashed(copied(trained, tmp_path))
    plain = trained.market.events[C.USER].unique()
    user, name = plain[5], run.market.names.of(plain[5])
    pd.testing.assert_frame_equal(run.recommend(user), trained.recommend(user))
    pd.testing.assert_frame_equal(run.recommend(name), trained.recommend(user))
    assert run.recommend("nobody")["fallback"].all()
    (tmp_path / "new").mkdir()
    rows = trained.market.events[trained.market.events[C.USER] == user]
    rows.assign(**{C.TIMESTAMP: rows[C.TIMESTAMP] + pd.Timedelta(days=9)}).to_parquet(
        tmp_path / "new" / "a.parquet"
    )
    said = vibes("refresh", run.path, "--events", tmp_path / "new")
    said_by = [said.stdout + said.stderr]
    for words in (
        ["batch", run.path, tmp_path / "lists"],
        ["evaluate", run.path, "--queries", tmp_path / "queries.parquet", "--json"],
        ["check", run.market.path],
        ["report", run.path, tmp_path / "report.html"],
        ["recommend", run.path, "nobody"],
    ):
        done = vibes(*words, check=None)
        said_by.append(done.stdout + done.stderr)
    assert not any(one in text for one in plain for text in said_by)
    found = {path.split("/")[-1] for one in plain for path in traces(tmp_path, one)}
    assert found == {"events.parquet", "a.parquet"}
    assert set(Run.open(run.path).pushes[C.USER]) == {name}
    assert name in pd.read_parquet(tmp_path / "lists")[C.USER].tolist()
    assert set(pd.read_parquet(tmp_path / "queries.parquet")[C.USER]) <= {
        run.market.names.of(one) for one in plain
    }
    out = io.StringIO()
    with (
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(out),
        caplog.at_level(logging.DEBUG, "listing_vibes"),
        TestClient(app_of(run.path), "http://localhost", raise_server_exceptions=False) as client,
    ):
        answers = [client.get(f"/recommend/{one}") for one in (user, name)]
        unknown = client.get("/recommend/nobody").text
        metrics = client.get("/metrics").text
    assert answers[0].json() == answers[1].json() and answers[0].status_code == 200
    texts = [out.getvalue(), unknown, metrics, answers[0].text, caplog.text]
    assert not any(one in text for one in plain for text in texts)


@pytest.mark.slow
def test_what_was_shown_is_kept_by_the_name_however_a_request_calls_whom_it_is_for(trained, tmp_path):
    run, shown = hashed(copied(trained, tmp_path)), tmp_path / "shown"
    known, of = trained.log.users[5], run.market.names.of
    with TestClient(app_of(run.path, impressions=shown), "http://localhost") as client:
        for user in (known, of(known)):
            assert client.get(f"/recommend/{user}?k=1").status_code == 200
        for user in (known, of(known), "of tomorrow"):
            told = {"history": [{"listing_id": run.listing_ids[3]}], "user_id": user, "k": 1}
            assert client.post("/recommend", json=told).status_code == 200
    found = read_impressions(shown)[C.USER].tolist()
    assert found == [of(known)] * 4 + [of("of tomorrow")]
    assert traces(shown, "of tomorrow") == traces(shown, known) == []
