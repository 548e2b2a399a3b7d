"""What a larger market costs: constants that are measured, and arithmetic that follows them."""

import re
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from typer.testing import CliRunner

from helpers.commands import vibes
from listing_vibes.cli import app
from listing_vibes.demo.shipped import bundled_run
from listing_vibes.errors import VibesError
from listing_vibes.run.run import Run
from listing_vibes.serving.cost import measure as cost
from listing_vibes.serving.cost import memory
from listing_vibes.serving.cost.measure import Constants, Peak, measure
from listing_vibes.serving.cost.memory import peak_of
from listing_vibes.serving.cost.table import as_text, measured_on, scale

FOUND = Constants(
    machine="A <fast> one",
    cores=2,
    preset="tiny",
    history="cls",
    inference="bf16",
    width=128,
    listing_tokens=10,
    events=5,
    listings_s=1000,
    users_s=500,
    pairs_s=1e8,
    codes_s=5e7,
    row_bytes=10,
    token_flops=1e6,
)


def test_the_arithmetic_follows_the_constants():
    one, hundred = scale(FOUND, 1_000_000), scale(FOUND, 100_000_000)
    assert one.embed_h == pytest.approx(1000 / 3600) and one.users_h == pytest.approx(2000 / 3600)
    assert one.exact_h == pytest.approx(1e4 / 3600) and one.vectors_gb == pytest.approx(0.512)
    assert one.output_gb == pytest.approx(0.3)
    assert hundred.embed_h == pytest.approx(100 * one.embed_h)
    assert hundred.exact_h == pytest.approx(10_000 * one.exact_h)
    assert one.exact and not hundred.exact and "IVF-PQ" in hundred.index
    # 40,000 lists of 2,500: each listing finds its own twice over, and looks at 64 of them.
    assert hundred.index_h == pytest.approx(1e8 * (2 * 40_000 / 1e8 + 64 * 2_500 / 5e7) / 3600)
    assert hundred.cores == -int(-(hundred.embed_h + hundred.users_h + hundred.index_h) // 8) == 25
    assert one.cores == -int(-(one.embed_h + one.users_h + one.exact_h) // 8)


def test_lists_that_score_every_listing_are_reckoned_for_each_user():
    every = FOUND.model_copy(update={"scores_all": True})
    one, none = scale(every, 1_000_000), scale(FOUND, 1_000_000)
    assert (none.lists_h, one.lists_h) == (None, pytest.approx(1e4 / 3600))
    hundred = scale(every, 100_000_000)
    assert hundred.cores == -int(
        -(hundred.embed_h + hundred.users_h + hundred.index_h + hundred.lists_h) // 8
    )
    assert "Score every listing for each user" in as_text(every) and "for each user" not in as_text(FOUND)


def test_the_table_says_what_it_rests_on():
    text = as_text(FOUND)
    assert "1,000 a second and core" in text and "27,778 core-hours" in text and "16.7 core-minutes" in text
    assert len(text.splitlines()) == 10
    assert "A <fast> one (2 cores), preset tiny in bf16" in measured_on(FOUND)


PEAKS = {
    "train": Peak(listings=10_200, bytes=3 * 2**30, part_listings=200, part_bytes=2**30),
    "serve": Peak(listings=10_200, bytes=2**30 + 1, part_listings=200, part_bytes=2**30),
    "evaluate": Peak(listings=10_200, bytes=2**31, part_listings=200),
}


def test_memory_is_reckoned_where_it_grew():
    train, serve, evaluate = PEAKS.values()
    assert train.each == 2**31 / 10_000 and train.at(20_200) == 5 * 2**30
    assert serve.each is None and serve.at(10**6) is None and evaluate.at(10**6) is None
    assert train.at(10**6) is not None and train.at(10**8) is None  # of ten thousand nobody can tell
    text = as_text(FOUND.model_copy(update={"memory": PEAKS})).splitlines()
    assert len(text) == 13 and "Memory of train" in text[10] and "201 GiB" in text[10]
    assert "3.00 GiB at 10,200 listings, 215 kB each" in text[10] and "201 GiB             -" in text[10]
    assert text[11].split()[3:5] == ["-", "-"] and "hardly more than at 200" in text[11]
    assert "measured at this size alone" in text[12]


def test_a_user_whose_id_looks_like_an_option_is_asked_for_as_an_id(trained, tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(memory, "peak_of", lambda command, until: asked.append(command[3:]) or 1)
    events = trained.market.events.assign(user_id="-odd")
    market = SimpleNamespace(path=tmp_path, listings=trained.market.listings, events=events)
    memory._peaks(trained, market, tmp_path / "place", None, must=True)
    assert next(one for one in asked if one[0] == "recommend")[-2:] == ["--", "-odd"]


def test_what_was_measured_stays_where_the_memory_cannot_be(trained, monkeypatch):
    def fails(run, report):
        raise VibesError("It fails.")

    kept = []
    monkeypatch.setattr(cost, "measure", lambda run: FOUND)
    monkeypatch.setattr(memory, "measure_memory", fails)
    monkeypatch.setattr(Constants, "save", lambda found, run: kept.append(found))
    failed = CliRunner().invoke(app, ["cost", str(trained.path), "--memory"])
    assert str(failed.exception) == "It fails." and kept == [FOUND]


@pytest.mark.slow
def test_a_command_that_fails_is_named_with_what_it_said():
    with pytest.raises(VibesError, match=r"`vibes similar nowhere x` failed.*nowhere"):
        peak_of([sys.executable, "-m", "listing_vibes", "similar", "nowhere", "x"])


@pytest.mark.slow
def test_the_peak_is_that_of_the_process_alone():
    filled = np.ones(60_000_000)  # 480 MB that the parent has
    small = peak_of([sys.executable, "-c", "pass"])
    large = peak_of([sys.executable, "-c", "filled = bytearray(200 * 2**20)"])
    assert len(filled) and small < 60 * 2**20 and 190 * 2**20 < large - small < 215 * 2**20


@pytest.mark.slow
def test_every_command_is_measured_and_run_and_market_stay_as_they_were(trained, monkeypatch):
    apart = memory.peak_of

    def peak(command: list[str], until: str = "-") -> int:
        """Of the small part the peaks that are looked at below are measured; its other commands are done here, sooner."""
        small = any("/part/" in word for word in command)
        if not small or command[3] in ("embed", "serve"):
            return apart(command, until)
        assert vibes(*command[3:]).returncode == 0
        return 2**26

    monkeypatch.setattr(memory, "PART", 60)
    monkeypatch.setattr(memory, "peak_of", peak)
    run = Run.open(trained.path)

    def state():
        here = [*run.path.rglob("*"), *run.market.path.glob("*")]
        return {path: path.stat().st_mtime_ns for path in here if path.is_file()}

    before = state()
    found = memory.measure_memory(run)
    assert set(found) == set(memory.COMMANDS)
    for one in found.values():
        assert one.listings == len(run.listing_ids) and 50 * 2**20 < one.bytes < 4 * 2**30
    assert found["embed"].part_bytes is not None and found["serve"].part_bytes is not None
    assert {found[name].part_bytes for name in ("train", "evaluate", "recommend", "refresh")} == {2**26}
    assert state() == before


@pytest.mark.slow
def test_constants_are_measured_and_kept(tmp_path, monkeypatch):
    monkeypatch.setattr(cost, "SEARCHED", 5_000)
    monkeypatch.setattr(cost, "CODED", 1_000)
    monkeypatch.setattr(cost, "LISTINGS", 32)
    monkeypatch.setattr(cost, "USERS", 32)
    run = Run.open(bundled_run())
    found = measure(run)
    assert found.width == run.vectors("model").shape[1] and found.history == "listing-vectors"
    assert (
        min(found.listings_s, found.users_s) > 1
        and min(found.pairs_s, found.codes_s) > 1e6
        and 2 < found.row_bytes < 40
    )
    found.save(tmp_path)
    assert Constants.load(tmp_path) == found and Constants.load(tmp_path / "nowhere") is None
    (tmp_path / "cost.json").write_text("{")
    with pytest.raises(VibesError, match=re.escape("measure again with `vibes cost")):
        Constants.load(tmp_path)
