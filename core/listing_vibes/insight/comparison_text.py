"""A comparison of two rankings as plain text for a person."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from listing_vibes.evaluation.table import MOST_WEEKS
from listing_vibes.words import count

MAIN = "recall@30"
CELL = 10


def comparison_text(told: Mapping[str, Any]) -> str:
    """The document of `Comparison.to_dict` on one screen: metrics, slices, the queries they differ on most."""
    lines = [
        f"{side.capitalize():<7} {told[side]['ranking']} of {told[side]['run']}"
        for side in ("first", "second")
    ]
    lines.append(
        f"{count(told['queries'], 'query', 'queries')} of {count(told['users'], 'user')} that both were asked{_alone(told)}."
    )
    if told["other_candidates"]:
        lines.append(
            f"In {told['other_candidates']:,} of them the two runs chose from different numbers of listings, so their "
            "candidates differ there (another market, or the history hidden in one alone)."
        )
    lines += ["", _row("", "first", "second", "difference", "95 % interval", "p")]
    for metric, found in told["differences"].items():
        values = [told["results"][side][metric]["value"] for side in ("first", "second")]
        lines.append(_figures(metric, values, found, "p_value"))
    if told["slices"]:
        weeks = sum(name.startswith("week ") for name in told["slices"])
        lines += ["", _row(MAIN, "first", "second", "difference", "95 % interval", "p (Holm)", "queries")]
        for name, part in told["slices"].items():
            if name.startswith("week ") and weeks > MOST_WEEKS:
                continue
            values = [part["results"][side][MAIN]["value"] for side in ("first", "second")]
            lines.append(_figures(name, values, part["differences"][MAIN], "p_holm", f"{part['queries']:,}"))
    for side, rows in told["apart"].items():
        lines += ["", f"The {side} knew better:" if rows else f"The {side} knew better on no query."]
        lines += [
            f"  {row['user_id']} at {row['at']} touched {row['target']}: place {row['first']:,} against {row['second']:,}"
            for row in rows
        ]
    lines += [
        "",
        "Means over users; the difference is first minus second, its interval and p (sign-flip test) are over users.",
    ]
    return "\n".join(lines)


def _alone(told: Mapping[str, Any]) -> str:
    if not told["only_first"] and not told["only_second"]:
        return ""
    return f" ({told['only_first']:,} only the first, {told['only_second']:,} only the second)"


def _figures(name: str, values: list[float], found: Mapping[str, Any], p: str, queries: str = "") -> str:
    span = "one user" if found["low"] is None else f"{found['low']:+.3f} to {found['high']:+.3f}"
    chance = "< 0.001" if found[p] < 0.001 else f"{found[p]:.3f}"
    return _row(name, f"{values[0]:.3f}", f"{values[1]:.3f}", f"{found['value']:+.3f}", span, chance, queries)


def _row(name: str, first: str, second: str, difference: str, span: str, p: str, queries: str = "") -> str:
    cells = f"{first:>{CELL}}{second:>{CELL}}{difference:>12}{span:>20}{p:>{CELL}}{queries:>{CELL}}"
    return f"{name:<16}{cells}".rstrip()
