"""What nobody should type: one sentence and exit code 2, never a traceback, and no line that fills the screen."""

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from helpers.commands import vibes
from listing_vibes.run.where import read_condition

LONG = "x" * 300


def refused(*words: object) -> str:
    """The sentence that a command ends with."""
    done = vibes(*words, check=2)
    assert done.stdout == "" and "Traceback" not in done.stderr and "unexpected error" not in done.stderr
    (line,) = done.stderr.splitlines()
    assert line.startswith("vibes: ") and len(line) < 1000
    return line


@pytest.mark.slow
@pytest.mark.parametrize(
    "at", ["5000-01-01", "0001-01-01", "NaT", "", " ", "1e400", "9" * 400, "2024-13-01", "\ud800"]
)
def test_moments(bare, at):
    assert "Option --at is '" in refused("similar", bare.path, bare.listing_ids[0], f"--at={at}")


def test_a_count_beyond_all_numbers_is_all_there_are(bare, tmp_path):
    huge = "9" * 20
    found = vibes("similar", bare.path, bare.listing_ids[0], "-k", huge, "--json")
    assert found.stdout.count("listing_id") == len(bare.listing_ids) - 1
    vibes("batch", bare.path, tmp_path / "lists", "--kind", "listings", "-k", huge)
    lists = pd.read_parquet(tmp_path / "lists")
    assert len(lists) == len(bare.listing_ids) * (len(bare.listing_ids) - 1)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("a.json", b"[" * 100_000, "is not valid JSON"),
        ("a.json", b'{"history":' * 100_000, "is not valid JSON"),
        ("a.json", b'[{"listing_id": "\\ud800"}]', "has the listing_id"),
        ("a.json", b'[{"listing_id": "a", "duration_s": %s}]' % (b"9" * 400), "give seconds"),
        ("a.json", b'[{"listing_id": "a", "duration_s": %s}]' % (b"9" * 5000), "is not valid JSON"),
        ("a.json", b'[{"listing_id": ["a"]}]', "has the listing_id"),
        ("a.json", b"\xff\xfe", "is not valid JSON"),
        ("a.json", b"null", "does not contain a list of events"),
        ("a.csv", b"listing_id\n\xff", "is not UTF-8 text"),
        ("a.csv", b"listing_id,duration_s\na,%s\n" % (b"9" * 400), "give seconds"),
        ("a.csv", b'listing_id\n"a', "cannot be read as a table"),
        ("a.parquet", b"PAR1", "cannot be read as a table"),
    ],
)  # fmt: skip
def test_histories(bare, tmp_path, name, content, says):
    (tmp_path / name).write_bytes(content)
    assert says in refused("recommend", bare.path, "--history", tmp_path / name)


@pytest.mark.parametrize(
    "words", [("similar", "a"), ("recommend", "a"), ("explore",), ("export",), ("forget", "a")]
)
def test_a_file_instead_of_a_run(tmp_path, words):
    (tmp_path / "file").touch()
    command, *rest = words
    assert "is a file, not a run" in refused(command, tmp_path / "file", *rest)


def test_a_market_instead_of_a_run_and_a_run_instead_of_a_market(bare, tmp_path):
    for words in (("evaluate",), ("similar", "a"), ("explore",)):
        said = refused(words[0], bare.market.path, *words[1:])
        assert f"is a market, not a run; create one with `vibes train {bare.market.path} RUN`" in said
    run = tmp_path / "run"
    run.mkdir()
    (run / "run.toml").write_bytes((bare.path / "run.toml").read_bytes())
    for words in (("check",), ("embed", tmp_path / "out")):
        assert f"{run} is a run, not a market" in refused(words[0], run, *words[1:])


@pytest.mark.slow
def test_names_that_no_file_system_takes(bare, tmp_path):
    for words in (
        ("similar", LONG, "a"), ("check", LONG), ("recommend", bare.path, "--history", f"{LONG}.json"),
        ("recommend", bare.path, "--history", f"{LONG}.csv"), ("batch", bare.path, tmp_path / LONG, "--kind", "listings"),
        ("import", "houses", LONG, tmp_path / "m"), ("check", bare.market.path, "--rejects", tmp_path / f"{LONG}.csv"),
        ("forget", bare.path, "a", "--also", LONG),
    ):  # fmt: skip
        done = vibes(*words, check=2)
        assert (
            "too long" in done.stderr
            and "Traceback" not in done.stderr
            and "unexpected error" not in done.stderr
        )


def test_parquet_that_is_no_text(tiny_market):
    path = tiny_market(photos=0)
    table = pq.read_table(path / "listings.parquet")
    broken = pa.Array.from_buffers(pa.string(), 12, [None, *pa.array([b"\xff\xfe"] * 12).buffers()[1:]])
    for name in ("listing_id", "title"):
        place = table.schema.get_field_index(name)
        pq.write_table(table.set_column(place, name, broken), path / "listings.parquet")
        refused("check", path)
    pq.write_table(table, path / "listings.parquet")
    events = pq.read_table(path / "events.parquet").slice(0, 12)
    pq.write_table(events.set_column(0, "user_id", broken), path / "events.parquet")
    refused("check", path)


@pytest.mark.slow
def test_settings_of_a_market_that_are_deep_or_huge(tiny_market):
    path = tiny_market(photos=0)
    for text in (
        "a = " + "[" * 50_000,
        "[" + ".".join("a" * 5000) + "]",
        "x" * 3_000_000,
        f"name = {'9' * 5000}",
    ):
        (path / "market.toml").write_text(text)
        assert "market.toml" in refused("check", path)


def test_a_condition_is_read_once(bare, monkeypatch):
    asked = []
    place = "listing_vibes.run.groups.read_condition"
    monkeypatch.setattr(place, lambda market, text: asked.append(text) or read_condition(market, text))
    vibes("similar", bare.path, bare.listing_ids[0], "--where", "price<=1000", "--where", "pets=yes")
    assert asked == ["price<=1000", "pets=yes"]
    refused("similar", bare.path, bare.listing_ids[0], "--where", "price<=\ud800")
