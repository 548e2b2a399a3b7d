"""The weights of a trained model in one of a larger vocabulary: every known row finds its place, new ones start near the like."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch

from listing_vibes.features.texts.likely import likely_rows
from listing_vibes.features.tokens.rows import Meaning, Rows, places
from listing_vibes.features.tokens.vocabulary import Vocabulary
from listing_vibes.market.attribute_types import type_of
from listing_vibes.model.listing_model import ListingModel

#: Sentence vectors (N, w) of N names.
Sentences = Callable[[Sequence[str]], np.ndarray]
#: Known rows whose names are embedded to learn from, at most; the frequent values come first.
MOST_KNOWN = 2000
Tables = dict[
    str, tuple[list[Meaning], list[Meaning]]
]  # of each table the meanings of its rows, before and now


@torch.no_grad()
def start_from_weights(
    model: ListingModel,
    weights: dict[str, torch.Tensor],
    before: Vocabulary,
    now: Vocabulary,
    sentences: Sentences,
    seed: int = 0,
) -> None:
    """Give `model`, which has the vocabulary `now`, the `weights` of a model with the vocabulary `before`.

    What no name helps with (buckets of unseen values, map cells, durations, layers of photos or texts that are new) stays
    as `model` has it. Token positions that the weights lack do, too.
    """
    old, new = Rows.of(before), Rows.of(now)
    tables: Tables = {
        "embedder.key.weight": (old.key, new.key),
        "embedder.value.weight": (old.value, new.value),
        "embedder.slope": (old.bin, new.bin),
        "user_pass.meta.weight": tuple(  # type: ignore[dict-item]
            [("none",), *rows.value[vocabulary.size :]] for rows, vocabulary in ((old, before), (new, now))
        ),
    }
    rng = np.random.default_rng([seed, 17])
    state = model.state_dict()
    for name, own in state.items():
        theirs = weights.get(name)
        if theirs is None:
            continue
        if name in tables:
            _fill(own, theirs, *tables[name], before, now, sentences, rng)
        elif own.shape == theirs.shape:
            own.copy_(theirs)
        elif own.shape[1:] == theirs.shape[1:]:  # positions
            rows = min(len(own), len(theirs))
            own[:rows] = theirs[:rows]
    model.load_state_dict(state)


def _fill(
    own: torch.Tensor,
    theirs: torch.Tensor,
    was: list[Meaning],
    wanted: list[Meaning],
    before: Vocabulary,
    now: Vocabulary,
    sentences: Sentences,
    rng: np.random.Generator,
) -> None:
    place = places(wanted, was)
    known = np.flatnonzero(place >= 0)
    trained = theirs.float().numpy()
    found = own.float().numpy().copy()
    found[known] = trained[place[known]]
    for (
        entry
    ) in now.attributes:  # bins follow each other: what stands where in them, not what they are called
        if type_of(entry.kind).binned and (sources := _binned(before, entry.name, sentences)):
            ids: list[Meaning] = [("bin", entry.name, str(number)) for number in range(entry.size)]
            into = places(ids, wanted)
            if (into >= 0).all() and len(into) and (entry.edges != _edges(before, entry.name)):
                found[into] = _stretched(trained, was, sources, len(into), of_slopes=wanted[0] == ())
    for kind in ("key", "value", "action", "piece"):
        new = [row for row in np.flatnonzero(place < 0) if wanted[row][:1] == (kind,)]
        there = [row for row in known if wanted[row][:1] == (kind,)][:MOST_KNOWN]
        if new and len(there) > 1:
            vectors = sentences([_name(wanted[row]) for row in [*there, *new]])
            found[new] = likely_rows(vectors[: len(there)], found[there], vectors[len(there) :], rng)
    own.copy_(torch.from_numpy(found).to(own.dtype))


def _name(meaning: Meaning) -> str:
    """What a row is called in words."""
    what, name, *rest = meaning
    words = name.replace("_", " ")
    return f"{words}: {rest[0]}" if what == "value" and rest else words


def _edges(vocabulary: Vocabulary, name: str) -> list[float]:
    entry = vocabulary.attribute(name)
    return [] if entry is None else entry.edges


def _binned(before: Vocabulary, name: str, sentences: Sentences) -> dict[str, tuple[int, float]]:
    """Numbers whose bins those of `name` start from: how many bins each has, and its weight; itself where it is known."""
    sizes = {one.name: one.size for one in before.attributes if type_of(one.kind).binned and one.size}
    if name in sizes:
        return {name: (sizes[name], 1.0)}
    if not sizes:
        return {}
    vectors = sentences([one.replace("_", " ") for one in (name, *sizes)])
    near = np.exp((vectors[1:] @ vectors[0]) / NEAR)
    near /= near.sum()
    return {one: (size, float(weight)) for (one, size), weight in zip(sizes.items(), near, strict=True)}


#: Cosine by which a name is e times nearer.
NEAR = 0.05


def _stretched(
    trained: np.ndarray,
    was: list[Meaning],
    sources: dict[str, tuple[int, float]],
    count: int,
    of_slopes: bool,
) -> np.ndarray:
    """(count, d) rows of bins at the same quantiles as those of `sources`; slopes keep their sum."""
    found = np.zeros((count, trained.shape[1]), np.float32)
    for name, (size, weight) in sources.items():
        at = ((np.arange(count) + 0.5) / count * size).astype(int)
        rows = places([("bin", name, str(number)) for number in at], was)
        found += weight * trained[rows] * (size / count if of_slopes else 1.0)
    return found
