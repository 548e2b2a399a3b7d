"""TF-IDF of words and letters, against scikit-learn, and what is stored."""

import json

import numpy as np
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer

from listing_vibes.features.texts.sources.tfidf import Tfidf

TEXTS = [
    "Lamp LX-200 brass",
    "Lamp LX-210 brass",
    "quiet flat by the harbour",
    "quiet flat by the old harbour",
    "sofa bed, red red red",
    "sofa bed, blue",
]


def test_it_equals_scikit_learn_is_restored_and_puts_similar_letters_near():
    letters = TfidfVectorizer(analyzer="char_wb", ngram_range=(3, 5), sublinear_tf=True, dtype=np.float32)
    words = TfidfVectorizer(sublinear_tf=True, dtype=np.float32)
    both = np.hstack([maker.fit_transform(TEXTS).toarray() for maker in (words, letters)])
    expected = TruncatedSVD(5, random_state=0).fit(both).transform(both)
    view = Tfidf.fit(TEXTS, 5)
    vectors = view.vectors([*TEXTS, "LX-220"])
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.abs(vectors[:6]), np.abs(expected), atol=1e-4)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    assert vectors[6] @ vectors[0] > 0.3 > vectors[6] @ vectors[2]
    head, arrays = view.state()
    again = Tfidf.restore(json.loads(json.dumps(head)), arrays)
    np.testing.assert_array_equal(again.vectors(TEXTS), view.vectors(TEXTS))


def test_unknown_and_wordless_texts_are_zero():
    view = Tfidf.fit(TEXTS, 3)
    assert not view.vectors(["", "%%%", "ÿÿÿ"]).any() and view.vectors([]).shape == (0, 3)
    nothing = Tfidf.fit(["", " "], 3)
    assert Tfidf.restore(*nothing.state()).vectors(["lamp"]).shape == (1, 1)
    assert Tfidf.fit(["a b", "c d e"], 3).vectors(["a b"]).any()  # no word of two letters, but n-grams
