"""How the default ranking compares with a baseline, in words."""

import pytest

from listing_vibes.insight.rankings import best_baseline
from listing_vibes.report.text import compare_methods, corrected_interval, describe_difference


@pytest.mark.parametrize(
    "found, interval, verdict",
    [
        (
            {"value": 0.204, "low": 0.19, "high": 0.22, "p_value": 0.001, "p_holm": 0.001},
            (0.19, 0.22),
            "better",
        ),
        (
            {"value": 0.056, "low": 0.01, "high": 0.097, "p_value": 0.02, "p_holm": 0.16},
            (-0.008, 0.113),
            "different",
        ),
        (
            {"value": -0.1, "low": -0.2, "high": -0.05, "p_value": 0.001, "p_holm": 0.001},
            (-0.2, -0.05),
            "worse",
        ),
    ],
)
def test_a_difference_has_its_corrected_interval_and_verdict(found, interval, verdict):
    assert corrected_interval(found) == pytest.approx(interval, abs=1e-3)
    differences = {
        "default ranking - ALS": {"recall@30": found},
        "default ranking - oracle": {"recall@30": found},
    }
    text = describe_difference({"differences": differences}, "ALS")
    assert verdict in text and f"{100 * abs(found['value']):.1f} points" in text
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
