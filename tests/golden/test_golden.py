"""What the product answered when the records were made: `python -m golden` in `tests` makes them again, on purpose only."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from golden.answers import EXPECTED, answers, copy_of

pytestmark = pytest.mark.slow
COSINE, SCORE, OVERLAP, FIGURE = 0.99999, 0.01, 0.9, 0.03


@pytest.mark.parametrize("name", ["demo", "typed", "untimed"])
def test_the_answers_are_those_of_the_record(name: str, tmp_path: Path):
    expected = json.loads((EXPECTED / f"{name}.json").read_text(encoding="utf-8"))
    actual = json.loads(json.dumps(dict(answers(name, copy_of(name, tmp_path)))))
    assert list(actual) == list(expected)
    different = [case for case in expected if not is_same(case, actual[case], expected[case])]
    assert not different, {case: (expected[case], actual[case]) for case in different[:3]}


def is_same(case: str, actual: Any, expected: Any) -> bool:
    """Whether an answer is the recorded one, up to what another processor's arithmetic changes."""
    if case.startswith("vectors"):
        # bfloat16 and float32 processors encode to within .9995; stored vectors are the same everywhere
        bound = 0.9995 if "again" in case or "users" in case else COSINE
        return bool((_cosines(actual, expected) >= bound).all())
    if isinstance(expected, dict) and "listings" in expected and "scores" in expected:
        return _is_same_list(actual, expected)
    if case == "evaluate":
        return actual["queries"] == expected["queries"] and _is_close(actual["results"], expected["results"])
    return actual == expected


def _cosines(actual: list[list[float]], expected: list[list[float]]) -> np.ndarray:
    a, b = np.array(actual), np.array(expected)  # (n, d)
    return (a * b).sum(axis=1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)


def _is_same_list(actual: dict[str, Any], expected: dict[str, Any]) -> bool:
    if len(actual["listings"]) != len(expected["listings"]):
        return False
    if not expected["listings"]:
        return True
    listings = set(expected["listings"])
    overlap = len(listings & set(actual["listings"])) / len(listings)
    return overlap >= OVERLAP and np.allclose(actual["scores"], expected["scores"], atol=SCORE, rtol=0.01)


def _is_close(actual: dict[str, dict[str, float]], expected: dict[str, dict[str, float]]) -> bool:
    return actual.keys() == expected.keys() and all(
        abs(actual[row][figure] - value) <= FIGURE
        for row, figures in expected.items()
        for figure, value in figures.items()
    )
