"""An experiment as plain text for a person."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from listing_vibes.words import count, percent

#: Below it the users are not split as they should be.
UNBALANCED = 0.001


def experiment_text(told: Mapping[str, Any]) -> str:
    """The document of `Experiment.to_dict` on one screen: the verdict, the difference, how long it takes, what was lost."""
    lines = [*arm_lines(told), "", *sentences(told)]
    for arm, rows in told["lost"].items():
        if rows:
            lines += ["", f"Lost by {arm}, the newest:"]
            lines += [_lost(row) for row in rows]
    lines += [
        "",
        "Interval and p are right at every look, however often you look (a mixture sequential test, Johari et al. 2017).",
    ]
    return "\n".join(lines)


def arm_lines(told: Mapping[str, Any]) -> list[str]:
    """What is tried against what, a line each."""
    return [f"{name}: {_arm(told['arms'][name])}" for name in ("A", "B")]


def sentences(told: Mapping[str, Any]) -> list[str]:
    """The verdict, the figures, how long it takes yet, and what is not as it should be."""
    split = told["design"] == "split"
    lines = [_verdict(told), _figures(told, split), *_more(told)]
    if told["balance_p"] is not None and told["balance_p"] < UNBALANCED:
        lines.append(
            f"The users are not split as they should be ({told['share']:.3g} to B; p {told['balance_p']:.2g}): something "
            "loses users of one arm, so the verdict is worth nothing before that is found."
        )
    joined, whole = told["events"]["joined"], told["events"]["all"]
    if joined < whole:
        lines.append(
            f"{count(whole - joined, 'event')} of {whole:,} name an answer or a listing that was not shown here."
        )
    return lines


def _arm(arm: Mapping[str, Any]) -> str:
    return arm["run"] if arm["beside"] is None else f"{arm['run']} with {arm['beside']}"


def _verdict(told: Mapping[str, Any]) -> str:
    if not told["decided"]:
        return "No verdict yet: nobody has done anything on what was shown."
    if told["verdict"] is None:
        return "No verdict yet: what was seen may well be chance."
    other = "B" if told["verdict"] == "A" else "A"
    return f"{told['verdict']} is better than {other}."


def _figures(told: Mapping[str, Any], split: bool) -> str:
    units, wins, found = told["units"], told["wins"], told["difference"]
    span = f"95 % interval {_percent(found['low'])} to {_percent(found['high'])}, p {found['p_value']:.3g}"
    if split:
        acted = "; ".join(f"{name}: {wins[name]:,} of {units[name]:,} users acted" for name in ("A", "B"))
        return f"{acted}. Of B's users {_percent(found['value'])} more act ({span})."
    return (
        f"{told['decided']:,} of {count(units['all'], 'answer')} decided: {wins['A']:,} for A, {wins['B']:,} for B. "
        f"B's share minus A's: {_percent(found['value'])} ({span})."
    )


def _more(told: Mapping[str, Any]) -> list[str]:
    of, more = told["units"]["of"], told["more"]
    parts = []
    if more["as_seen"] is not None:
        parts.append(
            f"If the difference is what it looks like, about {more['as_seen']:,} more {of} are needed"
        )
    known = [f"{100 * float(one):g} %: {n:,}" for one, n in more["at"].items() if n is not None]
    if known and told["verdict"] is None:
        parts.append(f"More {of} to see a difference of " + ", of ".join(known))
    if not parts:
        return [] if told["verdict"] else [f"How many {of} it takes is not known before somebody acts."]
    return [f"{'. '.join(parts)} (four of five experiments have ended then)."]


def _lost(row: Mapping[str, Any]) -> str:
    who = row["user_id"] or "nobody known"
    own = "" if row["own"] is None else f" rather than {_listing(row['own'])}"
    return f"  {row['at'][:16]} {who} ({row['request_id']}) chose {_listing(row['chosen'])}{own}"


def _listing(one: Mapping[str, Any]) -> str:
    photo = f", {one['photo']}" if one["photo"] else ""
    return f"{one['listing_id']} (place {one['position']}{photo})"


def _percent(value: float | None) -> str:
    return "unknown" if value is None else percent(value, unit=" %", signed=True)
