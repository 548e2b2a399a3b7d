"""Text vectors from words and letters: TF-IDF of words and of letter n-grams, reduced by truncated SVD (LSA).

Deerwester et al. 1990, "Indexing by Latent Semantic Analysis". It distinguishes part numbers, sizes and brands, which a sentence
encoder blurs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from listing_vibes.features.texts.sources import TextSource
from listing_vibes.words import unspaced, words

if TYPE_CHECKING:
    from sklearn.feature_extraction.text import TfidfVectorizer

#: The most frequent terms that are used: words, then letter n-grams inside word boundaries.
WORDS, NGRAMS = 10_000, 20_000
NGRAM_RANGE = (3, 5)
CHUNK = 4096


@dataclass(frozen=True, eq=False)
class Tfidf(TextSource):
    """A fitted text view."""

    terms: tuple[list[str], list[str]]  # the words, then the n-grams, each in column order
    idf: np.ndarray  # (V,) float32 of both
    components: np.ndarray  # (V, w) float32, right singular vectors

    @classmethod
    def fit(cls, texts: Sequence[str], width: int, cache: Path | None = None, report: Any = None) -> Tfidf:
        """Fit on `texts` (N,); at most `width` components."""
        from scipy.sparse import hstack
        from sklearn.decomposition import TruncatedSVD

        makers = [_fitted(kind, texts) for kind in (0, 1)]
        available = [maker for maker in makers if maker is not None]
        if not available:  # no letter or digit in any text
            return cls(([], []), np.zeros(0, np.float32), np.zeros((0, 1), np.float32))
        counted = hstack([maker.transform(texts) for maker in available]).tocsr().astype(np.float32)  # (N, V)
        size = min(width, min(counted.shape) - 1)
        if size < 1:
            components = np.eye(counted.shape[1], dtype=np.float32)[:, :width]
        else:
            svd = TruncatedSVD(size, random_state=0).fit(counted)
            components = np.ascontiguousarray(svd.components_.T, np.float32)
        idf = np.concatenate([maker.idf_ for maker in available]).astype(np.float32)
        words, ngrams = ([] if m is None else m.get_feature_names_out().tolist() for m in makers)
        return cls((words, ngrams), idf, components)

    def vectors(self, texts: Sequence[str], cache: Path | None = None, report: Any = None) -> np.ndarray:
        """Return (N, w) float32; a text without a known term is zero."""
        out = np.zeros((len(texts), self.components.shape[1]), np.float32)
        words = len(self.terms[0])
        parts = [slice(0, words), slice(words, None)]
        makers = [_restored(kind, self.terms[kind], self.idf[parts[kind]]) for kind in (0, 1)]
        for first in range(0, len(texts), CHUNK):
            chunk = texts[first : first + CHUNK]
            for part, maker in zip(parts, makers, strict=True):
                if maker is not None:
                    out[first : first + CHUNK] += maker.transform(chunk) @ self.components[part]
        return out

    def state(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        return {"terms": list(self.terms)}, {"idf": self.idf, "components": self.components}

    @classmethod
    def restore(cls, head: dict[str, Any], arrays: dict[str, np.ndarray]) -> Tfidf:
        words, ngrams = head["terms"]
        return cls((words, ngrams), arrays["idf"], arrays["components"])


def _maker(kind: int, **more: Any) -> TfidfVectorizer:
    from sklearn.feature_extraction.text import TfidfVectorizer

    common: dict[str, Any] = {"sublinear_tf": True, "dtype": np.float32, **more}
    if kind == 0:
        usual = TfidfVectorizer().build_analyzer()
        return TfidfVectorizer(analyzer=lambda text: words(text) if unspaced(text) else usual(text), **common)
    return TfidfVectorizer(analyzer="char_wb", ngram_range=NGRAM_RANGE, **common)


def _fitted(kind: int, texts: Sequence[str]) -> TfidfVectorizer | None:
    try:
        return _maker(kind, max_features=(WORDS, NGRAMS)[kind]).fit(texts)
    except ValueError:  # how scikit-learn says that there is not one term
        return None


def _restored(kind: int, terms: list[str], idf: np.ndarray) -> TfidfVectorizer | None:
    if not terms:
        return None
    maker = _maker(kind, vocabulary=terms)
    maker.idf_ = idf
    return maker
