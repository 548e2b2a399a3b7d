"""The default ranking against one other method: which one is the hardest to beat, and by how much the default ranking is ahead of it."""

from statistics import NormalDist
from typing import Any

from listing_vibes.report.text import CEILING, SURE
from listing_vibes.scoring.ranking_names import DEFAULT_RANKING, uses_model


def hardest_rival(results: dict[str, Any], metric: str = "recall@30") -> str | None:
    """The best method beside the model, of whatever kind; the ceiling and what serving adds to the model are none."""
    measured = {
        name: one[metric]["value"]
        for name, one in results.items()
        if name != CEILING and not uses_model(name) and one.get(metric, {}).get("value") is not None
    }
    return max(measured, key=lambda name: measured[name], default=None)


def beside(metrics: dict[str, Any], rival: str, metric: str = "recall@30") -> str:
    """The difference of the model to `rival` in words, with its interval: the corrected one, to which the verdict belongs."""
    one = metrics.get("differences", {}).get(f"{DEFAULT_RANKING} - {rival}", {}).get(metric)
    if not one or one.get("low") is None:
        return ""
    sure = one.get("p_holm", 1.0) < SURE
    low, high = corrected(one)
    word = (
        "no sure difference"
        if not sure
        else "the default ranking is ahead"
        if one["value"] > 0
        else "the default ranking is behind"
    )
    points = [f"{100 * share:+.1f}".replace("-", "−") for share in (one["value"], low, high)]
    several = ", corrected for the number of methods" if (low, high) != (one["low"], one["high"]) else ""
    return f"Difference: {points[0]} points ({points[1]} to {points[2]}{several}), {word}."


def corrected(one: dict[str, Any]) -> tuple[float, float]:
    """The interval of a difference, as much wider than its own 95 % as Holm's correction made its p-value larger.

    Each side grows by the ratio of the normal quantiles, so the interval holds 0 where the corrected p-value is at least
    5 %, as far as the normal curve goes; where it goes no further, it ends at 0.
    """
    p_value, holm = one.get("p_value"), one.get("p_holm")
    times = max(1.0, holm / p_value) if p_value and holm is not None else 1.0
    wider = NormalDist().inv_cdf(1 - SURE / 2 / times) / NormalDist().inv_cdf(1 - SURE / 2)
    value, low, high = one["value"], one["low"], one["high"]
    low, high = value - wider * (value - low), value + wider * (high - value)
    unsure = holm is not None and holm >= SURE
    return (min(low, 0.0), max(high, 0.0)) if unsure else (low, high)
