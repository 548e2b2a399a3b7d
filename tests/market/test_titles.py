"""What is shown for a listing: its title or id, its words, and where what is cached of it lies."""

import random
import re

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from listing_vibes.features.content_spaces import text_vectors
from listing_vibes.features.featurizer import FeatureConfig, Featurizer
from listing_vibes.market.caches import DEMO, MODELS, market_cache, run_cache, run_cache_file, writable_cache
from listing_vibes.market.display_names import is_code, title_of
from listing_vibes.market.market import Market
from listing_vibes.words import gaps, is_latin, plain_text, unspaced, without_markup, words

TOWNS = ["渋谷", "新宿", "浅草", "上野"]
TRAITS = ["駅近", "広い", "静か", "和室", "庭付", "新築", "格安", "禁煙"]


@pytest.mark.parametrize(
    ("values", "code"),
    [
        ([f"{row:016x}" for row in range(30)], True), ([f"{40_000 + row}" for row in range(30)], True), ([str(row) for row in range(300)], True),
        ([str(row) for row in range(30)], False), ([f"sort {row}" for row in range(300)], False),
    ],
)  # fmt: skip
def test_unreadable_numbers_are_codes(values, code):
    assert is_code(pd.Series(values)) is code


@pytest.mark.parametrize(
    ("columns", "title"),
    [
        ({"Product Name": True, "brand": False}, "Product Name"), ({"name": True, "title": True}, "title"),
        ({"title": False, "name": True}, "name"),  # rather one that differs
        ({"name": False, "brand": False}, None), ({"brand_name": True}, None),
    ],
)  # fmt: skip
def test_the_title_column_is_that_of_market_toml_or_has_the_name_of_one(folder, columns, title):
    cells = {True: lambda row: f"A fine boat no {row} of wood", False: lambda row: "ABC"[row % 3]}
    rows = "".join(f"a{i},{','.join(cells[differs](i) for differs in columns.values())}\n" for i in range(60))
    path = folder(listings=f"listing_id,{','.join(columns)}\n{rows}")
    market = Market.open(path)
    assert market.title == title
    assert title_of(market, "a1") == ("A fine boat no 1 of wood" if title else "Listing a1")
    (path / "market.toml").write_text(f'title = "{next(iter(columns))}"\n')
    assert Market.open(path).title == next(iter(columns))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Sunny flat, 2 rooms", ["sunny", "flat", "2", "rooms"]), ("東京駅 徒歩5分！", ["東京", "京駅", "徒歩", "5", "分"]),
        ("Wi-Fi付き", ["wi", "fi", "付き"]), ("서울 아파트", ["서울", "아파트"]), ("Zwei_Zimmer, m² ünd", ["zwei", "zimmer", "m²", "ünd"]),
    ],
)  # fmt: skip
def test_words_of_every_script(text, expected):
    assert words(text) == expected
    assert is_latin(["Sunny flat", "東京"]) and is_latin(["Căn hộ đẹp", "Straße"]) and is_latin([])
    assert not is_latin(["квартира у метро Wi-Fi"]) and not is_latin(["東京駅近く BTS", "渋谷の部屋"])


@given(st.text(st.characters(codec="latin-1"), max_size=60))
def test_latin_words_are_separated_by_all_other_characters(text):
    assert not unspaced(text) and gaps(text) == text.count(" ")
    assert words(text) == re.findall(r"[^\W_]+", text.lower())


def test_texts_in_other_scripts_are_compared_by_their_words(tmp_path):
    rng = random.Random(0)
    titles = [town + "".join(rng.sample(TRAITS, 4)) + str(n) for n in range(30) for town in TOWNS]
    kinds = [rng.choice(["一軒家", "共用個室"]) for _ in titles]
    table = pd.DataFrame({"listing_id": range(120), "title": [*titles[:-1], None], "kind": kinds})
    table.to_csv(tmp_path / "listings.csv", index=False)
    market, rows = Market.open(tmp_path), np.arange(120)
    assert [(item.name, item.kind) for item in market.attributes] == [("title", "text"), ("kind", "category")]
    fitted = Featurizer.fit(market, FeatureConfig(), 16, rows, np.empty(0), None)
    assert fitted.text.name == "tfidf"
    vectors = text_vectors(market, np.ones(120, bool))
    cosines = vectors @ vectors.T - 2 * np.eye(120)
    same = (cosines[:-1].argmax(axis=1) - rows[:-1]) % len(TOWNS) == 0
    assert same.mean() > 0.45 and not vectors[-1].any()  # the same town; .25 by chance


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("<p>Tom&nbsp;&amp; <b>Ann</b></p><style>p {}</style>", "Tom & Ann"), ("Fine<br/>flat<!-- no -->", "Fine flat"),
        ("<li>a<li>b<script>x", "a b"), ("a < b &amp; c > d", "a < b &amp; c > d"), ("<3 km, i <b and c> d", "<3 km, i <b and c> d"),
    ],
)  # fmt: skip
def test_tags_are_removed_from_texts_that_have_some(text, plain):
    assert without_markup(text) == plain == without_markup(plain)
    assert plain_text("<b>a</b> <1 min walk<br/>to 3 < 4 &lt;c&gt;") == "a <1 min walk to 3 < 4 <c>"


def test_caches_lie_next_to_a_market_or_run_and_never_in_what_ships(tmp_path, monkeypatch):
    user_cache = tmp_path / "user"
    monkeypatch.setenv("LISTING_VIBES_CACHE", str(user_cache))
    market, run = tmp_path / "market", tmp_path / "run"
    for folder in (market, run):
        folder.mkdir()
    assert market_cache(market).is_relative_to(user_cache)  # photos of a market in memory
    (market / "listings.csv").touch()
    assert market_cache(market) == writable_cache(market) == market / ".cache" and run_cache(run) == run
    cached = [market_cache(DEMO), writable_cache(DEMO), run_cache(DEMO / "run"), run_cache(MODELS / "homes")]
    assert all(folder.is_relative_to(user_cache) for folder in cached) and len({*cached}) == 3
    newer = run_cache(DEMO / "run") / "map.parquet"
    # shipped, until a newer one is cached
    assert run_cache_file(DEMO / "run", newer.name) == DEMO / "run" / newer.name
    newer.parent.mkdir(parents=True)
    newer.write_bytes(b"")
    assert run_cache_file(DEMO / "run", newer.name) == newer
