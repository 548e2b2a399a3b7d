"""A run over a market that changed since: every response says so, and one that cannot be right is refused."""

import json
import warnings

import pandas as pd
import pytest

from helpers.commands import vibes
from helpers.copies import copied
from helpers.serving import app_of, serving
from listing_vibes.errors import VibesWarning
from listing_vibes.market.columns import Columns as C
from listing_vibes.market.market import Market
from listing_vibes.run.market_state import MarketMismatch
from listing_vibes.run.run import Run
from listing_vibes.run.spaces import embed_market

QUERY = "home-0003"


def rewrite(run: Run, change) -> Run:
    """Change the listings table of the run's market, and open the run again."""
    table = run.market.path / "listings.parquet"
    change(pd.read_parquet(table)).to_parquet(table, index=False)
    return Run.open(run.path)


def extended(table: pd.DataFrame) -> pd.DataFrame:
    """More listings, and all of them in another order."""
    more = table.iloc[:3].assign(**{C.LISTING: ["a-new-one", "home-0003b", "z-new-one"]})
    return pd.concat([more, table.iloc[::-1]])


@pytest.mark.parametrize("change", [lambda table: table.assign(rooms=1), extended], ids=["values", "rows"])
def test_every_response_over_a_changed_market_says_so(trained, tmp_path, change):
    run = rewrite(copied(trained, tmp_path), change)
    with pytest.warns(VibesWarning, match="changed since"):
        found = run.similar(QUERY, 5)
    assert found.attrs["market_changed"] is True
    assert run.recommend(run.log.users[0], 5).attrs["market_changed"] is True
    assert found[C.LISTING].tolist() == trained.similar(QUERY, 5)[C.LISTING].tolist()  # by the stored vectors
    for words in (("similar", run.path, QUERY), ("recommend", run.path, run.log.users[0])):
        done = vibes(*words, "-k", 3, "--json")
        assert done.stderr.count("changed since") == 1
        assert all(row["market_changed"] for row in json.loads(done.stdout))
    for words in (("evaluate", run.path, "--baselines", "none"), ("monitor", run.path)):
        assert json.loads(vibes(*words, "--json", check=None).stdout)["market_changed"] is True
    with serving(app_of(run.path)) as client:
        for path in (f"/similar/{QUERY}", "/health"):
            assert client.get(path).json()["market_changed"] is True


def test_a_market_without_listings_of_the_run_is_refused(trained, tmp_path):
    run = rewrite(copied(trained, tmp_path), lambda table: table[table[C.LISTING] != "home-0007"])
    for call in (lambda: run.similar(QUERY), lambda: run.recommend([QUERY]), lambda: run.log):
        with pytest.raises(MarketMismatch, match="home-0007"):
            call()
    assert vibes("similar", run.path, QUERY, check=2).stderr.count("home-0007") == 1


def test_an_unchanged_market_or_a_run_embedded_again_says_nothing(trained, tmp_path):
    run = copied(trained, tmp_path)
    with warnings.catch_warnings():
        warnings.simplefilter("error", VibesWarning)
        assert "market_changed" not in run.similar(QUERY, 5).attrs
        run = rewrite(run, extended)
        embed_market(Market.open(run.market_on_disk.path), run.path, None, run.path)
        again = Run.open(run.path)
        assert "market_changed" not in again.similar(QUERY, 5).attrs and "a-new-one" in again.listing_row
