"""The docs site builds without a warning, and its example scripts run."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from helpers.commands import vibes
from helpers.pages import ROOT
from listing_vibes.demo.shipped import bundled_run

pytestmark = pytest.mark.slow
EXAMPLES = ROOT / "assets" / "examples"
#: Words that a newcomer types into the site's search (without stop words such as "own"), and the page that answers them.
QUESTIONS = {
    "text encoder": "how-to/encoders",
    "gpu": "how-to/use-a-gpu",
    "vectors warehouse": "how-to/export",
    "nightly refresh": "how-to/refresh",
    "behind gateway": "how-to/deploy",
    "million listings": "how-to/scale",
    "fine-tune photo encoder": "how-to/encoders",
    "a/b test": "how-to/run-an-experiment",
    "explain boss": "how-to/explore-and-present",
    "tune": "how-to/train-and-tune",
    "default blend": "explanation/model",
    "license": "model-card",
}


def run(*command: object) -> subprocess.CompletedProcess[str]:
    done = subprocess.run([sys.executable, *map(str, command)], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stdout + done.stderr
    return done


def test_the_site_builds_without_a_warning(tmp_path):
    run("-m", "sphinx", "-q", "-W", "--keep-going", "-b", "html", "assets/docs", tmp_path / "site")
    page = (tmp_path / "site" / "reference" / "generated" / "commands.html").read_text(encoding="utf-8")
    assert "recommend" in page and "--history" in page
    missing = {
        question: page
        for question, page in QUESTIONS.items()
        if page not in search(tmp_path / "site", question)
    }
    assert not missing


def search(site: Path, question: str) -> list[str]:
    """Return the first three pages that the site's search lists: those with all words, in titles first."""
    stem = pytest.importorskip("snowballstemmer").stemmer("english").stemWord
    text = (site / "searchindex.js").read_text(encoding="utf-8")
    index = json.loads(text[text.index("{") : text.rindex("}") + 1])
    pages = range(len(index["docnames"]))
    words = [stem(word) for word in re.findall(r"\w\w+", question)]
    has = {
        table: [{rows} if isinstance(rows := index[table].get(word, []), int) else {*rows} for word in words]
        for table in ("terms", "titleterms")
    }
    matching = [
        page
        for page in pages
        if all(page in a | b for a, b in zip(has["terms"], has["titleterms"], strict=True))
    ]
    ranked = sorted(
        matching,
        key=lambda page: (not any(page in rows for rows in has["titleterms"]), index["titles"][page]),
    )
    return [index["docnames"][page] for page in ranked[:3]]


@pytest.mark.parametrize("name", ["similar_listings", "new_user", "launch_a_listing"])
def test_an_example_on_the_demo_runs(name):
    assert run(EXAMPLES / f"{name}.py").stdout


def test_an_example_trains_on_the_bicycles(tmp_path):
    assert "default ranking" in run(EXAMPLES / "train_and_evaluate.py", tmp_path / "bikes", 10).stdout


def test_an_example_reads_exported_vectors(tmp_path):
    vibes("export", bundled_run(), tmp_path, "--format", "vectors")
    assert "home-" in run(EXAMPLES / "read_vectors.py", tmp_path).stdout
