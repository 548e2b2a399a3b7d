"""The spaces that need no model: listings compared by their photos, by their attributes, and by their texts.

In the attributes space a value with bins, such as a number, is an angle on a quarter circle at its quantile, so that the cosine of two
numbers falls smoothly with their distance in rank; a category, a set or words are one-hot or bag vectors with inverse document
frequencies; a text is its sentence vector. The cosine of each attribute has a weight, what a match in it is worth
(`listing_vibes.scoring.attribute_weights`); without events all weights are equal. The sparse part is reduced by truncated SVD. Each
part is centered, since what all listings share makes none of them similar (Mu and Viswanath 2018, arXiv 1702.01417, for word vectors);
a missing attribute has no effect.

The text space has whitened sentence vectors of texts, or TF-IDF vectors if the encoder does not know the script.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from listing_vibes.features.feature_config import FeatureConfig
from listing_vibes.features.featurizer import Features, Featurizer, text_cache
from listing_vibes.features.photos.photo_vectors import PhotoVectors
from listing_vibes.features.reduce import Reducer, unit_rows
from listing_vibes.features.texts.sources.tfidf import Tfidf
from listing_vibes.features.texts.text_encoder import embed_texts
from listing_vibes.features.tokens.tabular import ListingTokens, attribute_of_keys, bin_offsets
from listing_vibes.market.attribute_types import type_of
from listing_vibes.market.columns import Columns as C
from listing_vibes.market.log import ranges
from listing_vibes.market.market import Market
from listing_vibes.market.precomputed_vectors import precomputed_vectors
from listing_vibes.market.values import sample_rows
from listing_vibes.progress import Report, silent
from listing_vibes.words import is_latin

if TYPE_CHECKING:
    from scipy import sparse  # imported where a matrix is built: opening a run does not need it

WIDTH = 256
#: The SVD of the sparse part is fitted on at most this many listings, which bounds its memory.
FITTED_TO = 200_000
#: The rounding error that may remain in a column that is the same for all listings.
ROUNDING = 1e-6
#: The width of TF-IDF vectors, the same as that of the sentence encoder.
TEXT_WIDTH = 384


@dataclass(frozen=True, eq=False)
class AttributeSpace:
    """The attributes space of a market: its featurizer, the features of its listings, and the weights of attributes."""

    featurizer: Featurizer
    features: Features
    weights: Mapping[str, float]  # 1 for an attribute without one

    @classmethod
    def of(cls, market: Market, weights: Mapping[str, float], report: Report = silent) -> AttributeSpace:
        """Return the space fitted on every listing, without photos and histories."""
        config, rows = FeatureConfig(photos=0, vectors=False, meta=False), np.arange(len(market.listings))
        featurizer = Featurizer.fit(market, config, WIDTH, rows, np.empty(0), None, report)
        return cls(featurizer, featurizer.transform(market, None, report), weights)

    def vectors(self) -> np.ndarray:
        """Return the `attribute_vectors` (L, d) of the market's listings."""
        return attribute_vectors(self.featurizer, self.features, weights=self.weights)


def content_spaces(
    market: Market,
    photos: PhotoVectors | None,
    report: Report = silent,
    complete: bool = True,
    attributes: AttributeSpace | None = None,
) -> dict[str, np.ndarray]:
    """Return the vectors (L, d) of each space: `photos`, `attributes` and precomputed vectors, where the market has their data.

    Args:
        complete: see `listing_vibes.market.precomputed_vectors`.
        attributes: the attributes space; None for equal weights.
    """
    values: dict[str, np.ndarray] = {}
    if photos is not None and photos.ok.any():
        owner = market.photos[C.LISTING].map(market.listing_row).to_numpy(int)
        values["photos"] = photo_space(photos.vectors, owner, photos.ok, len(market.listings))
    if market.attributes:
        values["attributes"] = (attributes or AttributeSpace.of(market, {}, report)).vectors()
    for name in market.config.vectors:
        vectors = precomputed_vectors(market, name, complete)
        if vectors is not None:
            values[name] = vectors
    return values


def attribute_vectors(
    featurizer: Featurizer,
    features: Features,
    fitted: int | None = None,
    weights: Mapping[str, float] | None = None,
) -> np.ndarray:
    """Return (L, d) float32, L2-normalized; a zero row where a listing has no attribute.

    d is 2 for each number, at most 256 for categories, sets and words together, and the width of the texts. The inverse
    document frequencies, the SVD and each part's mean are fitted on the first `fitted` listings (None: all). The cosine of an
    attribute without one of the `weights` has the weight 1.
    """
    tokens = features.tokens
    available = tokens.listings if fitted is None else fitted
    blocks = []
    for part in attribute_parts(featurizer, features, available, weights):
        if isinstance(part, np.ndarray):
            blocks.append(part)
        elif part.nnz:
            blocks.append(_reduce(part, available))
    if not blocks:
        return np.zeros((tokens.listings, 1), np.float32)
    something: np.ndarray = np.any([_center(block, available) for block in blocks], axis=0)  # (L,)
    full = np.concatenate(blocks, axis=1)
    del blocks, part  # 1 GiB of a million listings, as `full` and the result
    if not full.any():  # all listings are equal
        return something[:, None].astype(np.float32)
    return unit_rows(full)


