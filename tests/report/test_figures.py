"""Figures of the report: dots, legend and numbers of a group agree, axes hold what they show."""

import re

import numpy as np
import pytest

from listing_vibes.insight.rankings import best_baseline
from listing_vibes.report.figures import GROUPS, TICKS, Map, Row, Rows
from listing_vibes.report.text import compare_methods, describe_difference, slices_of


def drawn(count: int, groups: int) -> Map:
    """Places that are all different, in turns of no group and of each."""
    places = np.random.default_rng(0).permutation(1000)[: 2 * count].reshape(count, 2)
    cluster = np.arange(count) % (groups + 1) - 1
    sizes = [(f"group {number}", int((cluster == number).sum())) for number in range(groups)]
    return Map(places, cluster, sizes, "")


def test_dots_legend_and_numbers_of_a_group_agree_and_lie_within_the_picture():
    one = drawn(90, 8)  # one more than there are colors
    left, top, wide, high = map(int, one.box.split())
    numbers = {number: (int(x), int(y)) for number, x, y in one.numbers}
    dots = one.dots
    assert [color for color, _ in dots] == ["var(--line)", *GROUPS, GROUPS[-1]]
    assert one.legend == [(*group, color) for group, color in zip(one.groups, GROUPS, strict=False)]
    for group, (_, path) in enumerate(dots, start=-1):
        found = np.array([tuple(map(int, dot)) for dot in re.findall(r"M(\d+) (\d+)h0", path)])
        mine = one.places[one.cluster == group]
        np.testing.assert_array_equal(found, np.column_stack([mine[:, 0], 1000 - mine[:, 1]]))  # y points up
        assert ((found > [left, top]) & (found < [left + wide, top + high])).all()
        if 0 <= group < len(GROUPS):
            assert np.abs(np.median(found, axis=0) - numbers[group + 1]).max() <= 0.5
    assert len(numbers) == len(GROUPS)


@pytest.mark.parametrize("top", [0.003, 0.01, 0.0999, 0.21, 0.5, 0.87, 1.0])
def test_an_axis_begins_at_0_holds_the_largest_end_and_has_few_ticks(top):
    axis = Rows([Row("a", top / 2, top / 4, top), Row("b", top / 3)], "")
    assert axis.ticks[0] == 0 and axis.ticks[-1] >= top - 1e-9 and 2 <= len(axis.ticks) <= TICKS + 1
    assert axis.at(axis.ticks[-1]) == "100.00%" and axis.at(0.0) == "0.00%"


def test_slices_are_listings_users_and_lengths_of_histories():
    def part(value: float | None) -> dict:
        estimate = {"value": value, "low": 0.1, "high": 0.3}
        return {"queries": 1, "results": {"default ranking": {"recall@30": estimate}}}

    names = ("warm users", "history 1-2", "history 20+", "week 1", "all")
    slices = {name: part(number / 10) for number, name in enumerate(names, 1)} | {"cold users": part(None)}
    rows = slices_of({"slices": slices}).rows
    assert [(row.label, row.value) for row in rows] == [
        ("Warm users", 0.1), ("History 1-2", 0.2), ("History 20+", 0.3),
    ]  # fmt: skip
    assert slices_of({"slices": {"week 1": part(0.2)}}) is None


@pytest.mark.parametrize(
    ("value", "p_holm", "verdict"),
    [(0.2, 0.001, "better"), (0.056, 0.16, "different"), (-0.1, 0.001, "worse")],
)
def test_a_difference_has_its_interval_and_corrected_verdict(value, p_holm, verdict):
    difference = {"recall@30": {"value": value, "low": value - 0.05, "high": value + 0.05, "p_holm": p_holm}}
    differences = {"default ranking - ALS": difference, "default ranking - oracle": difference}
    text = describe_difference({"differences": differences}, "ALS")
    assert (
        verdict in text
        and f"{100 * abs(value):.1f} points" in text
        and f"{100 * (value + 0.05):+.1f}".replace("-", "−") in text
    )
    groups = {word: names for word, names in compare_methods(differences).items() if names}
    assert len(groups) == 1 and verdict in next(iter(groups)) and [*groups.values()] == [["ALS"]]
    assert describe_difference({}, "ALS") == ""


def test_the_best_baseline_uses_no_model_and_is_not_the_ceiling():
    values = {
        "default ranking": 0.3,
        "EASE": 0.2,
        "attribute neighbors": 0.25,
        "oracle": 0.9,
        "model + recency": 0.35,
    }
    results = {name: {"recall@30": {"value": value}} for name, value in values.items()}
    assert best_baseline(results) == "attribute neighbors"
    assert best_baseline({"default ranking": results["default ranking"]}) is None
