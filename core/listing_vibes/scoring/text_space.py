"""The text space: listings compared by the frozen sentence vectors of their texts, or by their words where these are of another
script than the encoder's, whitened."""

import numpy as np

from listing_vibes.features.reduce import Reducer
from listing_vibes.features.texts.encoder import embed_texts
from listing_vibes.features.texts.sources.tfidf import Tfidf
from listing_vibes.features.units import unit_rows
from listing_vibes.market.attribute_types import type_of
from listing_vibes.market.caches import writable_cache
from listing_vibes.market.market import Market
from listing_vibes.market.words import is_latin
from listing_vibes.progress import Report

#: Numbers of a text's vector by its words: as many as the sentence encoder gives.
WIDTH = 384


def text_vectors(
    market: Market, known: np.ndarray, width: int | None = None, report: Report | None = None
) -> np.ndarray | None:
    """(L, width) float32, L2-normalised: the mean of a listing's whitened text vectors; a zero row without text.

    Sentence vectors, or of texts that are mostly not in Latin letters what `Tfidf` makes. Whitening and terms are fitted on the
    listings where `known` (L,) holds (on all where those are fewer than two), `width` None keeps the encoder's. None where the
    market has no attribute of free text.

    Raises:
        VibesError: the text encoder is not at hand.
    """
    names = [attribute.name for attribute in market.attributes if type_of(attribute.kind).sentences]
    if not names:
        return None
    total: np.ndarray | None = None
    for name in names:
        vectors, ok = _of_column(market, name, known, report)
        fitted = vectors[_to_fit(ok, known)]
        if not len(fitted):
            continue
        reducer = Reducer.fit(fitted, width or fitted.shape[1], whiten=True)
        part = unit_rows(reducer.transform(vectors, ok))  # (L, width)
        total = part if total is None else total + part
    if total is None:
        return None
    return unit_rows(total)


def _of_column(
    market: Market, name: str, available: np.ndarray, report: Report | None
) -> tuple[np.ndarray, np.ndarray]:
    """The vectors (L, WIDTH) of a column's texts, and which listings have one (L,)."""
    column = market.listings[name]
    if is_latin(column.dropna()):
        result = embed_texts(column, writable_cache(market.path) / "text", report)
        return result.vectors, result.ok
    texts = [cell.strip() if isinstance(cell, str) else "" for cell in column]
    ok = np.array([bool(text) for text in texts], bool)
    fitted = dict.fromkeys(texts[row] for row in np.flatnonzero(_to_fit(ok, available)))
    given = Tfidf.fit(list(fitted), WIDTH).vectors(texts)
    vectors = np.zeros((len(texts), WIDTH), np.float32)
    vectors[:, : given.shape[1]] = unit_rows(given)
    return vectors, ok


def _to_fit(ok: np.ndarray, available: np.ndarray) -> np.ndarray:
    """(L,) bool: of the listings with a text those that are known, all where these are fewer than two."""
    both: np.ndarray = ok & available
    return both if both.sum() > 1 else ok