def attribute_parts(
    featurizer: Featurizer, features: Features, fitted: int, weights: Mapping[str, float] | None = None
) -> list[np.ndarray | sparse.csr_matrix]:
    """Return the parts (L, .) of the attributes space before reduction: numbers, categories with sets and words, and texts."""
    tokens, vocabulary = features.tokens, featurizer.vocabulary
    owner = np.repeat(np.arange(tokens.listings), np.diff(tokens.offset))
    size = np.sqrt([(weights or {}).get(entry.name, 1.0) for entry in vocabulary.attributes])
    scale = np.append(size, 1.0).astype(np.float32)[attribute_of_keys(vocabulary)[tokens.key]]  # (T,)
    parts: list[np.ndarray | sparse.csr_matrix] = []
    for entry, first in ((e, bin_offsets(vocabulary).get(e.name)) for e in vocabulary.attributes):
        if first is not None and entry.size:
            binned = (tokens.bin >= first) & (tokens.bin < first + entry.size)
            angle = (tokens.bin[binned] - first + tokens.fraction[binned]) / entry.size * (np.pi / 2)
            block = np.zeros((tokens.listings, 2), np.float32)
            block[owner[binned]] = np.stack([np.cos(angle), np.sin(angle)], axis=1) * scale[binned, None]
            parts.append(block)
    parts.append(_bags(tokens.value * (tokens.bin == 0), tokens, owner, vocabulary.size, fitted, scale))
    text = np.flatnonzero(tokens.text >= 0)
    if len(text):
        block = np.zeros((tokens.listings, features.text.shape[1]), np.float32)
        np.add.at(block, owner[text], features.text[tokens.text[text]] * scale[text, None])
        parts.append(block)
    return parts


def parts_by_attribute(
    featurizer: Featurizer, features: Features, rows: np.ndarray
) -> dict[str, list[np.ndarray | sparse.csr_matrix]]:
    """Return the `attribute_parts` (n, .) of each attribute alone that are not zero, of the listings `rows` (n,)."""
    tokens = features.tokens
    count = np.diff(tokens.offset)[rows]
    tokens = tokens.taken(ranges(tokens.offset[rows], count), count)
    owner = np.repeat(np.arange(len(rows)), count)
    attribute = attribute_of_keys(featurizer.vocabulary)[tokens.key]  # (T,)
    parts = {}
    for number, entry in enumerate(featurizer.vocabulary.attributes):
        mine = np.flatnonzero(attribute == number)
        only = tokens.taken(mine, np.bincount(owner[mine], minlength=len(rows)))
        every = attribute_parts(featurizer, replace(features, tokens=only), len(rows))
        parts[entry.name] = [
            part for part in every if (part.any() if isinstance(part, np.ndarray) else part.nnz)
        ]
    return parts


def _center(block: np.ndarray, fitted: int) -> np.ndarray:
    """Subtract from (L, d), in place, the mean of its non-zero rows among the first `fitted`; zero rows stay zero.

    Returns (L,) bool, which rows are not zero.
    """
    is_nonzero: np.ndarray = np.any(block, axis=1)  # (L,)
    if not is_nonzero[:fitted].any():
        return is_nonzero
    mean = block[:fitted].mean(axis=0, dtype=np.float64, where=is_nonzero[:fitted, None])  # (d,)
    np.subtract(block, mean.astype(np.float32), out=block, where=is_nonzero[:, None])
    is_constant = np.maximum(block.max(axis=0), -block.min(axis=0)) < ROUNDING  # the same for all rows
    block[:, is_constant] = 0
    return is_nonzero


def _bags(
    value: np.ndarray, tokens: ListingTokens, owner: np.ndarray, size: int, fitted: int, scale: np.ndarray
) -> sparse.csr_matrix:
    """Return (L, V): each token has the weight `scale` (T,), spread over its members, times the square root of the idf."""
    sizes = np.diff(tokens.set_offset)
    single = np.flatnonzero(value > 0)
    member_of = np.repeat(np.arange(len(sizes)), sizes)
    rows = np.concatenate([owner[single], owner[member_of]])
    columns = np.concatenate([value[single], tokens.set_member])
    weights = np.concatenate([scale[single], scale[member_of] / np.sqrt(sizes[member_of])]).astype(np.float32)
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
        return np.asarray(matrix.toarray())
    from sklearn.decomposition import TruncatedSVD

    values = matrix[sample_rows(fitted, FITTED_TO)]
    return np.asarray(TruncatedSVD(WIDTH, random_state=0).fit(values).transform(matrix).astype(np.float32))


def photo_space(vectors: np.ndarray, owner: np.ndarray, ok: np.ndarray, listings: int) -> np.ndarray:
    """Return the photos space (L, width): the mean of a listing's centered photo vectors, L2-normalized; zero without photos."""
    mean = np.zeros((listings, vectors.shape[1]), np.float32)
    usable = np.asarray(vectors[ok], np.float32)
    if not len(usable):
        return mean
    np.add.at(mean, owner[ok], unit_rows(usable - usable.mean(axis=0)))
    return unit_rows(mean)


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
    """Return the vectors (L, TEXT_WIDTH) of a column's texts, and (L,) bool: which listings have a text."""
    column = market.listings[name]
    if is_latin(column.dropna()):
        vectors = embed_texts(column, text_cache(market), report)
        return vectors, np.any(vectors, axis=1)
    texts = [cell.strip() if isinstance(cell, str) else "" for cell in column]
    ok = np.array([bool(text) for text in texts], bool)
    fitted = dict.fromkeys(texts[row] for row in np.flatnonzero(_to_fit(ok, available)))
    reduced = Tfidf.fit(list(fitted), TEXT_WIDTH).vectors(texts)
    vectors = np.zeros((len(texts), TEXT_WIDTH), np.float32)
    vectors[:, : reduced.shape[1]] = unit_rows(reduced)
    return vectors, ok


def _to_fit(ok: np.ndarray, available: np.ndarray) -> np.ndarray:
    """Return (L,) bool: the `available` listings with a text, or all with a text if these are fewer than two."""
    both: np.ndarray = ok & available
    return both if both.sum() > 1 else ok
