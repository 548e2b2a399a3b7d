"""The text space: listings compared by the frozen sentence vectors of their texts, whitened."""

import numpy as np

from core.features.reduce import Reducer
from core.features.texts.encoder import embed_texts
from core.features.units import unit_rows
from core.market.caches import writable_cache
from core.market.kinds import kind_of
from core.market.market import Market
from core.progress import Report


def text_vectors(
    market: Market, known: np.ndarray, width: int | None = None, report: Report | None = None
) -> np.ndarray | None:
    """(L, width) float32, L2-normalised: the mean of a listing's whitened text vectors; a zero row without text.

    The whitening is fitted on the listings where `known` (L,) holds (on all where those are fewer than two), `width`
    None keeps the encoder's. None where the market has no attribute of free text.

    Raises:
        VibesError: the text encoder is not at hand.
    """
    names = [attribute.name for attribute in market.attributes if kind_of(attribute.kind).sentences]
    if not names:
        return None
    total: np.ndarray | None = None
    for name in names:
        found = embed_texts(market.listings[name], writable_cache(market.path) / "text", report)
        fitted = found.vectors[found.ok & known]
        fitted = fitted if len(fitted) > 1 else found.vectors[found.ok]
        if not len(fitted):
            continue
        reducer = Reducer.fit(fitted, width or fitted.shape[1], whiten=True)
        part = unit_rows(reducer.transform(found.vectors, found.ok))  # (L, width)
        total = part if total is None else total + part
    if total is None:
        return None
    return unit_rows(total)
