"""Explanation of the similarity of two listings: the change of the similarity without an attribute or a photo.

An attribute is left out of both listings, as if the market did not have it; a photo is left out of its listing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pandas as pd

from listing_vibes.errors import VibesError
from listing_vibes.insight.explain.listing_photos import photo_positions
from listing_vibes.insight.explain.occlusion import OccludedListing, occlude_listings
from listing_vibes.insight.explain.parts import Part
from listing_vibes.run.rules import Rules
from listing_vibes.run.run import Run
from listing_vibes.tables import render_table

BOTH = -1
#: Tolerance of a recomputed score, since lists use half precision.
STALE = 0.005
SHOWN = 5  # attributes, and photos, in the text


@dataclass(frozen=True, eq=False)
class SimilarityExplanation:
    """The contributions to the similarity of two listings in a space.

    Attributes:
        listings: the two listings.
        similarity: cosine of the two, their score in a list of the space.
        place: rank of the second in the list of the first, from 1.
        left_out: `kind` (attribute or photo), `name` of the attribute, `side` (0 or 1 for a photo of the first or the
            second listing, -1 for both), `photo` (its position in the listing, -1: none), `without` (the similarity
            without the part) and `change` (`without - similarity`: below 0 where the part makes them similar); the most
            negative change first.
        note: the reason if no part is left out, else "".
    """

    listings: tuple[str, str]
    space: str
    similarity: float
    place: int
    left_out: pd.DataFrame
    note: str = ""

    def to_dict(self, most: int | None = None) -> dict[str, Any]:
        """Return the document of `vibes explain` and HTTP: with the `most` largest contributions of each kind (None: all)."""
        rows = self.left_out.assign(adds=-self.left_out["change"])
        attributes, photos = (
            rows[rows["kind"] == kind].head(most or len(rows)) for kind in ("attribute", "photo")
        )
        photos = photos.assign(listing_id=[self.listings[side] for side in photos["side"]])
        return {
            "listing_id": self.listings[1],
            "space": self.space,
            "place": self.place,
            "score": self.similarity,
            "attributes": attributes[["name", "adds"]].to_dict("records"),
            "photos": photos[["listing_id", "photo", "adds"]].to_dict("records"),
        } | ({"note": self.note} if self.note else {})

    def to_text(self) -> str:
        """Return the contributions, and the similarity without each part, as text."""
        first, second = self.listings
        lines = [
            f"{second} is number {self.place:,} of what is similar to {first} by {self.space}; score {self.similarity:.3f}."
        ]
        shown = self.left_out.groupby("kind", sort=False).head(SHOWN)
        if len(shown):
            names = [
                row.name if row.kind == "attribute" else f"photo {row.photo + 1} of {self.listings[row.side]}"
                for row in shown.itertuples(index=False)
            ]
            table = {"adds": [f"{-change:+.3f}" for change in shown["change"]], "part": names}
            table["without it"] = [f"{without:.3f}" for without in shown["without"]]
            lines += ["", render_table(pd.DataFrame(table))]
        return "\n".join([*lines, *([self.note] if self.note else [])])


def explain_similarity(run: Run, first: str, second: str, space: str | None = None) -> SimilarityExplanation:
    """Explain the similarity of two listings of a run in a space; None: the space of its lists.

    Raises:
        VibesError: a listing or the space is unknown, or a listing has no vector in the space.
    """
    space = space or run.spaces[0]
    index, rows = run.index(space), (run.row(first), run.row(second))
    for row, listing in zip(rows, (first, second), strict=True):
        if not index.known[row]:
            raise VibesError(f"Listing '{listing}' has nothing in the space '{space}'; choose another space.")
    scores = index.vectors @ index.vectors[rows[0]]  # (L,)
    similarity, note, parts = float(scores[rows[1]]), "", {}
    try:
        item, two = occlude_listings(run, space, rows)
        # Lists use vectors of half precision, so changes are relative to the score computed in the same pass.
        encoded = float(item.vector @ two.vector)
        parts = {key: similarity + value - encoded for key, value in _scores_without(item, two).items()}
        if abs(encoded - similarity) > STALE:
            parts, note = (
                {},
                "The listings changed since the run was made, so the contribution of each part is unknown.",
            )
        elif not parts:
            note = f"The space {space} has no attributes or photos that could be left out."
    except VibesError as error:
        if space != "photos":
            raise
        note = str(error)
    allowed = run.recommender(space, Rules(), for_users=False).eligible(None).copy()
    allowed[rows[0]] = False
    rank = 1 + int((scores[allowed] > similarity).sum())
    table = _table(run, rows, similarity, parts)
    return SimilarityExplanation((first, second), space, similarity, rank, table, note)


def _scores_without(item: OccludedListing, two: OccludedListing) -> dict[tuple[Part, int], float]:
    """Return the cosine of two listings without each part, by part and side."""
    scores: dict[tuple[Part, int], float] = {}
    for part in dict.fromkeys([*item.without, *two.without]):
        mine, theirs = item.without.get(part), two.without.get(part)
        if part.kind == "attribute":
            left = item.vector if mine is None else mine
            scores[part, BOTH] = float(left @ (two.vector if theirs is None else theirs))
            continue
        if mine is not None:
            scores[part, 0] = float(mine @ two.vector)
        if theirs is not None:
            scores[part, 1] = float(item.vector @ theirs)
    return scores


def _table(
    run: Run, rows: tuple[int, int], similarity: float, scores: dict[tuple[Part, int], float]
) -> pd.DataFrame:
    names = {run.market.config.shared_name(item.name): item.name for item in run.market.attributes}
    positions = [photo_positions(run, row) for row in rows]
    lines = []
    for (part, side), without in scores.items():
        photo = -1
        if part.kind == "photo":
            position = positions[side]
            photo = part.number if position is None else int(position[part.number])
        name = names.get(part.name, part.name)
        lines.append((part.kind, name, side, photo, without, without - similarity))
    table = pd.DataFrame(lines, columns=["kind", "name", "side", "photo", "without", "change"])
    return table.sort_values("change", kind="stable", ignore_index=True)
