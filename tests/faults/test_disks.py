"""Every command on a full disk and on one that cannot be written: done, or one sentence; a market that is only read."""

from __future__ import annotations

import re
import shutil
from functools import partial
from pathlib import Path

import pytest
from tests.faults.deaths import die_sometimes
from tests.faults.mounts import disk, fill, read_only
from tests.faults.writers import WRITERS, stage

from browser.painted import paint_market
from helpers.commands import vibes
from helpers.killing import run_apart
from helpers.once import once
from listing_vibes.cli.shared import app
from listing_vibes.market.importers.movielens_1m import ATTRIBUTES, EXCLUDED
from listing_vibes.market.market import Market
from listing_vibes.run.run import Run
from listing_vibes.serving.experiment import Arm, Setup, begin_experiment

#: Every command, and what it is called with; {} is the disk, on which a copy of the stage lies.
COMMANDS = {
    "train": ["train", "{}/market", "{}/fresh", "--preset", "tiny", "--config", "{}/settings.toml"],
    "embed": ["embed", "{}/market", "{}/fresh", "--model", "{}/run"],
    "embed again": ["embed", "{}/market", "{}/run", "--model", "{}/other"],
    "evaluate": ["evaluate", "{}/run", "--json"],
    "compare": ["compare", "{}/run", "{}/run", "--other", "model only", "--queries", "{}/queries.parquet"],
    "demand": ["demand", "{}/run", "--out", "{}/demand.csv"],
    "explain": ["explain", "{}/run", "user-0001", "home-0003"],
    "ablate": ["ablate", "{}/market", "{}/ablation", "--seeds", "0", "--grid", "{}/grid.toml"],
    "similar": ["similar", "{}/run", "home-0003"],
    "batch": ["batch", "{}/run", "{}/lists"],
    "batch of listings": ["batch", "{}/run", "{}/lists", "--kind", "listings"],
    "launch": ["launch", "{}/run", "home-0003"],
    "similar --text": ["similar", "{}/run", "--text", "a lamp"],
    "recommend": ["recommend", "{}/run", "user-0001"],
    "report": ["report", "{}/run", "{}/report.html"],
    "refresh": ["refresh", "{}/run", "--listings", "{}/new/listings", "--events", "{}/new/events"],
    "forget": ["forget", "{}/run", "user-0003"],
    "monitor": ["monitor", "{}/run"],
    "experiment": ["experiment", "{}/shown"],
    "export": ["export", "{}/run", "{}/export"],
    "export --format vectors": ["export", "{}/run", "{}/vectors", "--format", "vectors"],
    "check": ["check", "{}/market"],
    "check --model": ["check", "{}/market", "--model", "{}/other"],
    "embed photos": ["embed", "{}/pictured", "{}/fresh"],
    "download": ["download", "{}/addressed"],
    "import": ["import", "movielens-1m", "{}/movies", "{}/imported"],
}
#: Those that only read.
USER_ENCODERS = {"similar", "recommend", "launch", "check", "check --model", "explain"}
#: Those that the stage has nothing for, and what they say.
NEEDS = {"similar --text": "has no photos"}
#: Those that wait for visitors, write nowhere but into the user's cache, or train several times.
LEFT_OUT = {"serve", "explore", "demo", "tune"}
SETTINGS = "[encoder]\nlayers = 1\nwidth = 16\nheads = 2\nffn = 32\n[training]\nmax_steps = 4\n[features]\ntext = false\n"
GRID = (
    '[base]\npreset = "tiny"\n[base.training]\nmax_steps = 2\n[[variant]]\nname = "full"\nquestion = "All"\n'
)
COLUMNS = ("item_id", "ml_genres", *(name for name in ATTRIBUTES if name != "genres"), *EXCLUDED)
MOVIES = {
    "items.csv": ",".join(COLUMNS) + "\n" + "".join(f"{n}{',x' * (len(COLUMNS) - 1)}\n" for n in (1, 2)),
    "events.csv": "user_id,item_id,position\n1,1,0\n1,2,1\n",
    "photos.csv": "item_id,path\n1,posters/1.jpg\n",
}


