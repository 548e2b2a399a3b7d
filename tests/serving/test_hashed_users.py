"""With hashed users no id leaves the market's own tables: not in pages, commands, lists, queries or the service."""

import logging

import pandas as pd
import pytest

from helpers.commands import vibes
from helpers.copies import copied, traces
from helpers.serving import app_of, serving
from listing_vibes.market.columns import Columns as C
from listing_vibes.market.market import Market
from listing_vibes.run.embedding import embed_market
from listing_vibes.run.manifest import Manifest
from listing_vibes.run.run import Run
from listing_vibes.serving.impressions import read_impressions


def hashed(run: Run) -> Run:
    """Return the same run over the same market, whose `market.toml` says that users are hashed."""
    with (run.market.path / "market.toml").open("a") as stream:
        stream.write('\n[privacy]\nusers = "hashed"\n')
    market = Market.open(run.market.path)
    Manifest.load(run.path).model_copy(update={"fingerprint": market.fingerprint}).save(run.path)
    return Run.open(run.path)


@pytest.mark.slow
def test_a_refresh_compares_ids_and_stores_no_hash(tiny_market, tmp_path):
    folder = tmp_path / "own"
    folder.mkdir()
    embed_market(Market.open(tiny_market("own/market", photos=0)), folder / "run", None)
    run, new = hashed(Run.open(folder / "run")), folder / "new"
    new.mkdir()
    rows = {C.USER: "user-xyz", C.LISTING: run.listing_ids[:2], C.TIMESTAMP: ["2024-06-01", "soon"]}
    pd.DataFrame(rows).to_csv(new / "a.csv", index=False)
    for line in ("1 event of 1 user", "nothing new"):
        done = vibes("refresh", run.path, "--events", new)
        assert line in done.stderr and "user-xyz" not in done.stderr
        (new / "a.csv").touch()
    name = Run.open(run.path).market.names.of("user-xyz")
    events = "run/versions/000001/market/events.parquet"
    assert traces(folder, "user-xyz") == ["market/events.parquet", "new/a.csv", events]
    assert traces(folder, name) == []
    assert name in Run.open(run.path).market.events[C.USER].unique()
    vibes("forget", run.path, name, "--also", new)
    assert traces(folder, "user-xyz") == traces(folder, name) == []


@pytest.mark.slow
def test_no_command_and_no_response_shows_an_id_and_all_know_the_hash(trained, tmp_path, caplog):
    run = hashed(copied(trained, tmp_path))
    ids, of = trained.market.events[C.USER].unique(), run.market.names.of
    user, name = ids[5], of(ids[5])
    for given in (user, name):
        pd.testing.assert_frame_equal(run.recommend(given), trained.recommend(user))
    (tmp_path / "new").mkdir()
    rows = trained.market.events[trained.market.events[C.USER] == user]
    later = rows.assign(**{C.TIMESTAMP: rows[C.TIMESTAMP] + pd.Timedelta(days=9)})
    later.to_parquet(tmp_path / "new" / "a.parquet")
    texts = []
    for words in (
        ["refresh", run.path, "--events", tmp_path / "new"],
        ["batch", run.path, tmp_path / "lists"],
        ["evaluate", run.path, "--queries", tmp_path / "queries.parquet", "--json"],
        ["check", run.market.path],
        ["report", run.path, tmp_path / "report.html"],
        ["recommend", run.path, "nobody"],
    ):
        done = vibes(*words, check=None)
        texts += [done.stdout, done.stderr]
    assert {path.split("/")[-1] for one in ids for path in traces(tmp_path, one)} == {
        "events.parquet",
        "a.parquet",
    }
    assert name in pd.read_parquet(tmp_path / "lists")[C.USER].tolist()
    assert set(pd.read_parquet(tmp_path / "queries.parquet")[C.USER]) <= {of(one) for one in ids}
    shown, listing = tmp_path / "shown", run.listing_ids[3]
    with (
        caplog.at_level(logging.DEBUG, "listing_vibes"),
        serving(app_of(run.path, impressions=shown), raise_server_exceptions=False) as client,
    ):
        answers = [client.get(f"/recommend/{given}?k=1") for given in (user, name)]
        assert answers[0].json()["results"] == answers[1].json()["results"]
        for given in (user, name, "of tomorrow"):
            body = {"history": [{"listing_id": listing}], "user_id": given, "k": 1}
            assert client.post("/recommend", json=body).status_code == 200
        texts += [
            answers[0].text,
            client.get("/recommend/nobody").text,
            client.get("/metrics").text,
            caplog.text,
        ]
    assert not any(one in text for one in ids for text in texts)
    recorded = read_impressions(shown)[C.USER].tolist()
    assert recorded[:5] == [name] * 4 + [of("of tomorrow")]
    assert traces(shown, "of tomorrow") == traces(shown, user) == []
