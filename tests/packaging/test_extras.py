"""What the guide says of an installation without extras: a run that is there can be looked at."""

import re
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
WITHOUT = """
import sys
from listing_vibes.cli import main

class Lacking:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {lacking!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Lacking())
main()
"""


def names(requirements: list[str]) -> set[str]:
    return {re.match(r"[\w.-]+", one)[0].lower().replace("_", "-") for one in requirements}


@pytest.mark.slow
def test_a_run_is_looked_at_without_any_extra(trained, tmp_path):
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    base = names(project["dependencies"])
    extra = set().union(*map(names, project["optional-dependencies"].values())) - base - {project["name"]}

    lacking = sorted(
        module
        for module, whose in packages_distributions().items()
        if {one.lower().replace("_", "-") for one in whose} & extra and not module.startswith("_")
    )
    assert "torch" in lacking
    for words in (["similar", trained.path, "home-0003"], ["report", trained.path, tmp_path / "report.html"]):
        done = subprocess.run(
            [sys.executable, "-c", WITHOUT.format(lacking=lacking), *map(str, words)],
            cwd=ROOT, capture_output=True, text=True,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr


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
