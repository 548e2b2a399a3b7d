"""Which sequences are encoded together."""

from collections.abc import Iterator

import numpy as np

#: Tokens of one packed batch: enough for the matrix units, few enough for a core's cache.
TOKENS = 2048


def batches_by_length(lengths: np.ndarray, tokens: int) -> Iterator[np.ndarray]:
    """Row numbers in batches of similar length, each of at most about `tokens` padded tokens, longest first."""
    order = np.argsort(-lengths, kind="stable")
    first = 0
    while first < len(order):
        size = max(1, tokens // int(max(lengths[order[first]], 1)))
        yield order[first : first + size]
        first += size
