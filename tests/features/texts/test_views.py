"""Several views of the texts: each with tokens of its own, stored with the run; and the two controls."""

import json

import numpy as np
import pytest
from pydantic import ValidationError

from listing_vibes.errors import VibesError
from listing_vibes.features.featurizer import FeatureConfig, Featurizer
from listing_vibes.features.texts.encoder import embed_texts
from listing_vibes.features.tokens.tabular import text_key
from listing_vibes.market.market import Market

VIEWS = ("minilm-whitened", "minilm", "tfidf")


@pytest.fixture
def market(tiny_market) -> Market:
    return Market.open(tiny_market(listings=20, photos=0))


def fit(market, rows=None, **config) -> Featurizer:
    rows = np.arange(len(market.listings)) if rows is None else rows
    return Featurizer.fit(market, FeatureConfig(**config), 16, rows, np.empty(0), None)


def test_each_view_has_its_own_tokens_and_vectors(market, tmp_path):
    featurizer = fit(market, text_views=VIEWS)
    features = featurizer.transform(market, None)
    tokens = features.tokens
    plain = embed_texts(market.listings["title"]).vectors
    vocabulary = featurizer.vocabulary
    keys = [text_key(vocabulary, "title", view) for view in range(3)]
    assert len(set(keys)) == 3
    for row in (0, 19):
        mine = slice(tokens.offset[row], tokens.offset[row + 1])
        shown = tokens.text[mine] >= 0
        assert tokens.key[mine][shown].tolist() == keys
        found = features.text[tokens.text[mine][shown]]
        for view in (0, 1):
            expected = featurizer.texts[view].reducer.transform(plain[[row]])[0]
            np.testing.assert_allclose(found[view], expected, atol=1e-5)
        title = market.listings["title"][row]
        source = featurizer.texts[2]
        np.testing.assert_allclose(
            found[2], source.reducer.transform(source.source.vectors([title], None))[0], atol=1e-6
        )
    featurizer.save(tmp_path)
    again = Featurizer.load(tmp_path).transform(market, None)
    np.testing.assert_array_equal(again.text, features.text)
    np.testing.assert_array_equal(again.tokens.text, tokens.text)


def test_whitening_evens_out_what_plain_leaves(market):
    whitened, plain = (fit(market, text_views=(view,)).transform(market, None).text for view in VIEWS[:2])
    spread = [np.std(vectors, axis=0) for vectors in (whitened, plain)]
    assert spread[0][0] / spread[0][9] < 0.6 * spread[1][0] / spread[1][9]


def test_texts_after_training_change_nothing_that_was_fitted(market):
    rows = np.arange(12)
    before = fit(market, rows, text_views=VIEWS)
    market.listings.loc[12:, "title"] = "a castle of words nobody knew"
    after = fit(market, rows, text_views=VIEWS)
    for one, two in zip(before.texts, after.texts, strict=True):
        np.testing.assert_array_equal(one.reducer.matrix, two.reducer.matrix)


@pytest.mark.slow
@pytest.mark.parametrize("missing", ["texts", "vocabulary"])
def test_a_file_of_another_version_is_refused_with_the_mend(market, tmp_path, missing):
    fit(market).save(tmp_path)
    head = json.loads((tmp_path / "vocabulary.json").read_text())
    del head[missing]
    (tmp_path / "vocabulary.json").write_text(json.dumps(head))
    with pytest.raises(
        VibesError, match=r"vocabulary\.json was written by another version; train the run again"
    ):
        Featurizer.load(tmp_path)


def test_a_view_is_named_once_and_known():
    with pytest.raises(ValidationError, match="'tfidf' is listed twice"):
        FeatureConfig(text_views=("tfidf", "tfidf"))
    with pytest.raises(ValidationError):
        FeatureConfig(text_views=())
    with pytest.raises(ValidationError):
        FeatureConfig(text_views=("word2vec",))
