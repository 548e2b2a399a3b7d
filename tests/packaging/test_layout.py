"""What a visitor sees first: the top level of the repository."""

import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def test_the_top_level_is_what_the_plan_says():
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True)
    if listed.returncode:
        pytest.skip("no git repository")
    names = {line.split("/")[0] for line in listed.stdout.splitlines()}
    visible = {name for name in names if not name.startswith(".")}
    assert visible == {
        "app",
        "core",
        "assets",
        "tests",
        "pyproject.toml",
        "README.md",
        "Dockerfile",
        "LICENSE",
    }
