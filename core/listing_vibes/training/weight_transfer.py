"""Transfer of trained weights to a model with another vocabulary: known rows by their meaning, new ones near those of similar names."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from listing_vibes.features.tokens.tabular import (
    attribute_keys,
    bin_offsets,
    key_count,
    photo_key,
    piece_keys,
)
from listing_vibes.features.tokens.vocabulary import Vocabulary
from listing_vibes.market.attribute_types import AttributeVocabulary, type_of
from listing_vibes.model.model import ListingModel

#: The maximum number of rows of a table whose names are embedded; frequent values come first.
MOST_KNOWN = 2000
#: Ridge strengths that leave-one-out chooses from, as shares of the vectors' mean square.
STRENGTHS = np.logspace(-3, 3, 13)
#: The minimum number of trained rows for a map; with fewer, new rows are noise around their mean.
FEWEST = 8
#: Sentence vectors (N, w) of N names.
EmbedNames = Callable[[Sequence[str]], np.ndarray]
#: Identifies a row of a table, such as ("value", "district", "Harbour").
Meaning = tuple[str, ...]
#: Unused rows.
NOTHING: Meaning = ()


@dataclass(frozen=True)
class Rows:
    """The meaning of each row of the tables of keys, values and number bins."""

    key: list[Meaning]
    value: list[Meaning]
    bin: list[Meaning]

    @classmethod
    def of(cls, vocabulary: Vocabulary) -> Rows:
        """Return the rows of a model with this vocabulary."""
        return cls(_keys(vocabulary), _values(vocabulary), _bins(vocabulary))


def places(meanings: list[Meaning], among: list[Meaning]) -> np.ndarray:
    """Return (N,) int64: the position of each of the N `meanings` among `among`, -1 where there is none."""
    available = {meaning: place for place, meaning in enumerate(among) if meaning}
    return np.array([available.get(meaning, -1) for meaning in meanings], np.int64)


@torch.no_grad()
def transfer_weights(
    model: ListingModel,
    weights: dict[str, torch.Tensor],
    before: Vocabulary,
    now: Vocabulary,
    embed_names: EmbedNames,
    seed: int = 0,
) -> None:
    """Load the `weights` of a model with the vocabulary `before` into `model`, which has the vocabulary `now`.

    Rows without a name (buckets of unseen values, map cells, durations, bins of new numbers, layers of new photo or text encoders) and
    additional token positions keep their initialization in `model`.
    """
    old, new = Rows.of(before), Rows.of(now)
    meanings = {
        "embedder.key.weight": (old.key, new.key),
        "embedder.value.weight": (old.value, new.value),
        "embedder.slope": (old.bin, new.bin),
        "user_pass.meta.weight": (
            [("none",), *old.value[before.size :]],
            [("none",), *new.value[now.size :]],
        ),
    }
    rng = np.random.default_rng([seed, 17])
    state = model.state_dict()
    for name, ours in state.items():
        theirs = weights.get(name)
        if theirs is None:
            continue
        if name in meanings:
            _fill_table(ours, theirs, *meanings[name], before, now, embed_names, rng)
        elif ours.shape[1:] == theirs.shape[1:]:  # Tables of positions may have fewer or more rows.
            rows = min(len(ours), len(theirs))
            ours[:rows] = theirs[:rows]
    model.load_state_dict(state)


def _fill_table(
    ours: torch.Tensor,
    theirs: torch.Tensor,
    was: list[Meaning],
    requested: list[Meaning],
    before: Vocabulary,
    now: Vocabulary,
    embed_names: EmbedNames,
    rng: np.random.Generator,
) -> None:
    place = places(requested, was)
    available = np.flatnonzero(place >= 0)
    trained, table = theirs.float().numpy(), ours.float().numpy().copy()
    table[available] = trained[place[available]]
    for entry in now.attributes:  # Changed bins take the rows at their quantiles, and slopes keep their sum.
        old = before.attribute(entry.name)
        if old is None or not type_of(entry.kind).binned or entry.edges == old.edges or not entry.size:
            continue
        into = places([("bin", entry.name, str(number)) for number in range(entry.size)], requested)
        at = ((np.arange(entry.size) + 0.5) / entry.size * old.size).astype(int)
        rows = places([("bin", entry.name, str(number)) for number in at], was)
        if (into >= 0).all():
            table[into] = trained[rows] * (old.size / entry.size if requested[0] == () else 1.0)
    for kind in ("key", "value", "action", "piece"):
        new = [row for row in np.flatnonzero(place < 0) if requested[row][:1] == (kind,)]
        like = [row for row in available if requested[row][:1] == (kind,)][:MOST_KNOWN]
        if new and len(like) > 1:
            vectors = embed_names([_name(requested[row]) for row in [*like, *new]])
            table[new] = likely_rows(vectors[: len(like)], table[like], vectors[len(like) :], rng)
    ours.copy_(torch.from_numpy(table).to(ours.dtype))


def _name(meaning: Meaning) -> str:
    """Return the name of a row in words."""
    what, name, *rest = meaning
    words = name.replace("_", " ")
    return f"{words}: {rest[0]}" if what == "value" and rest else words


def likely_rows(
    trained: np.ndarray, rows: np.ndarray, new: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Return (M, d) float32 rows for names with the sentence vectors `new` (M, w).

    A linear map (ridge regression, its strength chosen by leave-one-out) predicts trained rows from the sentence vectors of their
    names. A new row is the prediction for its name, plus noise with the size of the leave-one-out error: where
    sentences do not predict the rows, as for names of sellers, it is a random row of the usual size, so that two of
    them still differ.

    Args:
        trained: (N, w) sentence vectors of the names of trained rows, N >= 2.
        rows: (N, d) these rows.
    """
    from sklearn.linear_model import RidgeCV

    middle = rows.mean(axis=0)
    around = rows - middle
    spread = float(np.square(around).mean())
    noise = rng.standard_normal((len(new), rows.shape[1]))
    if len(trained) < FEWEST or not spread:
        return np.asarray((middle + noise * spread**0.5).astype(np.float32))
    center = trained.mean(axis=0)
    scale = max(float(np.square(trained - center).sum(axis=1).mean()), 1e-12)
    fitted = RidgeCV(alphas=STRENGTHS * scale, fit_intercept=False).fit(trained - center, around)
    missed = min(1.0, max(0.0, -float(fitted.best_score_) / spread))
    return np.asarray(
        (middle + fitted.predict(new - center) + noise * (missed * spread) ** 0.5).astype(np.float32)
    )


