"""The harness that feeds hostile inputs, and every target for a few of them."""

import os
import time
from pathlib import Path

import pytest
from tests.fuzz.harness import Target, run, run_apart, targets
from tests.fuzz.mutate import mutated

from listing_vibes.errors import VibesError


def made(feed, **told) -> Target:
    options = {"seeds": lambda: [b"0" * 10], "draw": mutated, "allowed": (VibesError,)} | told
    return Target("made", lambda folder: feed, **options)


def test_a_sentence_is_no_failure_and_any_other_error_is_kept_with_its_input(tmp_path):
    def feed(content: bytes) -> None:
        if len(content) > 10:
            raise VibesError("It is too long; shorten it.")
        if content[:1] != b"0":
            raise KeyError(content)

    found = run(made(feed), 300, tmp_path, most=1000)
    assert found.executions == 300 and found.refused > 0
    assert found.failures and all(one.content[:1] != b"0" for one in found.failures)
    assert "KeyError" in found.failures[0].what
    again = run(made(feed), 300, tmp_path, most=1000)
    assert [one.content for one in again.failures] == [one.content for one in found.failures]


@pytest.mark.slow
def test_a_hang_and_a_process_that_dies_are_failures(tmp_path, monkeypatch):
    monkeypatch.setattr("tests.fuzz.harness.HANG", 0.05)

    def slow(content: bytes) -> None:
        begun = time.process_time()
        while content == b"1" and time.process_time() - begun < 2:
            pass

    found = run(made(slow, draw=lambda rng, corpus: rng.choice((b"1", b"0"))), 12, tmp_path)
    assert found.failures and all(one.content == b"1" and "took" in one.what for one in found.failures)

    def dies(content: bytes) -> None:
        if content == b"5":
            os._exit(7)

    found = run_apart(made(dies, draw=lambda rng, corpus: b"%d" % rng.randrange(10)), 40, tmp_path)
    assert found.executions == 40 and {one.content for one in found.failures} == {b"5"}


#: Targets that open a model.
COSTLY = {"service-requests", "page-addresses"}


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=pytest.mark.slow if name in COSTLY else ()) for name in sorted(targets())],
)
def test_a_target_stands_a_few(name, tmp_path, request):
    one = targets()[name]
    few = 40 if request.config.option.slow else 4
    found = run(one, few, Path(tmp_path))
    assert not found.failures, found.failures[0].what
