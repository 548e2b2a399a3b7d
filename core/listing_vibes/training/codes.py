"""Values that only one market has are told as codes; training draws the codes anew again and again.

A code that stays is learned: that "bucket 37" was a popular seller here. In a market that the model never saw it stands
for somebody else, and misleads. Drawn anew with each encoding of the item bank, so that histories, candidates and bank
agree, a code says only that two listings share a value, which carries over.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from listing_vibes.features.tokens.vocabulary import Vocabulary
from listing_vibes.training.step import StepData


def codes_of(vocabulary: Vocabulary) -> list[tuple[int, int]]:
    """The first id and the number of the codes of each attribute that has some."""
    return [
        (entry.first + len(entry.values), entry.buckets) for entry in vocabulary.attributes if entry.buckets
    ]


def redrawn(data: StepData, number: int) -> StepData:
    """`data` with the codes of draw `number`; as it is, where there is one market."""
    if data.mix is None or not data.mix.codes:
        return data
    rng = np.random.default_rng([data.seed, 5, number])
    features = data.inputs.features
    table = np.arange(
        1 + max(int(features.tokens.value.max(initial=0)), *(sum(one) for one in data.mix.codes))
    )
    for first, count in data.mix.codes:
        table[first : first + count] = first + rng.permutation(count)
    value = table[features.tokens.value].astype(features.tokens.value.dtype)
    tokens = replace(features.tokens, value=value)
    return replace(data, inputs=replace(data.inputs, features=replace(features, tokens=tokens)))
