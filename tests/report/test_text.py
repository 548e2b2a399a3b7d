"""How the default ranking compares with a baseline, in words."""

import pytest

from listing_vibes.insight.rankings import best_baseline
from listing_vibes.report.text import compare_methods, describe_difference


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
