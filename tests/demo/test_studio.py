"""The renderer: what it decides without Blender, and one real picture where Blender is there."""

import importlib.util
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from listing_vibes.demo.homes import ROOMS, Home
from listing_vibes.demo.homes import VIBES as SIMULATED
from listing_vibes.errors import VibesError
from studio.homefile import read_homes
from studio.output import all_jobs, open_jobs
from studio.style import draw_style
from studio.vibes import VIBES

ROOT = Path(__file__).resolve().parents[2]
HOME = Home(
    number=3, seed=77, vibe="boho", quality=0.5, area_m2=50.0, rooms=2, floor=2, floors=5, view="park", building="townhouse",
    built=1930, light=0.6, density=0.5, clutter=0.3, balcony=True, hour=12.0, photos=("bathroom", "front"),
)  # fmt: skip


def line(home: Home) -> str:
    return json.dumps({**home.__dict__, "extra": "left aside"})


def test_style_is_the_same_for_the_same_seed_and_differs_between_homes() -> None:
    assert draw_style(5, "loft") == draw_style(5, "loft")
    drawn = [draw_style(seed, "loft") for seed in range(40)]
    assert len({str(style) for style in drawn}) == 40
    for name in ("floor", "wet", "lamp", "kitchen", "chair"):
        assert len({style.choice[name] for style in drawn}) >= 2, name


def test_the_vibes_are_those_of_the_simulation() -> None:
    assert set(VIBES) == set(SIMULATED)
    assert set(ROOMS) == set(draw_style(1, "classic").wall)


@pytest.mark.parametrize("vibe", VIBES)
def test_every_vibe_draws_colours_in_range(vibe: str) -> None:
    for seed in range(10):
        style = draw_style(seed, vibe, quality=seed / 9, density=seed / 9)
        colours = [
            *style.wall.values(),
            *style.accents,
            *style.fabrics,
            style.wood,
            style.front,
            *style.wet_colours,
        ]
        assert all(0 <= part <= 1 for colour in colours for part in colour)
        assert 0 <= style.wear <= 1 and 0 <= style.dense <= 1
        assert 2.3 < style.height < 4.3


def test_homes_are_read_and_faults_named(tmp_path: Path) -> None:
    path = tmp_path / "homes.jsonl"
    path.write_text(
        line(HOME) + "\n\n" + line(replace(HOME, number=4, photos=("living",))) + "\n", encoding="utf-8"
    )
    assert read_homes(path) == [HOME, replace(HOME, number=4, photos=("living",))]
    for text, words in (
        ("{", "line 2: not a home"),
        (line(replace(HOME, vibe="gothic")), "unknown vibe 'gothic'"),
        (line(replace(HOME, photos=("attic",))), "unknown photo 'attic'"),
        (json.dumps({"number": 1}), "line 2: the field 'seed' is missing"),
    ):
        path.write_text(f"{line(HOME)}\n{text}\n", encoding="utf-8")
        with pytest.raises(VibesError, match=words):
            read_homes(path)
    with pytest.raises(VibesError, match="cannot be read"):
        read_homes(tmp_path / "none.jsonl")


def test_the_simulation_writes_what_the_renderer_reads(tmp_path: Path) -> None:
    path = tmp_path / "homes.jsonl"
    wrote = subprocess.run(
        [sys.executable, "-m", "listing_vibes.demo.homes", "12", "5"],
        capture_output=True,
        text=True,
        check=True,
    )
    path.write_text(wrote.stdout, encoding="utf-8")
    assert [home.number for home in read_homes(path)] == list(range(12))


def test_shards_share_the_work_and_finished_pictures_are_kept(tmp_path: Path) -> None:
    homes = [replace(HOME, number=n, photos=ROOMS) for n in range(7)]
    jobs = all_jobs(homes, tmp_path)
    assert len(jobs) == 35 and jobs[0].path == tmp_path / "0000_living.webp"
    shares = [open_jobs(jobs, (part, 3)) for part in range(3)]
    assert sorted(str(job.path) for share in shares for job in share) == sorted(str(job.path) for job in jobs)
    assert not {job.path for job in shares[0]} & {job.path for job in shares[1]}
    shares[0][0].path.write_bytes(b"done")
    (tmp_path / ".0000_kitchen.99.webp").write_bytes(b"half")  # left by a killed process: not finished
    assert open_jobs(jobs, (0, 3)) == shares[0][1:]
    assert open_jobs(jobs, (1, 3)) == shares[1]
    assert [job.home.number for job in all_jobs(homes, tmp_path, only=4)] == [4] * 5
    with pytest.raises(VibesError, match="No home numbered 99"):
        all_jobs(homes, tmp_path, only=99)


@pytest.mark.slow
def test_the_program_tells_bad_input_and_skips_what_is_there(tmp_path: Path) -> None:
    homes, out = tmp_path / "homes.jsonl", tmp_path / "out"
    command = [sys.executable, "-m", "studio", str(homes), str(out)]
    places = os.pathsep.join([str(ROOT / "core"), str(ROOT / "assets" / "demo")])  # as its own words say
    options = {"capture_output": True, "text": True, "env": os.environ | {"PYTHONPATH": places}}
    missing = subprocess.run(command, **options)
    assert missing.returncode == 2 and "cannot be read" in missing.stderr and missing.stderr.count("\n") == 1
    homes.write_text(line(HOME) + "\n", encoding="utf-8")
    out.mkdir()
    for room in HOME.photos:
        (out / f"0003_{room}.webp").write_bytes(b"finished")
    again = subprocess.run(command, **options)  # needs no Blender, since nothing is left
    assert again.returncode == 0 and "0 left" in again.stderr
    assert (out / "0003_front.webp").read_bytes() == b"finished"


@pytest.mark.slow
@pytest.mark.skipif(
    importlib.util.find_spec("bpy") is None, reason="Blender (bpy) is not installed in this environment"
)
def test_the_same_home_gives_the_same_bytes() -> None:
    from studio.scene import render

    once, twice = (render(HOME, "bathroom", (64, 48), 4) for _ in range(2))
    assert once.size == (64, 48)
    assert once.tobytes() == twice.tobytes()
    assert once.tobytes() != render(replace(HOME, seed=78), "bathroom", (64, 48), 4).tobytes()
