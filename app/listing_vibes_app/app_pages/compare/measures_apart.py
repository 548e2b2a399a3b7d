"""By how much two rankings differ: every measure, and one measure in every slice of the queries."""

from typing import Any

import pandas as pd
import streamlit as st

from listing_vibes.insight.comparison import Comparison
from listing_vibes.words import percent
from listing_vibes_app.app_pages.compare.ablation import METRICS, p_value
from listing_vibes_app.kit import charts
from listing_vibes_app.view.formats import MISSING, count, plain, words

MAIN = "recall@30"
HELP = (
    "Means over users of the queries that both were asked. The difference is the first minus the second with its 95 % "
    "interval over users; p by a sign-flip test. `vibes compare` prints the same."
)


def measures_apart(comparison: Comparison, names: tuple[str, str]) -> None:
    """The line that says it, and the figures behind it."""
    told = comparison.differences[MAIN]
    shared = f"{count(len(comparison.queries), 'query', 'queries')} of {count(comparison.users, 'user')}"
    st.markdown(
        f"Recall@30 of {plain(names[0])} is {_points(told['value'])} against {plain(names[1])} "
        f"({_span(told)}, {p_value(told['p_value'] or 0.0)}), on {shared} that both were asked.",
        help=HELP,
    )
    if comparison.other_candidates:
        st.caption(
            f"In {count(comparison.other_candidates, 'query', 'queries')} the two runs chose from different numbers of listings."
        )
    with st.expander("All measures and slices"):
        table = [
            _line("Measure", _measure(metric), comparison.results, metric, found, "p_value", names)
            for metric, found in comparison.differences.items()
        ]
        _table(table, "Every measure of both rankings and the difference")
        slices = [
            _line(
                "Recall@30 of", words(name), part["results"], MAIN, part["differences"][MAIN], "p_holm", names
            )
            | {"Queries": f"{part['queries']:,}"}
            for name, part in comparison.slices.items()
        ]
        if slices:
            st.caption("In slices of the queries; p after Holm's correction for their number")
            _table(slices, "Recall@30 of both rankings and the difference in every slice")


def _table(lines: list[dict[str, str]], alt: str) -> None:
    charts.show_table(pd.DataFrame(lines), alt=alt)


def _line(
    head: str,
    name: str,
    results: dict[str, Any],
    metric: str,
    found: dict[str, Any],
    p: str,
    names: tuple[str, str],
) -> dict[str, str]:
    return {
        head: name,
        names[0]: percent(results["first"][metric]["value"]),
        names[1]: percent(results["second"][metric]["value"]),
        "Difference": _points(found["value"]),
        "95 % interval": _span(found),
        "p": p_value(found[p]).removeprefix("p ").removeprefix("= "),
    }


def _measure(metric: str) -> str:
    name, _, k = metric.partition("@")
    return METRICS[name][0] + (f"@{k}" if k else "")


def _points(value: float | None) -> str:
    return MISSING if value is None else f"{100 * value:+.1f} points"


def _span(found: dict[str, Any]) -> str:
    if found["low"] is None:
        return "one user"
    return f"{100 * found['low']:+.1f} to {100 * found['high']:+.1f}"
