"""`vibes refresh` as a process: once, again and again, and stopped."""

import json
import signal
import subprocess
import sys

import pandas as pd
import pytest
from typer.testing import CliRunner

from helpers.copies import copied
from helpers.newcomers import new_events, new_listings
from listing_vibes.cli import app
from listing_vibes.errors import VibesError
from listing_vibes.market.market import Market
from listing_vibes.run.run import Run
from listing_vibes.run.spaces import embed_market


@pytest.mark.slow
def test_it_keeps_looking_until_it_is_told_to_stop(trained, tmp_path):
    run = copied(trained, tmp_path)
    for name in ("events", "listings"):
        (tmp_path / name).mkdir()
    command = [sys.executable, "-m", "listing_vibes", "refresh", str(run.path), "--every", "0.2s", "--json"]
    command += ["--events", str(tmp_path / "events"), "--listings", str(tmp_path / "listings")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None and process.stderr is not None
        first = json.loads(process.stdout.readline())
        assert not first["published"] and first["version"] == 0
        new_listings(run.market, 3).to_csv(tmp_path / "listings" / "a.csv", index=False)
        new_events(run.market, [], 9, 10).to_csv(tmp_path / "events" / "a.csv", index=False)
        new = events = 0
        while new + events < 12:  # the files may fall into two looks
            look = json.loads(process.stdout.readline())
            assert "error" not in look, look
            if look["published"]:
                new, events = new + look["new"], events + look["events"]
        process.send_signal(signal.SIGTERM)
        assert process.wait(120) == 0
        assert process.stderr.read() == ""
    assert not list((run.path / "versions").glob(".building*"))
    assert len(Run.open(run.path).listing_ids) == len(run.listing_ids) + 3


@pytest.mark.slow
def test_once_it_tells_in_one_line_what_it_did(trained, tmp_path):
    run = copied(trained, tmp_path)
    (tmp_path / "listings").mkdir()
    new_listings(run.market, 2).to_csv(tmp_path / "listings" / "a.csv", index=False)
    done = CliRunner().invoke(app, ["refresh", str(run.path), "--listings", str(tmp_path / "listings")])
    assert done.exit_code == 0
    (line,) = done.stderr.splitlines()
    assert "version 1: 0 events of 0 users; listings 2 new, 0 changed" in line
    (tmp_path / "listings" / "b.parquet").write_bytes(b"nothing")
    done = CliRunner().invoke(app, ["refresh", str(run.path), "--listings", str(tmp_path / "listings")])
    assert isinstance(done.exception, VibesError) and "b.parquet" in str(done.exception)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ([], "no source to read"),
        (["--events", "nowhere"], "neither a folder nor a query"),
        (["--events", ".", "--every", "often"], "--every is 'often'"),
    ],
)
def test_what_is_wrong_with_a_command_is_told(tmp_path, options, message):
    done = CliRunner().invoke(app, ["refresh", str(tmp_path), *options])
    assert isinstance(done.exception, VibesError) and message in str(done.exception)


def test_it_says_which_files_it_wrote_and_where_the_next_rows_go(tiny_market, tmp_path):
    market, new = tiny_market(photos=0), tmp_path / "new"
    events = pd.read_parquet(market / "events.parquet")
    events.to_csv(market / "events.csv", index=False)
    (market / "events.parquet").unlink()
    embed_market(Market.open(market), tmp_path / "run", None)
    new.mkdir()
    events.iloc[:1].assign(user_id="new").to_csv(new / "a.csv", index=False)
    command = ["refresh", str(tmp_path / "run"), "--events", str(new)]
    done = CliRunner().invoke(app, [*command, "--json"])
    assert json.loads(done.stdout)["wrote"] == {str(market / "events.parquet"): "events.csv"}
    assert (
        json.loads(done.stdout)["new_rows"] == {"events": str(new)} and not (market / "events.csv").exists()
    )
    events.iloc[:1].assign(user_id="newer").to_csv(new / "b.csv", index=False)
    done = CliRunner().invoke(app, command)
    assert str(market / "events.parquet") in done.stderr and f"into {new}" in done.stderr
    done = CliRunner().invoke(app, [*command, "--json"])
    assert json.loads(done.stdout)["wrote"] == {}
