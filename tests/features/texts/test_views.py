"""Several views of the texts: each with its own tokens, stored with the run."""

import numpy as np
import pytest
from pydantic import ValidationError

from listing_vibes.features.featurizer import FeatureConfig, Featurizer
from listing_vibes.features.texts.encoder import embed_texts
from listing_vibes.features.tokens.tabular import text_key
from listing_vibes.market.market import Market

VIEWS = ("minilm-whitened", "minilm", "tfidf")


def test_each_view_has_its_own_tokens_and_vectors(tiny_market, tmp_path):
    market = Market.open(tiny_market(listings=20, photos=0))
    featurizer = Featurizer.fit(market, FeatureConfig(text_views=VIEWS), 16, np.arange(20), np.empty(0), None)
    features = featurizer.transform(market, None)
    tokens, titles = features.tokens, market.listings["title"]
    assert len(features.text) == 3 * titles.nunique() and (tokens.text >= 0).sum() == 60
    plain, words = embed_texts(titles), featurizer.texts[2].source.vectors(titles, None)
    keys = [text_key(featurizer.vocabulary, "title", view) for view in range(3)]
    assert len(set(keys)) == 3
    for row in (0, 19):
        mine = slice(tokens.offset[row], tokens.offset[row + 1])
        shown = tokens.text[mine] >= 0
        assert tokens.key[mine][shown].tolist() == keys
        for view, wide in enumerate((plain, plain, words)):
            expected = featurizer.texts[view].reducer.transform(wide[[row]])[0]
            found = features.text[tokens.text[mine][shown]][view]
            np.testing.assert_allclose(found, expected, atol=1e-5)
    spread = [np.std(view.reducer.transform(plain), axis=0) for view in featurizer.texts[:2]]
    assert spread[0][0] / spread[0][9] < 0.6 * spread[1][0] / spread[1][9]  # whitened, and not
    featurizer.save(tmp_path)
    again = Featurizer.load(tmp_path).transform(market, None)
    np.testing.assert_array_equal(again.text, features.text)
    np.testing.assert_array_equal(again.tokens.text, tokens.text)


def test_views_are_known_names_each_once():
    for views in (("tfidf", "tfidf"), (), ("word2vec",)):
        with pytest.raises(ValidationError):
            FeatureConfig(text_views=views)
