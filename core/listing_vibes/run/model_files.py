"""Whether the files of a model fit each other, told before anything of the size that they claim is made."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

from listing_vibes.errors import VibesError
from listing_vibes.features.featurizer import Features, Featurizer
from listing_vibes.features.tokens.tabular import key_count
from listing_vibes.model.settings import Resolved
from listing_vibes.run.contents import damaged, heads_of

#: How safetensors calls the types that weights may have.
FLOATS = ("F16", "BF16", "F32", "F64")


def check_model(weights: Path, featurizer: Featurizer, settings: Resolved) -> None:
    """Compare what the weights' head says with the vocabulary and the settings; not a weight is read.

    Raises:
        VibesError: weights that are no floating point, or settings and a vocabulary of a model that these are not of.
    """
    heads = heads_of(weights)
    for name, (kind, _) in heads.items():
        if kind not in FLOATS:
            raise damaged(weights, f"{name} is {kind}, no floating point")
    numbers = sum(math.prod(shape) for _, shape in heads.values())
    encoder, vocabulary = settings.encoder_config(), featurizer.vocabulary
    sizes = [vocabulary.total, *(entry.size for entry in vocabulary.attributes)]
    sizes += [value for value in vars(encoder).values() if type(value) is int]
    if max(sizes) > max(numbers, 1) or min(sizes[:1]) < 1 or encoder.layers > len(heads):
        raise VibesError(
            f"{weights} does not fit run.toml and vocabulary.json beside it, which tell of a larger model; copy the run again "
            "from where it is whole, or train it again."
        )
    if featurizer.width != encoder.width:
        raise VibesError(
            f"{weights.with_name('vocabulary.json')} is of a model {featurizer.width} wide, run.toml of one {encoder.width} "
            "wide; copy the run again from where it is whole, or train it again."
        )


def fit_each_other(features: Features, featurizer: Featurizer, listings: int) -> bool:
    """Whether kept features can be those of so many listings, and every number in them points to something."""
    tokens, vocabulary = features.tokens, featurizer.vocabulary
    count, members = len(tokens.key), len(tokens.set_member)
    bins = 1 + sum(entry.size for entry in vocabulary.attributes)
    columns = (tokens.key, tokens.value, tokens.bin, tokens.fraction, tokens.photo, tokens.text)
    return (
        all(len(column) == count for column in columns)
        and _steps(tokens.offset, listings, count)
        and _steps(tokens.set_offset, count, members)
        and _between(tokens.set_member, 0, vocabulary.total)
        and _between(tokens.value, 0, vocabulary.total)
        and _between(tokens.key, 0, key_count(vocabulary))
        and _between(tokens.bin, 0, bins)
        and _between(tokens.photo, -1, len(features.photo))
        and _between(tokens.text, -1, len(features.text))
        and all(
            part.ndim == 2 and part.shape[1] == featurizer.width for part in (features.photo, features.text)
        )
    )


def _between(numbers: np.ndarray, least: int, limit: int) -> bool:
    """Whether all are whole numbers from `least` to below `limit`."""
    whole = numbers.ndim == 1 and numbers.dtype.kind == "i"
    return whole and (not len(numbers) or (int(numbers.min()) >= least and int(numbers.max()) < limit))


def _steps(offset: np.ndarray, parts: int, last: int) -> bool:
    """Whether they divide `last` things into so many parts."""
    whole = offset.ndim == 1 and offset.dtype.kind == "i" and len(offset) == parts + 1
    return whole and offset[0] == 0 and offset[-1] == last and bool((np.diff(offset) >= 0).all())
