"""Why two listings are alike: their attributes side by side, how much each counts, and their photos that match best.

How much an attribute counts for a similarity is how much lower the similarity would be if one of the two had the value of another
listing of the market: the mean over a sample of such listings, and over both of the two.
"""

import math
import unicodedata
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd

from listing_vibes.errors import VibesError
from listing_vibes.insight.market_view import MarketView, distance, shorten, view_of
from listing_vibes.insight.occlusion import PHOTOS, compare_photos, has_photo_vectors, replace_values
from listing_vibes.market.amounts import number
from listing_vibes.market.attribute_types import Attribute
from listing_vibes.run.conditions import great_circle
from listing_vibes.run.recommender import Recommender
from listing_vibes.run.rules import Rules
from listing_vibes.run.run import Run
from listing_vibes.scoring.scores import Scores
from listing_vibes.words import count, cut, enumerated, render_table

Verdict = Literal["same", "close", "different", "unknown"]
NEAR = 0.1  # numbers within a tenth of each other are close
NEAR_YEARS = 5
NEAR_KM = 2.0
MOST = 4  # most attributes of each kind on a card
LINES, PAIRS = 6, 3  # most attributes in the text and on a page, and most pairs of photos
#: Tolerance of a recomputed similarity: vectors of many photos are computed partly in bfloat16, those of a few in float32.
STALE = 0.02
CHANGED = "The listings changed since the run was made, so how much each attribute counts is unknown."
SIGNS = {"same": "✓", "close": "≈", "different": "", "unknown": ""}
#: Shares of the market that a pair looks more alike than, from which it looks alike, and below which it looks different.
LOOKS_ALIKE, LOOKS_DIFFERENT = 0.95, 0.5
DIFFERENT = "they look different"


@dataclass(frozen=True)
class Match:
    """An attribute of a neighbor compared with the query: its value, and the difference in words."""

    verdict: Verdict
    text: str
    difference: str = ""


def match(view: MarketView, attribute: Attribute, query: int, other: int) -> Match:
    """Compare an attribute of the listings at rows `query` and `other`."""
    mine, theirs = view.raw(query, attribute), view.raw(other, attribute)
    text = view.text(other, attribute)
    if attribute.shown_as == "text":
        text = shorten(text, 80)
    if mine is None or theirs is None:
        return Match("unknown", text)
    match attribute.shown_as:
        case "number":
            step = float(theirs) - float(mine)
            if math.isclose(mine, theirs):  # the same but for rounding
                return Match("same", text)
            neighbors = NEAR_YEARS if view.is_year(attribute) else NEAR * max(abs(mine), abs(theirs))
            signed = ("+" if step > 0 else "−") + number(abs(step), view.unit(attribute))
            return Match("close" if abs(step) <= neighbors else "different", text, signed)
        case "multi":
            return _match_sets(list(mine), list(theirs))
        case "place":
            far = float(great_circle(np.array([mine]), theirs)[0])
            verdict: Verdict = "same" if far < 0.01 else "close" if far <= NEAR_KM else "different"
            return Match(verdict, distance(far) + " away")
    return Match("same" if mine == theirs else "different", text)


def _match_sets(mine: list[str], theirs: list[str]) -> Match:
    shared = [member for member in mine if member in theirs]
    if set(mine) == set(theirs):
        return Match("same", shorten(", ".join(theirs), 80) or "None")
    if not shared:
        return Match("different", shorten(", ".join(theirs), 60) or "None", "none shared")
    verdict: Verdict = "close" if 2 * len(shared) >= len({*mine, *theirs}) else "different"
    return Match(verdict, f"{len(shared)} of {len(mine)} shared", shorten(", ".join(shared), 60))


def same_and_different(view: MarketView, query: int, other: int) -> tuple[str, str]:
    """Return the equal and the different attributes of two listings, without those that either lacks."""
    same: list[str] = []
    differs: list[str] = []
    for item in sorted(view.attributes, key=lambda item: item.name in view.codes):  # words first
        result = match(view, item, query, other)
        if item.shown_as != "text" and result.verdict != "unknown":
            (same if result.verdict == "same" else differs).append(_describe(view, item, other, result))
    return _enumerate(same), _enumerate(differs)


def _describe(view: MarketView, item: Attribute, row: int, result: Match) -> str:
    """Return an attribute in a few words: `Sauna`, `no Sauna`, `Price +$45`, `Amenities: 2 of 3 shared`."""
    is_same, label = result.verdict == "same", item.label.lower()
    if item.shown_as == "flag":
        return item.label if view.raw(row, item) else f"no {label}"
    if item.shown_as == "place":
        return "the location" if is_same else result.text
    if item.shown_as == "multi":
        return item.label if is_same else f"{item.label}: {result.text}"
    if view.is_id(item):
        return f"the same {label}" if is_same else f"another {label}"
    text = shorten(result.difference or result.text, 40)
    if item.shown_as != "number" and not text.isdecimal():
        return text
    # Isolate the text for right-to-left labels, so that the sign stays in front.
    right_to_left = any(unicodedata.bidirectional(sign) in ("R", "AL") for sign in item.label)
    return f"{item.label} \u2066{text}\u2069" if right_to_left else f"{item.label} {text}"


