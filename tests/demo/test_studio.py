"""The renderer: what it decides without Blender, and one real picture where Blender is there."""

import json
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


def test_the_vibes_are_those_of_the_simulation() -> None:
    assert set(VIBES) == set(SIMULATED)
    assert set(ROOMS) == set(draw_style(1, "classic").wall)


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