def _keys(vocabulary: Vocabulary) -> list[Meaning]:
    result = [NOTHING] * key_count(vocabulary)
    for key, name in enumerate(("pad", "cls", "photo", "action", "duration")):
        result[key] = ("every model", name)
    for entry in vocabulary.attributes:
        first = attribute_keys(vocabulary)[entry.name]
        for key in range(type_of(entry.kind).keys):
            result[first + key] = ("key", entry.name, entry.kind, str(key))
    for view in range(1, vocabulary.photo_views):
        result[photo_key(vocabulary, view)] = ("photo", str(view))
    if vocabulary.pieces:
        for key, what in zip(piece_keys(vocabulary), ("name", "value"), strict=True):
            result[key] = ("piece of", what)
    return result


def _values(vocabulary: Vocabulary) -> list[Meaning]:
    result = [NOTHING] * vocabulary.total
    result[0] = ("none",)
    for place, piece in enumerate(vocabulary.pieces):
        result[1 + place] = ("piece", piece)
    for entry in vocabulary.attributes:
        result[entry.first : entry.first + entry.size] = _ids(entry)
    for place, action in enumerate(vocabulary.actions):
        result[vocabulary.size + place] = ("action", action)
    first = vocabulary.size + len(vocabulary.actions)
    for place in range(vocabulary.total - first):
        result[first + place] = ("duration", str(place))
    return result


def _ids(entry: AttributeVocabulary) -> list[Meaning]:
    """Return the meanings in the order of `AttributeVocabulary.size`."""
    ids: list[Meaning] = [("value", entry.name, value) for value in entry.values]
    ids += [("bucket", entry.name, str(place)) for place in range(entry.buckets)]
    rest = entry.size - len(ids)
    return ids + [("bin" if entry.edges else "cell", entry.name, str(place)) for place in range(rest)]


def _bins(vocabulary: Vocabulary) -> list[Meaning]:
    sizes = {entry.name: entry.size for entry in vocabulary.attributes}
    given: list[Meaning] = [
        ("bin", name, str(place)) for name in bin_offsets(vocabulary) for place in range(sizes[name])
    ]
    return [NOTHING, *given]
