"""The renderer: what it decides without Blender, and one real picture where Blender is there."""

import subprocess
import sys
from pathlib import Path

from listing_vibes.demo.homes import ROOMS
from listing_vibes.demo.homes import VIBES as SIMULATED
from studio.homefile import read_homes
from studio.style import draw_style
from studio.vibes import VIBES


def test_the_vibes_are_those_of_the_simulation() -> None:
    assert set(VIBES) == set(SIMULATED)
    assert set(ROOMS) == set(draw_style(1, "classic").wall)


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
