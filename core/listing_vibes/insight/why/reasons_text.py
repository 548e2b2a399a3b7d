"""Reasons in plain sentences."""

from __future__ import annotations

from listing_vibes.insight.why.reasons import Reasons

SHOWN = 5


def reasons_text(found: Reasons) -> str:
    """What carried a listing, and where it would stand without each part."""
    by = found.counts if " " in found.counts else f"{found.counts} alone"
    lines = [
        f"{found.listing} stands at place {found.place:,} by the {by}; score {found.score:.3f} by the model."
    ]
    for one in found.events[:SHOWN]:
        done = f" ({one['action']})" if one["action"] else ""
        lines.append(
            _line(f"event {one['event']}, {one['listing_id']}{done}", one["adds"], one["place_without"])
        )
    for one in (found.attributes or [])[:SHOWN]:
        lines.append(_line(one["name"], one["adds"], one["place_without"]))
    for one in (found.photos or [])[:SHOWN]:
        shown = (
            "its photos"
            if one["photo"] < 0
            else "its cover"
            if not one["photo"]
            else f"its photo {one['photo'] + 1}"
        )
        lines.append(_line(shown, one["adds"], one["place_without"]))
    return "\n".join(lines)


def _line(name: str, adds: float, place: int | None) -> str:
    rest = "without it nothing is known" if place is None else f"without it place {place:,}"
    return f"  {adds:+.3f}  {name}; {rest}"
