"""Unmet demand as plain text for a person."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from listing_vibes.words import count

TRAITS = 4


def demand_text(told: Mapping[str, Any]) -> str:
    """The document of `Demand.to_dict` on one screen."""
    level = f"{told['level']:.0%}"
    if not told["looked"]:
        return f"{told['market']}: too few listings are known in the space '{told['space']}' for a place that could tell anything."
    looked = f"{count(told['looked'], 'place')} of the space '{told['space']}' {'was' if told['looked'] == 1 else 'were'} looked at"
    if not told["places"]:
        return (
            f"{told['market']}: {looked}; at none are there surely {told['least']:g} times as many users to a live listing "
            f"as in the whole market ({level})."
        )
    lines = [f"{told['market']}: {looked}.", ""]
    for number, place in enumerate(told["places"], 1):
        lines.append(f"{number}. {place['name']}")
        lines += [f"   {line(one, level)}" for one in place["figures"]]
        traits = [
            f"{one['label']}: {one['text']} ({one['inside']:.0%} against {one['outside']:.0%})"
            for one in place["traits"][:TRAITS]
        ]
        if traits:
            lines.append(f"   touched, against what is live: {'; '.join(traits)}")
        lines.append(f"   most wished for: {' '.join(place['wanted'])}")
        lines.append(f"   nearest of what is live: {' '.join(place['nearest'])}")
    return "\n".join(lines)


def line(one: Mapping[str, Any], level: str) -> str:
    """The figures of a place at a moment."""
    lift = (
        "no listing is live there"
        if one["lift"] is None
        else f"{one['lift']:.1f} times as many users to a listing as in the market"
    )
    usual = "" if one["usual"] is None else f"; to all ever published {one['usual']:.1f} times"
    sure = "" if one["sure"] else ", not sure"
    return (
        f"{one['at']}: {one['users']:,.0f} of {one['asked']:,} users, {one['live']:,} of {one['of']:,} live listings: {lift} "
        f"(at least {one['low']:.1f}, {level}{sure}){usual}"
    )
