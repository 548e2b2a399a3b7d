"""The spaces that need no model: listings compared by their photos, and by what their columns say.

In the attributes space every known attribute weighs the same. What has bins, as a number, is an angle on a quarter
circle at its quantile, so that the cosine of two numbers falls smoothly with their distance in rank; a category, a
set or words are one-hot or bag vectors with inverse document frequencies; a text is its sentence vector. The sparse
part is reduced by truncated SVD. Each part is seen from its mean, since what all listings have in common makes none
of them alike (Mu and Viswanath 2018, arXiv 1702.01417, of word vectors); an attribute that a listing lacks says
nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from listing_vibes.features.config import FeatureConfig
from listing_vibes.features.featurizer import Features, Featurizer
from listing_vibes.features.photos.vectors import PhotoVectors
from listing_vibes.features.tokens.tabular import bin_offsets
from listing_vibes.features.units import unit_rows
from listing_vibes.market.columns import Columns as C
from listing_vibes.market.market import Market
from listing_vibes.market.own_vectors import own_vectors
from listing_vibes.progress import Report

if TYPE_CHECKING:
    from scipy import sparse  # loaded where a matrix is made: who opens a run needs none

WIDTH = 256
#: What the sparse part is reduced to is taken from at most so many listings, which bounds the memory that takes.
FITTED_TO = 200_000
#: What is left of a column that all listings share is below this.
ROUNDING = 1e-6


def content_spaces(
    market: Market, photos: PhotoVectors | None, report: Report | None = None, complete: bool = True
) -> dict[str, np.ndarray]:
    """Vectors (L, d) by space, of `photos`, `attributes` and the market's own; one that the market cannot give is left out.

    `complete` is as in `listing_vibes.market.own_vectors`.
    """
    values: dict[str, np.ndarray] = {}
    if photos is not None and photos.ok.any():
        owner = market.photos[C.LISTING].map(market.listing_row).to_numpy(int)
        values["photos"] = photo_space(photos.vectors, owner, photos.ok, len(market.listings))
    if market.attributes:
        featurizer = attribute_featurizer(market, report)
        values["attributes"] = attribute_vectors(featurizer, featurizer.transform(market, None, report))
    for name in market.config.vectors:
        vectors = own_vectors(market, name, complete)
        if vectors is not None:
            values[name] = vectors
    return values


def attribute_featurizer(market: Market, report: Report | None = None) -> Featurizer:
    """What the attribute space is made by: fitted on every listing, without photos and histories."""
    config, rows = FeatureConfig(photos=0, vectors=False, meta=False), np.arange(len(market.listings))
    return Featurizer.fit(market, config, WIDTH, rows, np.empty(0), None, report)


def attribute_vectors(featurizer: Featurizer, features: Features, fitted: int | None = None) -> np.ndarray:
    """(L, d) float32, L2-normalised; a zero row where a listing has no attribute.

    d is 2 a number, at most 256 for categories, sets and words together, and the width of the texts. How rare a word is,
    what the sparse part is reduced to and each part's mean are taken from the first `fitted` listings (None: all).
    """
    tokens, vocabulary = features.tokens, featurizer.vocabulary
    available = tokens.listings if fitted is None else fitted
    owner = np.repeat(np.arange(tokens.listings), np.diff(tokens.offset))
    blocks: list[np.ndarray] = []
    for entry, first in ((e, bin_offsets(vocabulary).get(e.name)) for e in vocabulary.attributes):
        if first is not None and entry.size:
            mine = (tokens.bin >= first) & (tokens.bin < first + entry.size)
            angle = (tokens.bin[mine] - first + tokens.fraction[mine]) / entry.size * (np.pi / 2)
            block = np.zeros((tokens.listings, 2), np.float32)
            block[owner[mine]] = np.stack([np.cos(angle), np.sin(angle)], axis=1)
            blocks.append(block)
    words = _bags(tokens.value * (tokens.bin == 0), tokens, owner, vocabulary.size, available)
    if words.nnz:
        blocks.append(_reduce(words, available))
    text = np.flatnonzero(tokens.text >= 0)
    if len(text):
        block = np.zeros((tokens.listings, features.text.shape[1]), np.float32)
        np.add.at(block, owner[text], features.text[tokens.text[text]])
        blocks.append(block)
    if not blocks:
        return np.zeros((tokens.listings, 1), np.float32)
    something: np.ndarray = np.any([_centre(block, available) for block in blocks], axis=0)  # (L,)
    full = np.concatenate(blocks, axis=1)
    if not full.any():  # no two listings differ: all alike
        return something[:, None].astype(np.float32)
    return unit_rows(full)


def _centre(block: np.ndarray, fitted: int) -> np.ndarray:
    """Take from (L, d), in place, the mean of the first `fitted` rows, over those that say something; others stay zero.

    Returns (L,) bool, which rows say something.
    """
    message: np.ndarray = np.any(block, axis=1)  # (L,)
    if not message[:fitted].any():
        return message
    mean = block[:fitted].mean(axis=0, dtype=np.float64, where=message[:fitted, None])  # (d,)
    np.subtract(block, mean.astype(np.float32), out=block, where=message[:, None])
    block[:, np.maximum(block.max(axis=0), -block.min(axis=0)) < ROUNDING] = 0  # a column that all rows share
    return message


def _bags(value: np.ndarray, tokens, owner: np.ndarray, size: int, fitted: int) -> sparse.csr_matrix:
    """(L, V) one unit of weight a token, spread over its members, times the square root of the idf."""
    sizes = np.diff(tokens.set_offset)
    single = np.flatnonzero(value > 0)
    member_of = np.repeat(np.arange(len(sizes)), sizes)
    rows = np.concatenate([owner[single], owner[member_of]])
    columns = np.concatenate([value[single], tokens.set_member])
    weights = np.concatenate([np.ones(len(single)), 1 / np.sqrt(sizes[member_of])]).astype(np.float32)
    is_present = columns > 0
    from scipy import sparse

    matrix = sparse.csr_matrix(
        (weights[is_present], (rows[is_present], columns[is_present])), shape=(tokens.listings, size)
    )
    frequency = np.asarray((matrix[:fitted] > 0).sum(axis=0)).ravel()
    idf = np.log1p(fitted / np.maximum(frequency, 1)) / np.log1p(fitted)
    return (matrix @ sparse.diags(np.sqrt(idf))).astype(np.float32).tocsr()


def _reduce(matrix: sparse.csr_matrix, fitted: int) -> np.ndarray:
    if min(fitted, matrix.shape[1]) <= WIDTH + 1:
        return matrix.toarray()
    from sklearn.decomposition import TruncatedSVD

    values = matrix[:fitted]
    if fitted > FITTED_TO:
        values = values[np.sort(np.random.default_rng(0).choice(fitted, FITTED_TO, replace=False))]
    return TruncatedSVD(WIDTH, random_state=0).fit(values).transform(matrix).astype(np.float32)


def photo_space(vectors: np.ndarray, owner: np.ndarray, ok: np.ndarray, listings: int) -> np.ndarray:
    """The photos space (L, width): the mean of a listing's centred photo vectors, L2-normalised; zero without photos."""
    mean = np.zeros((listings, vectors.shape[1]), np.float32)
    usable = np.asarray(vectors[ok], np.float32)
    if not len(usable):
        return mean
    np.add.at(mean, owner[ok], unit_rows(usable - usable.mean(axis=0)))
    return unit_rows(mean)
