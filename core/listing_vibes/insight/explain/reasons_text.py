"""Reasons in plain sentences."""

from __future__ import annotations

from listing_vibes.insight.explain.reasons import Reasons
from listing_vibes.insight.explain.similarity import SimilarityExplanation

SHOWN = 5


def reasons_text(found: Reasons | SimilarityExplanation) -> str:
    """What carried a listing, and where it would stand without each part."""
    if isinstance(found, SimilarityExplanation):
        return _similarity_text(found)
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


def _similarity_text(found: SimilarityExplanation) -> str:
    """What makes two listings alike, and what would be left without each part."""
    first, second = found.listings
    lines = [
        f"{second} is number {found.place:,} of what is like {first} by {found.space}; score {found.similarity:.3f}."
    ]
    shown = {"attribute": 0, "photo": 0}
    for row in found.left_out.itertuples():
        shown[row.kind] += 1
        if shown[row.kind] <= SHOWN:
            photos = "the photos" if row.photo < 0 else f"photo {row.photo + 1}"
            name = row.name if row.kind == "attribute" else f"{photos} of {found.listings[row.side]}"
            lines.append(f"  {-row.change:+.3f}  {name}; without it {row.without:.3f}")
    return "\n".join([*lines, *([found.note] if found.note else [])])


def _line(name: str, adds: float, place: int | None) -> str:
    rest = "without it nothing is known" if place is None else f"without it place {place:,}"
    return f"  {adds:+.3f}  {name}; {rest}"
