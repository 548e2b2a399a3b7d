"""Whether the files of a model fit each other, checked before anything of the size that they claim is made."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

from listing_vibes.errors import VibesError
from listing_vibes.features.featurizer import Features, Featurizer
from listing_vibes.features.tokens.tabular import key_count
from listing_vibes.model.settings import Resolved
from listing_vibes.run.contents import damaged

#: Types that weights may have.
FLOATS = ("F16", "BF16", "F32", "F64")


def check_model(weights: Path, featurizer: Featurizer, settings: Resolved) -> None:
    """Compare what the weights' head says with the vocabulary and the settings; not a weight is read.

    Raises:
        VibesError: weights that are no floating point, or settings and a vocabulary of a model that these are not of.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(weights, "numpy") as stored:
            heads = [stored.get_slice(name) for name in stored.keys()]  # noqa: SIM118
            types, sizes = (
                {head.get_dtype() for head in heads},
                [math.prod(head.get_shape()) for head in heads],
            )
    except (OSError, SafetensorError) as error:
        raise damaged(weights, error) from error
    if types - set(FLOATS):
        raise damaged(weights, f"it has {', '.join(sorted(types - set(FLOATS)))}, no floating point")
    encoder, vocabulary = settings.encoder_config(), featurizer.vocabulary
    claimed = [vocabulary.total, *(entry.size for entry in vocabulary.attributes)]
    claimed += [value for value in vars(encoder).values() if type(value) is int]
    fits = max(claimed) <= max(sum(sizes), 1) and vocabulary.total >= 1 and encoder.layers <= len(heads)
    if not fits or featurizer.width != encoder.width:
        raise VibesError(
            f"{weights} does not fit run.toml and vocabulary.json beside it, which describe another model; copy the run again "
            "from where it is whole, or train it again."
        )


def fit_each_other(features: Features, featurizer: Featurizer, listings: int) -> bool:
    """Return whether stored features can be those of so many listings, and every number in them points to something."""
    tokens, vocabulary = features.tokens, featurizer.vocabulary
    count, members = len(tokens.key), len(tokens.set_member)
    limits = (
        (tokens.set_member, 0, vocabulary.total),
        (tokens.value, 0, vocabulary.total),
        (tokens.key, 0, key_count(vocabulary)),
        (tokens.bin, 0, 1 + sum(entry.size for entry in vocabulary.attributes)),
        (tokens.photo, -1, len(features.photo)),
        (tokens.text, -1, len(features.text)),
    )
    columns = (tokens.key, tokens.value, tokens.bin, tokens.fraction, tokens.photo, tokens.text)
    return (
        all(len(column) == count for column in columns)
        and all(part.shape[1:] == (featurizer.width,) for part in (features.photo, features.text))
        and all(_is_between(numbers, least, limit) for numbers, least, limit in limits)
        and _divides(tokens.offset, listings, count)
        and _divides(tokens.set_offset, count, members)
    )


def _is_between(numbers: np.ndarray, least: int, limit: int) -> bool:
    """Return whether all are whole numbers from `least` to below `limit`."""
    is_whole = numbers.ndim == 1 and numbers.dtype.kind == "i"
    return is_whole and (not len(numbers) or (int(numbers.min()) >= least and int(numbers.max()) < limit))


def _divides(offset: np.ndarray, parts: int, end: int) -> bool:
    """Return whether the offsets divide `end` things into so many parts."""
    fits = _is_between(offset, 0, end + 1) and len(offset) == parts + 1
    return fits and offset[0] == 0 and offset[-1] == end and bool((np.diff(offset) >= 0).all())