def test_no_command_is_forgotten():
    there = {command.name or command.callback.__name__ for command in app.registered_commands}
    walked = {arguments[0] for arguments in COMMANDS.values()}
    assert there - LEFT_OUT == walked


def stage_disk(staged: Path, folder: Path) -> None:
    """Write what the commands are called with, beside a copy of the stage."""
    shutil.copytree(staged, folder, dirs_exist_ok=True)
    (folder / "settings.toml").write_text(SETTINGS)
    (folder / "grid.toml").write_text(GRID)
    paint_market(folder / "pictured", listings=6, photos=1, users=2, events=2)
    (folder / "movies").mkdir()
    for file, line in MOVIES.items():
        (folder / "movies" / file).write_text(line)
    (folder / "addressed").mkdir()
    (folder / "addressed" / "listings.csv").write_text("listing_id,rooms\na,1\n")
    (folder / "addressed" / "photos.csv").write_text("listing_id,url\na,http://127.0.0.1:9/a.jpg\n")
    begin_experiment(folder / "shown", Setup(a=Arm(run="a"), b=Arm(run="b")))


@pytest.mark.slow
@pytest.mark.parametrize("state", ["full", "read-only"])
@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_is_done_or_says_in_one_sentence_why_not(name, state, tmp_path, tmp_path_factory):
    staged = once(tmp_path_factory, "stage", stage)
    ready = once(tmp_path_factory, "disk", partial(stage_disk, staged))
    with disk(tmp_path / "disk", 64) as place:
        shutil.copytree(ready, place, dirs_exist_ok=True)
        before = _answers(place / "run")
        fill(place) if state == "full" else read_only(place)
        done = vibes(*(argument.replace("{}", str(place)) for argument in COMMANDS[name]), check=None)
        if name in USER_ENCODERS:
            assert done.returncode == 0, done.stderr
        else:
            told = [line for line in done.stderr.splitlines() if line.startswith("vibes: ")]
            assert done.returncode == 2 and len(told) == 1 and "Traceback" not in done.stderr, done.stderr
            why = (
                NEEDS.get(name) or r"[Tt]he disk is full"
                if state == "full" or name in NEEDS
                else r"Cannot write|no permission|[Rr]ead-only"
            )
            assert re.search(why, told[0]), told[0]
        assert _answers(place / "run") == before
        if state == "full":
            left = [path for path in place.rglob(".writing-*") if ".cache" not in path.parts]
            assert not left


def _answers(path: Path) -> str:
    run = Run.open(path)
    return run.recommend(run.log.users[0], 3).to_csv() + str(run.metrics is None)


@pytest.mark.slow
def test_a_market_that_is_only_read_trains_evaluates_and_opens(tmp_path, monkeypatch):
    monkeypatch.setenv("LISTING_VIBES_CACHE", str(tmp_path / "cache"))
    with disk(tmp_path / "disk", 64) as place:
        market = paint_market(place / "market", listings=24, photos=1, users=8, events=9)
        vibes("embed", market, market.parent / "photos-embedded")
        read_only(place)
        (tmp_path / "settings.toml").write_text(SETTINGS.replace("text = false", "text = true"))
        vibes("train", market, tmp_path / "run", "--preset", "tiny", "--config", tmp_path / "settings.toml")
        vibes("evaluate", tmp_path / "run")
        vibes("check", market)
        run = Run.open(tmp_path / "run")
        assert "photos" in run.spaces and len(run.similar(run.listing_ids[0], 3))
        from listing_vibes.market.photo_decoding import thumbnail

        opened = Market.open(market)
        assert thumbnail(opened.path, opened.photos["path"].iloc[0]).is_file()


@pytest.mark.slow
@pytest.mark.parametrize("name", [writer.name for writer in WRITERS])
def test_a_death_before_any_rename_leaves_the_old_state_or_the_new_one(name, tmp_path, tmp_path_factory):
    """In a process of its own: one whose autograd has run, or that has threads, cannot be forked into one that trains."""
    code, told = run_apart(die_sometimes, name, once(tmp_path_factory, "stage", stage), tmp_path / "copy")
    assert code == 0, told
