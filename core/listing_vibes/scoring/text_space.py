"""The text space: whitened sentence vectors of listings' texts, or TF-IDF vectors if the encoder does not know the script."""

import numpy as np

from listing_vibes.features.featurizer import text_cache
from listing_vibes.features.reduce import Reducer, unit_rows
from listing_vibes.features.texts.encoder import embed_texts
from listing_vibes.features.texts.sources.tfidf import Tfidf
from listing_vibes.market.attribute_types import type_of
from listing_vibes.market.market import Market
from listing_vibes.progress import Report, silent
from listing_vibes.words import is_latin

#: The width of TF-IDF vectors, the same as that of the sentence encoder.
WIDTH = 384


def text_vectors(market: Market, fitting: np.ndarray, report: Report = silent) -> np.ndarray | None:
    """Return the mean whitened text vector of each listing, (L, d) float32, L2-normalized; zero without text.

    These are sentence vectors, or those of `Tfidf` for texts that are mostly not in Latin letters. The result is None if the market
    has no free text.

    Args:
        fitting: (L,) bool, the listings on which whitening and terms are fitted; all if fewer than two have a text.

    Raises:
        VibesError: the text encoder is not available.
    """
    names = [attribute.name for attribute in market.attributes if type_of(attribute.kind).sentences]
    total: np.ndarray | None = None
    for name in names:
        vectors, ok = _of_column(market, name, fitting, report)
        fitted = vectors[_to_fit(ok, fitting)]
        if not len(fitted):
            continue
        reducer = Reducer.fit(fitted, fitted.shape[1], whiten=True)
        part = unit_rows(reducer.transform(vectors)) * ok[:, None]  # (L, d)
        total = part if total is None else total + part
    return None if total is None else unit_rows(total)


def _of_column(
    market: Market, name: str, available: np.ndarray, report: Report
) -> tuple[np.ndarray, np.ndarray]:
    """Return the vectors (L, WIDTH) of a column's texts, and (L,) bool: which listings have a text."""
    column = market.listings[name]
    if is_latin(column.dropna()):
        vectors = embed_texts(column, text_cache(market), report)
        return vectors, np.any(vectors, axis=1)
    texts = [cell.strip() if isinstance(cell, str) else "" for cell in column]
    ok = np.array([bool(text) for text in texts], bool)
    fitted = dict.fromkeys(texts[row] for row in np.flatnonzero(_to_fit(ok, available)))
    given = Tfidf.fit(list(fitted), WIDTH).vectors(texts)
    vectors = np.zeros((len(texts), WIDTH), np.float32)
    vectors[:, : given.shape[1]] = unit_rows(given)
    return vectors, ok


def _to_fit(ok: np.ndarray, available: np.ndarray) -> np.ndarray:
    """Return (L,) bool: the `available` listings with a text, or all with a text if these are fewer than two."""
    both: np.ndarray = ok & available
    return both if both.sum() > 1 else ok
