"""Why two listings are alike: how the similarity changes when an attribute or a photo is left out, and photo by photo.

An attribute is left out of both listings, as if the market did not know it; a photo is left out of its listing. What
remains is encoded again, so the answer is that of the space itself and no approximation of it (occlusion: Zeiler and
Fergus 2014, arXiv 1311.2901). The similarity is the score that lists of the space have.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from listing_vibes.errors import VibesError
from listing_vibes.features.content_spaces import attribute_featurizer, attribute_vectors
from listing_vibes.features.featurizer import Features, Featurizer
from listing_vibes.features.merging import joined
from listing_vibes.insight.explain.parts import Part, parts_of, picked
from listing_vibes.insight.explain.photo_pairs import ListingPhotos, photo_pairs
from listing_vibes.kept_with import kept_with
from listing_vibes.run.rules import Rules
from listing_vibes.run.run import Run

BOTH = -1
#: A score that is recomputed from photos may differ from that of the list by its half precision, and by no more than this.
STALE = 0.005
Left = dict[tuple[Part, int], float]  # similarity without a part, by part and side


@dataclass(frozen=True, eq=False)
class SimilarityExplanation:
    """What makes two listings alike in a space.

    Attributes:
        listings: the two.
        similarity: cosine of the two as they are, which is their score in a list of the space.
        place: from 1, of the second in the list of what is like the first.
        left_out: `kind` (attribute or photo), `name` of the attribute, `side` (0 or 1 for a photo of the first or the
            second listing, -1 for both), `photo` (its place in the listing, -1: none, or all of them), `without` (the
            similarity without the part) and `change` (`without - similarity`: below 0 where the part makes them
            alike); the ones that make them most alike first.
        pairs: (m, n) cosine of each photo of the first with each of the second; empty where there are none.
        photos: places of those photos in their listings, (m,) and (n,).
        note: why no part is left out, "" where some are.
    """

    listings: tuple[str, str]
    space: str
    similarity: float
    place: int
    left_out: pd.DataFrame
    pairs: np.ndarray
    photos: tuple[np.ndarray, np.ndarray]
    note: str = ""

    def to_dict(self, most: int | None = None) -> dict[str, Any]:
        """Return the document of `vibes explain` and HTTP: of attributes and photos the `most` that add most (None: all)."""
        rows = self.left_out.to_dict("records")
        return {
            "listing_id": self.listings[1],
            "space": self.space,
            "place": self.place,
            "score": self.similarity,
            "attributes": [
                {"name": row["name"], "adds": -row["change"]} for row in rows if row["kind"] == "attribute"
            ][:most],
            "photos": [
                {"listing_id": self.listings[row["side"]], "photo": row["photo"], "adds": -row["change"]}
                for row in rows
                if row["kind"] == "photo"
            ][:most],
        } | ({"note": self.note} if self.note else {})


def explain_similarity(run: Run, first: str, second: str, space: str | None = None) -> SimilarityExplanation:
    """Explain the similarity of two listings of a run in a space; None: the space of its lists.

    Raises:
        VibesError: an unknown listing or space, a listing that has nothing there, or vectors that are not at hand.
    """
    space = space or run.spaces[0]
    rows = (run.row(first), run.row(second))
    for row, listing in zip(rows, (first, second), strict=True):
        if not run.index(space).known[row]:
            raise VibesError(f"Listing '{listing}' has nothing in the space '{space}'; choose another space.")
    note, score = "", 0.0
    parts: Left = {}
    photos = _photos_of(run, rows, space) if space in ("model", "photos") else None
    if space == "model":
        score, parts = _without_parts(*_of_model(run, rows))
    elif space == "attributes":
        score, parts = _without_parts(*_of_attributes(run, rows))
    elif space == "photos" and photos is not None:
        score, parts = _without_photos(photos)
    elif space == "photos":
        note = "The vectors of the photos are not at hand; `vibes embed` makes a run that has what each photo adds."
    else:
        note = f"The space {space} has no attributes or photos of its own that could be left out."
    index = run.index(space)
    scores = index.vectors @ index.vectors[rows[0]]  # (L,)
    similarity = float(scores[rows[1]])
    if space == "photos" and abs(score - similarity) > STALE:
        parts, note = {}, "The photos changed since the run was made, so what each adds is not known."
    allowed = run.recommender(space, Rules(), for_users=False).eligible(None).copy()
    allowed[rows[0]] = False
    lines, market = [], run.market
    own = {market.config.shared_name(one.name): one.name for one in market.attributes}
    for (part, side), without in parts.items():
        place = part.place
        if part.kind == "photo" and place >= 0 and photos is not None and place < len(photos[side].place):
            place = int(photos[side].place[place])
        photo = place if part.kind == "photo" else -1
        # Lists go by vectors of half precision, so what a part changes is taken from what was encoded beside it.
        change = without - score
        lines.append((part.kind, own.get(part.name, part.name), side, photo, similarity + change, change))
    table = pd.DataFrame(lines, columns=["kind", "name", "side", "photo", "without", "change"])
    table = table.sort_values("change", kind="stable", ignore_index=True)
    pairs, places = np.zeros((0, 0), np.float32), (np.zeros(0, int), np.zeros(0, int))
    if photos is not None:
        pairs, places = photos[0].vectors @ photos[1].vectors.T, (photos[0].place, photos[1].place)
    rank = 1 + int((scores[allowed] > scores[rows[1]]).sum())
    return SimilarityExplanation((first, second), space, similarity, rank, table, pairs, places, note)


def _photos_of(run: Run, rows: tuple[int, int], space: str) -> tuple[ListingPhotos, ListingPhotos] | None:
    try:
        return photo_pairs(run, rows, of_encoder=space == "photos")
    except VibesError:  # the photo encoder is not at hand
        return None


def _without_photos(photos: tuple[ListingPhotos, ListingPhotos]) -> tuple[float, Left]:
    """In the photo space a listing is the mean of its photos, see `listing_vibes.features.content_spaces.photo_space`."""
    means = [one.vectors.mean(axis=0) for one in photos]
    found: Left = {}
    for side, one in enumerate(photos):
        if len(one.vectors) < 2:
            continue  # without its only photo a listing is nowhere
        for place in range(len(one.vectors)):
            rest = np.delete(one.vectors, place, axis=0).mean(axis=0)
            found[Part("photo", place=place), side] = _cosine(rest, means[1 - side])
    return _cosine(*means), found


def _without_parts(vectors: np.ndarray, questions: list[tuple[Part, int, int, int]]) -> tuple[float, Left]:
    """`vectors` (V, d): the two listings, then their variants; a question names the rows to compare."""
    similarity = float(vectors[0] @ vectors[1])
    return similarity, {(part, side): float(vectors[a] @ vectors[b]) for part, side, a, b in questions}


def _of_model(run: Run, rows: tuple[int, int]) -> tuple[np.ndarray, list[tuple[Part, int, int, int]]]:
    engine = run.engine.exact()  # a part changes little: bfloat16 would blur it
    chosen, questions = _variants(engine.featurizer, engine.features, rows)
    features = replace(engine.features, tokens=picked(engine.features.tokens, chosen))
    return replace(engine, features=features).encode_listings(), questions


def _of_attributes(run: Run, rows: tuple[int, int]) -> tuple[np.ndarray, list[tuple[Part, int, int, int]]]:
    featurizer, features = _attribute_features(run)
    chosen, questions = _variants(featurizer, features, rows)
    whole = joined(features, replace(features, tokens=picked(features.tokens, chosen)))
    known = features.tokens.listings
    return attribute_vectors(featurizer, whole, fitted=known)[known:], questions


@kept_with(2)
def _attribute_features(run: Run) -> tuple[Featurizer, Features]:
    featurizer = attribute_featurizer(run.market)
    return featurizer, featurizer.transform(run.market, None)


def _variants(
    featurizer: Featurizer, features: Features, rows: tuple[int, int]
) -> tuple[list[tuple[int, np.ndarray]], list[tuple[Part, int, int, int]]]:
    """Listings to encode, as `picked` takes them, and (part, side, variant, variant) to compare; 0 and 1 are the two."""
    parts = [parts_of(featurizer, features.tokens, row) for row in rows]
    sizes = np.diff(features.tokens.offset)
    chosen = [(row, np.ones(sizes[row], bool)) for row in rows]
    questions: list[tuple[Part, int, int, int]] = []
    for part in dict.fromkeys([*parts[0], *parts[1]]):
        places: list[int | None] = []
        for side, row in enumerate(rows):
            told = parts[side].get(part)
            if told is None:
                places.append(side)
            elif told.all():
                places.append(None)  # nothing would be left
            else:
                chosen.append((row, ~told))
                places.append(len(chosen) - 1)
        one, two = places
        if part.kind == "attribute":
            if one is not None and two is not None:
                questions.append((part, BOTH, one, two))
            continue
        if one is not None and part in parts[0]:
            questions.append((part, 0, one, 1))
        if two is not None and part in parts[1]:
            questions.append((part, 1, 0, two))
    return chosen, questions


def _cosine(one: np.ndarray, two: np.ndarray) -> float:
    return float(one @ two / max(float(np.linalg.norm(one) * np.linalg.norm(two)), 1e-9))
