"""Words and letters against a plain twin, and what is stored."""

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


def test_as_scikit_learn_says():
    words = TfidfVectorizer(sublinear_tf=True, dtype=np.float32).fit_transform(TEXTS).toarray()
    grams = (
        TfidfVectorizer(analyzer="char_wb", ngram_range=(3, 5), sublinear_tf=True, dtype=np.float32)
        .fit_transform(TEXTS)
        .toarray()
    )
    expected = (
        TruncatedSVD(4, random_state=0).fit(np.hstack([words, grams])).transform(np.hstack([words, grams]))
    )
    found = Tfidf.fit(TEXTS, 4).vectors(TEXTS)
    assert found.dtype == np.float32
    np.testing.assert_allclose(np.abs(found), np.abs(expected), atol=1e-4)


def test_letters_that_are_alike_are_near():
    vectors = Tfidf.fit(TEXTS, 5).vectors([*TEXTS, "LX-220"])
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    assert vectors[6] @ vectors[0] > 0.3 > vectors[6] @ vectors[2]


def test_stored_and_restored_gives_the_same():
    view = Tfidf.fit(TEXTS, 3)
    head, arrays = view.state()
    again = Tfidf.restore(json.loads(json.dumps(head)), arrays)
    np.testing.assert_array_equal(again.vectors(TEXTS), view.vectors(TEXTS))


def test_unknown_and_wordless_texts_are_zero():
    view = Tfidf.fit(TEXTS, 3)
    assert not view.vectors(["", "%%%", "ÿÿÿ"]).any()
    assert view.vectors([]).shape == (0, 3)
    nothing = Tfidf.fit(["", " "], 3)
    assert nothing.vectors(["a"]).shape == (1, 1)
    assert Tfidf.restore(*nothing.state()).vectors(["lamp"]).shape == (1, 1)
    letters = Tfidf.fit(["a b", "c d e"], 3)  # no word of two letters, but n-grams
    assert letters.vectors(["a b"]).any()
