"""Texts are split into words in every script, and a column of a script without spaces is inferred as text."""

import random
import re

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from listing_vibes.features.featurizer import FeatureConfig, Featurizer
from listing_vibes.market.market import Market
from listing_vibes.market.words import gaps, is_latin, plain_text, unspaced, without_markup, words
from listing_vibes.scoring.text_space import text_vectors

TOWNS = ["渋谷", "新宿", "浅草", "上野"]
TRAITS = ["駅近", "広い", "静か", "和室", "庭付", "新築", "格安", "禁煙"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Sunny flat, 2 rooms", ["sunny", "flat", "2", "rooms"]), ("東京駅 徒歩5分！", ["東京", "京駅", "徒歩", "5", "分"]),
        ("Wi-Fi付き", ["wi", "fi", "付き"]), ("서울 아파트", ["서울", "아파트"]), ("Zwei_Zimmer, m² ünd", ["zwei", "zimmer", "m²", "ünd"]),
    ],
)  # fmt: skip
def test_words_of_every_script(text, expected):
    assert words(text) == expected


@given(st.text(st.characters(codec="latin-1"), max_size=60))
def test_words_stand_between_all_other_signs(text):
    assert not unspaced(text) and gaps(text) == text.count(" ")
    assert words(text) == re.findall(r"[^\W_]+", text.lower())


def test_latin_is_what_most_letters_are():
    assert (
        is_latin(["Sunny flat", "東京"])
        and is_latin(["Căn hộ đẹp", "Straße"])
        and is_latin([])
        and is_latin(["12 !"])
    )
    assert not is_latin(["квартира у метро Wi-Fi"]) and not is_latin(["東京駅近く BTS", "渋谷の部屋"])


def test_texts_that_the_sentence_encoder_was_not_trained_on_are_compared_by_their_words(tmp_path):
    rng = random.Random(0)
    titles = [town + "".join(rng.sample(TRAITS, 4)) + str(n) for n in range(30) for town in TOWNS]
    kinds = [rng.choice(["一軒家", "共用個室"]) for _ in titles]
    table = pd.DataFrame({"listing_id": range(120), "title": [*titles[:-1], None], "kind": kinds})
    table.to_csv(tmp_path / "listings.csv", index=False)
    market, rows = Market.open(tmp_path), np.arange(120)
    assert [(item.name, item.kind) for item in market.attributes] == [("title", "text"), ("kind", "category")]
    fitted = Featurizer.fit(market, FeatureConfig(), 16, rows, np.empty(0), None)
    assert [view.name for view in fitted.texts] == ["tfidf"]
    vectors = text_vectors(market, np.ones(120, bool))
    assert not vectors[-1].any()  # without a title
    cosines = vectors @ vectors.T - 2 * np.eye(120)
    same = (cosines[:-1].argmax(axis=1) - rows[:-1]) % len(TOWNS) == 0
    assert same.mean() > 0.45  # the same town; .25 by chance


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("<p>Tom&nbsp;&amp; <b>Ann</b></p><style>p {}</style>", "Tom & Ann"), ("Fine<br/>flat<!-- no -->", "Fine flat"),
        ("<li>a<li>b<script>x", "a b"), ("a < b &amp; c > d", "a < b &amp; c > d"), ("<3 km, i <b and c> d", "<3 km, i <b and c> d"),
    ],
)  # fmt: skip
def test_tags_are_left_out_where_a_text_holds_some(text, plain):
    assert without_markup(text) == plain == without_markup(plain)
    assert plain_text("<b>a</b> <1 min walk<br/>to 3 < 4 &lt;c&gt;") == "a <1 min walk to 3 < 4 <c>"