def _enumerate(names: list[str]) -> str:
    names = list(dict.fromkeys(names))  # a color and its shade can be the same word
    more = len(names) - MOST
    return ", ".join(names[:MOST]) + (f" and {more} more" if more > 0 else "")


@dataclass(frozen=True)
class Line:
    """An attribute of two listings.

    Attributes:
        name: of the attribute; `photos` for all photos.
        this: the value of the first listing, as people read it; `that` is the second listing's.
        match: `same`, `close`, `different`, or `unknown` where either lacks a value; texts are close if they make the two more alike
            than other texts of the market would.
        difference: in words, such as "−€40".
        adds: how much it counts for the similarity; never negative for an equal value.
    """

    name: str
    label: str
    this: str
    that: str
    match: Verdict
    difference: str
    adds: float


@dataclass(frozen=True)
class SimilarityExplanation:
    """Why two listings are alike in a space.

    Attributes:
        rank: rank of the second in the list of the first, from 1.
        score: the score of the list: their cosine, and what boosts and style directions add to it.
        parts: `space`'s cosine and, where rules change scores, `rules`; they add up to the score.
        headline: what makes them alike, and whether they look it.
        attributes: those that count most first.
        photos: `photo` of the first listing, the `other` of the second that is most like it (positions, 0 is the cover), and their
            cosine `alike`, the best pair first.
        note: why the rest is unknown, else "".
    """

    listing: str
    rank: int
    score: float
    ranking: str
    headline: str
    parts: dict[str, float]
    attributes: list[Line]
    photos: list[dict[str, Any]]
    note: str = ""

    def to_dict(self, most: int | None = None) -> dict[str, Any]:
        """Return the document of `vibes explain` and HTTP, with the `most` attributes and photos that count most (None: all)."""
        return {
            "listing_id": self.listing,
            "rank": self.rank,
            "score": self.score,
            "ranking": self.ranking,
            "headline": self.headline,
            "parts": self.parts,
            "attributes": [asdict(line) for line in self.attributes[:most]],
            "photos": self.photos[:most],
            **({"note": self.note} if self.note else {}),
        }

    def to_text(self) -> str:
        """Return the headline, the attributes that count most, and the best pairs of photos."""
        lines = [
            {
                "attribute": line.label,
                "this": cut(line.this, 40),
                "that": cut(line.that, 40),
                "": SIGNS[line.match] or line.difference,
                "counts": f"{line.adds:+.3f}",
            }
            for line in self.attributes[:LINES]
        ]
        pairs = [
            f"Photo {pair['photo'] + 1} and photo {pair['other'] + 1} of {self.listing}: {pair['alike']:.2f} alike."
            for pair in self.photos
        ]
        head = f"{self.headline}\n{self.listing} has rank {self.rank:,} by {self.ranking}, with the similarity {self.score:.3f}."
        table = [render_table(pd.DataFrame(lines, dtype=object))] if lines else []
        return "\n\n".join([head, *table, *(["\n".join(pairs)] if pairs else []), *filter(None, [self.note])])


def explain_similarity(
    run: Run,
    first: str,
    second: str,
    space: str | None = None,
    embed_photos: bool = True,
    recommender: Recommender | None = None,
    at: int | None = None,
) -> SimilarityExplanation:
    """Explain the similarity of two listings of a run in a space; None: the space of its lists.

    Args:
        embed_photos: whether photos without a cached vector are embedded, which loads the encoder.
        recommender: that of the list, with its rules; None: one without rules.
        at: the moment of the rules.

    Raises:
        VibesError: a listing or the space is unknown, or a listing has no vector in the space.
    """
    space = space or run.spaces[0]
    recommender = recommender or run.recommender(space, Rules(), for_users=False)
    vectors, rows = run.vectors(space), run.rows_in((first, second), space).tolist()
    scores, _ = recommender.with_rules(Scores({space: vectors[rows[:1]] @ vectors.T}), at)  # (1, L)
    parts = {name: float(column[0, rows[1]]) for name, column in scores.columns.items()}
    similarity, score, note, pairs = parts[space], float(scores.total[0, rows[1]]), "", []
    allowed = recommender.eligible(at).copy()
    allowed[rows[0]] = False
    rank = 1 + int((scores.total[0, allowed] > score).sum())
    if len(run.market.photos) and (embed_photos or has_photo_vectors(run)):
        try:
            pairs = _best_pairs(*compare_photos(run, first, second))
        except VibesError as error:
            note = str(error)
    lines, is_current = compare_values(run, space, (rows[0], rows[1]), similarity)
    if not is_current:
        note = CHANGED
    look = _look(run, rows[0], rows[1])
    texts = {item.name for item in run.market.attributes if item.shown_as == "text"} | {run.market.title}
    named = [line for line in lines if line.name not in texts]
    head = _headline(named, look) if named else _by_rank(rank, space, len(run.listing_ids))
    return SimilarityExplanation(second, rank, score, space, head, parts, lines, pairs, note)


