"""`vibes refresh` as a command: once, at an interval until it is stopped, and what it says of rows that it cannot use."""

import json
import signal
import subprocess
import sys

import pandas as pd
import pytest

from helpers.commands import vibes
from helpers.copies import copied
from listing_vibes.market.columns import Columns as C
from listing_vibes.market.market import Market
from listing_vibes.run.run import Run
from listing_vibes.run.spaces import embed_market


@pytest.mark.slow
def test_it_polls_until_it_is_stopped(tmp_path):
    homes = pd.DataFrame({C.LISTING: [f"home-{number}" for number in range(9)], "rooms": range(9)})
    events = pd.DataFrame(
        {C.USER: "u", C.LISTING: homes[C.LISTING], C.TIMESTAMP: [f"2024-03-0{day}" for day in range(1, 10)]}
    )
    market = Market.from_frames(homes, events, path=tmp_path / "market")
    embed_market(market, tmp_path / "run", None)
    for name in ("events", "listings"):
        (tmp_path / name).mkdir()
    command = [sys.executable, "-m", "listing_vibes", "refresh", str(tmp_path / "run")]
    command += ["--every", "0.2s", "--json"]
    command += ["--events", str(tmp_path / "events"), "--listings", str(tmp_path / "listings")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None and process.stderr is not None
        first = json.loads(process.stdout.readline())
        assert not first["published"] and first["version"] == 0
        homes[:3].assign(**{C.LISTING: list("abc")}).to_csv(tmp_path / "listings" / "a.csv", index=False)
        events.assign(**{C.USER: "new"}).to_csv(tmp_path / "events" / "a.csv", index=False)
        merged = 0
        while merged < 12:  # two polls may share the files
            result = json.loads(process.stdout.readline())
            assert "error" not in result, result
            merged += result["new"] + result["events"]
        process.send_signal(signal.SIGTERM)
        assert process.wait(120) == 0
        assert process.stderr.read() == ""
    assert not list((tmp_path / "run" / "versions").glob(".building*"))
    assert len(Run.open(tmp_path / "run").listing_ids) == 12


@pytest.mark.parametrize(
    "options", [[], ["--events", "nowhere"], ["--events", "SELECT 1"], ["--events", ".", "--every", "often"]]
)
def test_a_wrong_option_is_refused(tmp_path, options):
    vibes("refresh", tmp_path, *options, check=2)


def test_once_it_says_in_one_line_what_it_did_and_which_files_it_wrote(tiny_market, tmp_path):
    market, new = tiny_market(photos=0), tmp_path / "new"
    events = pd.read_parquet(market / "events.parquet")
    events.to_csv(market / "events.csv", index=False)
    (market / "events.parquet").unlink()
    embed_market(Market.open(market), tmp_path / "run", None)
    new.mkdir()
    events.iloc[:1].assign(user_id="new").to_csv(new / "a.csv", index=False)
    (line,) = vibes("refresh", tmp_path / "run", "--events", new).stderr.splitlines()
    assert "version 1: 1 event of 1 user" in line and str(market / "events.parquet") in line
    assert not (market / "events.csv").exists()
    assert json.loads(vibes("refresh", tmp_path / "run", "--events", new, "--json").stdout)["wrote"] == []
    (new / "b.parquet").write_bytes(b"nothing")
    assert "b.parquet" in vibes("refresh", tmp_path / "run", "--events", new, check=2).stderr


@pytest.fixture
def shop(bare, tmp_path) -> Run:
    """A run whose market has events, and folders with rows of which several cannot be used."""
    folder = tmp_path / "shop"
    folder.mkdir()
    run = copied(bare, folder)
    for name in ("events", "listings"):
        (folder / name).mkdir()
    ids = run.market.listings[C.LISTING]
    listings = run.market.listings.iloc[:2].assign(**{C.LISTING: ["new-1", "new-2"], "amenities": "Wifi"})
    listings.assign(price=["\x1b[2Jabc", "70"]).to_csv(folder / "listings" / "new.csv", index=False)
    times = ["2024-02-01", "yesterday", "2024-02-02", None, "2024-02-03"]
    events = pd.DataFrame(
        {C.USER: ["a", "b", None, "c", "d"], C.LISTING: ids[:5], C.TIMESTAMP: times, "device": "tv"}
    )
    events.to_csv(folder / "events" / "new.csv", index=False)
    return run


@pytest.mark.slow
def test_rejected_rows_are_named_as_check_names_them(shop, tmp_path):
    folder = shop.path.parent
    command = ["refresh", shop.path, "--events", folder / "events", "--listings", folder / "listings"]
    result = json.loads(vibes(*command, "--json").stdout)
    assert (result["events"], result["new"], result["rejected"], result["unread"]) == (2, 2, 4, 0)
    market = tmp_path / "same"  # a market of the same rows
    market.mkdir()
    for name in ("events", "listings"):
        (market / f"{name}.csv").write_bytes((folder / name / "new.csv").read_bytes())
    (market / "market.toml").write_bytes((shop.market.path / "market.toml").read_bytes())
    checked = json.loads(vibes("check", market, "--json").stdout)["issues"]
    by_check = {
        line.split(" ", 1)[1] for line in checked if "is not a listing" not in line and "excluded" not in line
    }
    assert {line.split(" ", 1)[1] for line in result["problems"]} == by_check and len(by_check) == 4
    for name in ("events", "listings"):
        (folder / name / "new.csv").touch()  # read again
    error = vibes(*command, "--strict", check=2).stderr
    assert "\x1b" not in error and "\\x1b[2Jabc' is not a finite number" in error
    assert "new-2" in Run.open(shop.path).listing_ids  # the valid rows are merged all the same


def test_check_can_be_strict(tiny_market):
    path = tiny_market(photos=0)
    assert vibes("check", path, "--strict").stderr == ""
    events = pd.read_parquet(path / "events.parquet").astype({C.TIMESTAMP: "str"})
    events.loc[[1, 4], C.TIMESTAMP] = "soon"
    events.loc[4, C.USER] = None
    events.assign(device="tv").to_parquet(path / "events.parquet", index=False)
    vibes("check", path, "--strict", check=2)
    assert len(Market.open(path).events) == len(events) - 2
