"""The docs site builds without a warning, and its example scripts run."""

import subprocess
import sys

import pytest

from helpers.commands import vibes
from helpers.pages import ROOT
from listing_vibes.demo.shipped import bundled_run

EXAMPLES = ROOT / "assets" / "examples"


def run(*command: object) -> subprocess.CompletedProcess[str]:
    done = subprocess.run([sys.executable, *map(str, command)], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stdout + done.stderr
    return done


@pytest.mark.slow
def test_the_site_builds_without_a_warning(tmp_path):
    run("-m", "sphinx", "-q", "-W", "--keep-going", "-b", "html", "assets/docs", tmp_path / "site")
    page = (tmp_path / "site" / "reference" / "generated" / "commands.html").read_text(encoding="utf-8")
    assert "recommend" in page and "--history" in page


@pytest.mark.slow
@pytest.mark.parametrize("name", ["similar_listings", "new_user", "launch_a_listing"])
def test_an_example_on_the_demo_runs(name):
    assert run(EXAMPLES / f"{name}.py").stdout


@pytest.mark.slow
def test_an_example_trains_on_the_bicycles(tmp_path):
    assert "default ranking" in run(EXAMPLES / "train_and_evaluate.py", tmp_path / "bikes", 10).stdout


@pytest.mark.slow
def test_an_example_reads_exported_vectors(tmp_path):
    vibes("export", bundled_run(), tmp_path, "--format", "vectors")
    assert "home-" in run(EXAMPLES / "read_vectors.py", tmp_path).stdout