def compare_values(run: Run, space: str, rows: tuple[int, int], similarity: float) -> tuple[list[Line], bool]:
    """Return the attributes of two listings by how much they count for their `similarity`, and whether the run still has their values."""
    if space not in ("model", "attributes"):
        return [], True
    left, right = (replace_values(run, space, row) for row in rows)
    # Lists use vectors of half precision, so contributions are relative to the score computed in the same pass.
    score = float(left.vector @ right.vector)
    if abs(score - similarity) > STALE:
        return [], False
    view, lines = view_of(run), []
    items: dict[str, Attribute | None] = {item.name: item for item in run.market.attributes}
    for name in dict.fromkeys([*left.by_attribute, *right.by_attribute]):
        sides = [
            score - float((side.by_attribute[name] @ other.vector).mean())
            for side, other in ((left, right), (right, left))
            if name in side.by_attribute
        ]
        adds, item = float(np.mean(sides)), items.get(name)
        if item is not None:
            lines.append(_line(view, item, rows, adds))
        elif name == PHOTOS:
            this, that = (count(len(view.photos(row)), "photo") for row in rows)
            lines.append(Line(PHOTOS, "Photos", this, that, "close" if adds > 0 else "different", "", adds))
    return sorted(lines, key=lambda line: (line.match == "unknown", -abs(line.adds))), True


def _line(view: MarketView, item: Attribute, rows: tuple[int, int], adds: float) -> Line:
    result = match(view, item, *rows)
    verdict = result.verdict
    if item.shown_as == "text" and verdict == "different":
        verdict = "close" if adds > 0 else "different"
    this, that = (shorten(view.text(row, item), 80) for row in rows)
    adds = max(adds, 0.0) if result.verdict == "same" else adds
    difference = result.difference if item.shown_as != "place" else result.text
    return Line(item.name, item.label, this, that, verdict, difference, adds)


def _best_pairs(alike: np.ndarray, positions: tuple[np.ndarray, np.ndarray]) -> list[dict[str, Any]]:
    """Return the best pairs of photos, each photo in one pair only."""
    left, pairs = np.array(alike), list[dict[str, Any]]()
    while left.size and len(pairs) < PAIRS and np.isfinite(left.max()):
        at, other = np.unravel_index(int(left.argmax()), left.shape)
        pair = {
            "photo": int(positions[0][at]),
            "other": int(positions[1][other]),
            "alike": float(left[at, other]),
        }
        pairs.append(pair)
        left[at], left[:, other] = -np.inf, -np.inf
    return pairs


def _look(run: Run, row: int, other: int) -> str:
    """Return whether two listings look alike or different, compared with all others; empty if neither is clear."""
    if PHOTOS not in run.spaces or not run.index(PHOTOS).known[[row, other]].all():
        return ""
    known = run.index(PHOTOS).known.copy()
    known[row] = False
    cosines = run.vectors(PHOTOS) @ run.vectors(PHOTOS)[row]
    above = float((cosines[known] < cosines[other]).mean())
    return (
        "they look alike"
        if above >= LOOKS_ALIKE
        else "they look different"
        if above < LOOKS_DIFFERENT
        else ""
    )


def _headline(lines: list[Line], look: str) -> str:
    """Return what makes two listings alike, what sets them apart, and whether they look alike."""
    label = {line.name: "their photos" if line.name == PHOTOS else _lower(line.label) for line in lines}
    alike = [
        label[line.name]
        for line in lines
        if line.adds > 0 and line.match in ("same", "close") and (line.name != PHOTOS or look != DIFFERENT)
    ][:2]
    look = "" if label.get(PHOTOS) in alike else look
    least = max((abs(line.adds) for line in lines), default=0) / 4
    apart = [
        label[line.name]
        for line in lines
        if line.match == "different" and line.adds < -least and line.name != PHOTOS
    ][:1]
    head = f"Alike mostly by {enumerated(alike)}" if alike else "Alike, though by no single attribute"
    rest = [*(f"{name} sets them apart" for name in apart), *filter(None, [look])]
    return head + (f"; {' and '.join(rest)}" if rest else "") + "."


def _lower(label: str) -> str:
    """Return a label in a sentence; abbreviations stay."""
    return label if label[1:2].isupper() else label[:1].lower() + label[1:]


def _by_rank(rank: int, space: str, listings: int) -> str:
    verb = "looks more like" if space == PHOTOS else "is nearer to"
    if rank == 1:
        return f"No other of the {count(listings, 'listing')} {verb} this one."
    return f"Of {count(listings, 'listing')}, {rank - 1:,} {'look more like' if space == PHOTOS else 'are nearer to'} this one."
