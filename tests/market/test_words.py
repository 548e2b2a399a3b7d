"""Texts are taken apart in every script, and a column of a script without spaces is known as text."""

import random
import re

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from listing_vibes.features.featurizer import FeatureConfig, Featurizer
from listing_vibes.features.texts.sources.tfidf import Tfidf
from listing_vibes.market.market import Market
from listing_vibes.market.words import gaps, joined, latin, unspaced, unusual, words
from listing_vibes.scoring.text_space import text_vectors

TOWNS, TRAITS = (
    ["渋谷", "新宿", "浅草", "上野"],
    ["駅近", "広い", "静か", "和室", "庭付", "新築", "格安", "禁煙"],
)


@pytest.mark.parametrize(
    "text, expected",
    [
        ("Sunny flat, 2 rooms", ["sunny", "flat", "2", "rooms"]),
        ("東京駅 徒歩5分！", ["東京", "京駅", "徒歩", "5", "分"]),
        ("Wi-Fi付き", ["wi", "fi", "付き"]),
        ("ห้องพัก BTS", ["ห้อ", "้อง", "องพ", "งพั", "พัก", "bts"]),
        ("हिन्दी में", ["हिन्दी", "में"]),  # vowels are signs, no letters, and belong to their word
        ("شقّة جميلة", ["شقّة", "جميلة"]),
        ("서울 아파트", ["서울", "아파트"]),  # has spaces
        ("Cafe\u0301 x_y", ["cafe\u0301", "x", "y"]),
    ],
)
def test_words_of_every_script(text, expected):
    assert words(text) == expected


@given(st.text(st.characters(codec="latin-1"), max_size=60))
def test_of_what_needs_no_care_words_are_what_is_between_other_signs(text):
    assert not unusual(text) and not unspaced(text)
    assert words(text) == re.findall(r"[^\W_]+", text.lower()) and gaps(text) == text.count(" ")


@pytest.mark.parametrize(
    "text, others, expected",
    [
        ("東京駅", ["の近く"], ["東京駅"]),
        ("ห้องพัก", [" ดี"], ["ห้องพัก"]),
        ("Sunny flat", [""], ["sunny", "flat"]),
    ],
)
def test_pieces_are_put_together_as_the_texts_have_them(text, others, expected):
    assert joined(words(text)[::-1], [text + other for other in others])[::-1] == expected
    assert joined(words("新宿") + words("宿泊"), ["新宿", "宿泊可"]) == ["新宿", "宿泊"]  # nowhere 新宿泊


def test_a_title_without_spaces_is_a_text_and_a_short_value_none(tmp_path):
    rng = random.Random(0)
    titles = [f"{rng.choice(TOWNS)}{''.join(rng.sample(TRAITS, 4))}{row}" for row in range(300)]
    kinds = [rng.choice(["一軒家", "共用個室"]) for _ in titles]
    pd.DataFrame({"listing_id": range(300), "title": titles, "kind": kinds}).to_csv(
        tmp_path / "listings.csv", index=False
    )
    assert [(one.name, one.kind) for one in Market.open(tmp_path).attributes] == [
        ("title", "text"),
        ("kind", "category"),
    ]


def test_words_of_letters_compare_texts_without_spaces():
    rng = random.Random(0)
    texts = [town + "".join(rng.sample(TRAITS, 3)) for town in TOWNS for _ in range(10)]
    fitted = Tfidf.fit(texts, 16)
    assert {"渋谷", "駅近"} <= set(fitted.terms[0])
    vectors = fitted.vectors(texts)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    cosines = (vectors @ vectors.T)[~np.eye(40, dtype=bool)].reshape(40, 39)
    same = np.array([[i // 10 == j // 10 for j in range(40) if j != i] for i in range(40)])
    assert cosines[same].mean() > cosines[~same].mean() + 0.1


def test_latin_is_what_most_letters_are():
    assert latin(["Sunny flat", "東京"]) and latin(["Căn hộ đẹp", "Straße"]) and latin([]) and latin(["12 !"])
    assert not latin(["квартира у метро Wi-Fi"]) and not latin(["東京駅近く BTS", "渋谷の部屋"])


def test_texts_that_the_sentence_encoder_was_not_trained_on_are_told_by_their_words(tmp_path):
    rng = random.Random(0)
    titles = [town + "".join(rng.sample(TRAITS, 4)) + str(n) for n in range(30) for town in TOWNS]
    pd.DataFrame({"listing_id": range(120), "title": [*titles[:-1], None]}).to_csv(
        tmp_path / "listings.csv", index=False
    )
    market, rows = Market.open(tmp_path), np.arange(120)
    fitted = Featurizer.fit(market, FeatureConfig(), 16, rows, np.empty(0), None)
    assert [view.name for view in fitted.texts] == ["tfidf"]
    vectors = text_vectors(market, np.ones(120, bool))
    assert not vectors[-1].any()  # without a title
    cosines = vectors @ vectors.T - 2 * np.eye(120)
    same = (cosines[:-1].argmax(axis=1) - rows[:-1]) % len(TOWNS) == 0
    assert same.mean() > 0.45  # the same town; .25 by chance
