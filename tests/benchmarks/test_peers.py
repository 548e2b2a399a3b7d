"""The bridge to peers from other environments: what leaves, and that what comes back is scored like our own."""

import json
import runpy
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from listing_vibes.evaluation.run_evaluation import rank_queries
from listing_vibes.market.log import EventLog
from listing_vibes.market.market import Market
from listing_vibes.market.splits import Catalogue, make_split
from listing_vibes.scoring.baselines.popularity import Popularity

pytestmark = pytest.mark.slow

PEERS = Path(__file__).parent / "peers"


@pytest.fixture
def run(monkeypatch, capsys):
    """Run a script as its command would, and return what it prints."""

    def run(script: str, *arguments) -> str:
        monkeypatch.setattr(sys, "argv", [script, *map(str, arguments)])
        monkeypatch.syspath_prepend(PEERS)
        runpy.run_path(str(PEERS / script), run_name="__main__")
        return capsys.readouterr().out

    return run


@pytest.mark.parametrize("timed", [True, False])
def test_a_peer_that_knows_popularity_gets_the_figures_of_popularity(run, tiny_market, tmp_path, timed):
    path = tiny_market(listings=40, users=60, events_per_user=8, photos=0, timed=timed)
    run("export.py", path, tmp_path)
    market = Market.open(path)
    log, catalogue = EventLog.from_market(market), Catalogue.of(market)
    split = make_split(log, catalogue)
    train, histories = (pd.read_parquet(tmp_path / f"{name}.parquet") for name in ("train", "histories"))
    assert len(train) == split.train.sum() and list(train) == ["user_id", "item_id", "datetime", "weight"]
    ids = market.listings["listing_id"].to_numpy()
    for query in range(len(split.test)):
        rows = slice(split.test.start[query], split.test.end[query])
        assert histories[histories["query"] == query]["item_id"].tolist() == ids[log.listing[rows]].tolist()
    valid, asked = split.valid, pd.read_parquet(tmp_path / "validation.parquet")
    assert asked["item_id"].tolist() == ids[valid.target].tolist()
    assert asked["user_id"].tolist() == np.asarray(log.users)[valid.user].tolist()
    known = pd.read_parquet(tmp_path / "validation_histories.parquet")
    assert known.groupby("query").size().tolist() == valid.length.tolist()
    counts = train["item_id"].value_counts()
    peer = pd.DataFrame(
        {
            "query": np.repeat(np.arange(len(split.test)), len(counts)),
            "item_id": np.tile(counts.index.to_numpy(), len(split.test)),
            "score": np.tile(counts.to_numpy(float), len(split.test)),
        }
    )
    peer.sample(frac=1, random_state=0).to_parquet(tmp_path / "counted.parquet", index=False)
    document = json.loads(run("score.py", path, tmp_path, "--json"))
    ours = rank_queries([Popularity.fit(log, split.train)], log, split, catalogue)
    theirs = document["results"]["counted"]
    for metric in ("recall@10", "recall@30", "ndcg@10"):
        assert theirs[metric]["value"] == pytest.approx(ours.results["popularity"][metric]["value"])
    assert "EASE" in document["results"] and document["queries"] == len(split.test)
