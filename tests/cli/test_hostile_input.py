"""Hostile input: one sentence and exit code 2, never a traceback, and no line that fills the screen."""

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from helpers.commands import vibes

LONG = "x" * 300


def refuse(*words: object) -> str:
    """Return the sentence that a command ends with."""
    done = vibes(*words, check=2)
    assert done.stdout == "" and "Traceback" not in done.stderr and "unexpected error" not in done.stderr
    (line,) = done.stderr.splitlines()
    assert line.startswith("vibes: ") and len(line) < 1000
    return line


@pytest.mark.slow
def test_moments_and_conditions(bare):
    for at in ("5000-01-01", "NaT", "", " ", "1e400", "9" * 400, "2024-13-01", "\ud800"):
        assert "--at" in refuse("similar", bare.path, bare.listing_ids[0], f"--at={at}")
    refuse("similar", bare.path, bare.listing_ids[0], "--where", "price<=\ud800")


def test_a_count_beyond_all_numbers_is_all_there_are(bare, tmp_path):
    huge = "9" * 20
    found = vibes("similar", bare.path, bare.listing_ids[0], "-k", huge, "--json")
    assert found.stdout.count("listing_id") == len(bare.listing_ids) - 1
    vibes("batch", bare.path, tmp_path / "lists", "--kind", "listings", "-k", huge)
    assert len(pd.read_parquet(tmp_path / "lists")) == len(bare.listing_ids) * (len(bare.listing_ids) - 1)


def test_a_file_a_market_or_a_run_in_place_of_another(bare, tmp_path):
    (tmp_path / "file").touch()
    for command, *rest in (("similar", "a"), ("recommend", "a"), ("explore",), ("export",), ("forget", "a")):
        assert "is not a run folder" in refuse(command, tmp_path / "file", *rest)
    for command, *rest in (("evaluate",), ("similar", "a"), ("explore",)):
        assert "is not a run folder" in refuse(command, bare.market.path, *rest)
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "run.toml").write_bytes((bare.path / "run.toml").read_bytes())
    for command, *rest in (("check",), ("embed", tmp_path / "out")):
        assert "is a run, not a market" in refuse(command, tmp_path / "run", *rest)


@pytest.mark.slow
def test_names_that_no_file_system_takes(bare, tmp_path):
    for words in (
        ("similar", LONG, "a"), ("check", LONG), ("recommend", bare.path, "--history", f"{LONG}.json"),
        ("recommend", bare.path, "--history", f"{LONG}.csv"), ("batch", bare.path, tmp_path / LONG, "--kind", "listings"),
        ("import", "hm", LONG, tmp_path / "m"), ("forget", bare.path, "a", "--also", LONG),
    ):  # fmt: skip
        error = vibes(*words, check=2).stderr
        assert "too long" in error and "Traceback" not in error and "unexpected error" not in error


def test_parquet_that_is_no_text(tiny_market):
    path = tiny_market(photos=0)
    table = pq.read_table(path / "listings.parquet")
    broken = pa.Array.from_buffers(pa.string(), 12, [None, *pa.array([b"\xff\xfe"] * 12).buffers()[1:]])
    for name in ("listing_id", "title"):
        column = table.schema.get_field_index(name)
        pq.write_table(table.set_column(column, name, broken), path / "listings.parquet")
        refuse("check", path)
    pq.write_table(table, path / "listings.parquet")
    events = pq.read_table(path / "events.parquet").slice(0, 12)
    pq.write_table(events.set_column(0, "user_id", broken), path / "events.parquet")
    refuse("check", path)
