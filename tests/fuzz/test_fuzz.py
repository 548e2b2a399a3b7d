"""The harness that feeds hostile inputs, and every target for a few of them."""

import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.fuzz.harness import CURRENT, Target, run, targets

from listing_vibes.errors import VibesError


def test_a_sentence_is_no_failure_and_any_other_error_is_kept_with_its_input(tmp_path):
    def feed(content: bytes) -> None:
        if len(content) > 10:
            raise VibesError("It is too long; shorten it.")
        if content[:1] != b"0":
            raise KeyError(content)

    one, other = (
        run(Target("made", lambda folder: feed, lambda: [b"0" * 10]), 300, tmp_path, most=1000)
        for _ in range(2)
    )
    assert one.executions == 300 and one.refused > 0 and "KeyError" in one.failures[0].what
    assert all(failure.content[:1] != b"0" for failure in one.failures)
    assert [failure.content for failure in one.failures] == [failure.content for failure in other.failures]


def test_a_long_execution_is_a_failure(tmp_path, monkeypatch):
    monkeypatch.setattr("tests.fuzz.harness.HANG", 0.05)

    def feed(content: bytes) -> None:
        begun = time.process_time()
        while content == b"1" and time.process_time() - begun < 0.1:
            pass

    made = Target("made", lambda folder: feed, draw=lambda rng, corpus: rng.choice((b"1", b"0")))
    failures = run(made, 12, tmp_path).failures
    assert failures and all(one.content == b"1" and "took" in one.what for one in failures)


ENDLESS = """
import sys
from pathlib import Path
from tests.fuzz import harness

def feed(content):
    while content == b"1":
        pass

harness.STUCK = 0.5
harness.run(harness.Target("made", lambda folder: feed, draw=lambda *_: b"1"), 2, Path(sys.argv[1]))
"""


def test_an_endless_execution_ends_the_process_and_its_input_is_kept(tmp_path):
    root = Path(__file__).parents[2]
    command = [sys.executable, "-c", ENDLESS, tmp_path]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=100)
    assert done.returncode == 1 and "in feed" in done.stderr and (tmp_path / CURRENT).read_bytes() == b"1"


#: Targets that open a model.
COSTLY = {"service-requests", "page-addresses"}


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=pytest.mark.slow if name in COSTLY else ()) for name in sorted(targets())],
)
def test_a_target_takes_a_few(name, tmp_path, request):
    outcome = run(targets()[name], 20 if request.config.option.slow else 4, tmp_path)
    assert not outcome.failures, outcome.failures[0].what
