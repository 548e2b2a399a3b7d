"""Searching photos by words, with the real encoders over pictures that look like something to them."""

import os

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from browser.painted import ColourEncoder, embed_run, paint_market
from listing_vibes.errors import VibesError
from listing_vibes.features.photos.looks import Looks, save_looks
from listing_vibes.features.texts.text_encoder import load_text_encoder
from listing_vibes.insight.occlusion import listing_photos
from listing_vibes.insight.photo_search import FILE, PhotoSearch, photos_of, search_photos
from listing_vibes.market.market import Market
from listing_vibes.run.newcomers import Newcomers
from listing_vibes.run.run import Run


@pytest.mark.slow
def test_photos_are_looked_at_once_and_found_by_what_is_seen_in_them(tmp_path):
    run = Run.open(embed_run(paint_market(tmp_path / "market", listings=4, users=0), tmp_path / "run"))
    assert PhotoSearch.open(run) is None
    told = []
    search = PhotoSearch.make(run, told.append)
    assert (told[-1].done, told[-1].total) == (6, 6)
    again = PhotoSearch.open(run)
    assert again is not None and (run.path / FILE).is_file()
    np.testing.assert_array_equal(again.looks.shares, search.looks.shares)
    found = again.find("a lamp")
    assert sorted(found["listing_id"]) == ["l00", "l01", "l02"]  # the last one has no photo
    assert found["score"].is_monotonic_decreasing and found["seen"].str.len().gt(0).all()
    # What a photo is taken for finds it first.
    likely = again.looks.classes[3][int(np.argmax(again.looks.shares[3]))]
    name = str(again.looks.names[likely])
    best = again.find(name).iloc[0]
    assert best["score"] >= again.looks.similarity(query_of(name))[3] - 1e-6
    with pytest.raises(VibesError, match="description is empty"):
        again.find("  ")


def test_a_photo_finds_the_listings_that_look_like_it_under_rules(tmp_path):
    market = paint_market(tmp_path / "market", listings=7, users=0, photos=1)
    run = Run.open(embed_run(market, tmp_path / "run"))
    file = market / run.market.cover["l02"]
    newcomers = Newcomers(run, lambda name: ColourEncoder())
    for photo in (file, file.read_bytes()):
        found = search_photos(run, k=3, photo=photo, newcomers=newcomers)
        assert (
            found["listing_id"].iloc[0] == "l02"
            and found["score"].is_monotonic_decreasing
            and len(found) == 3
        )
    blocked = search_photos(run, photo=file, rules={"block": ["l02"]}, newcomers=newcomers)
    assert sorted(blocked["listing_id"]) == ["l00", "l01", "l03", "l04", "l05"]
    (tmp_path / "torn.webp").write_bytes(b"torn")
    for wrong in (
        {"photo": tmp_path / "torn.webp"},
        {"photo": tmp_path / "none"},
        {"words": "bed", "photo": file},
    ):
        with pytest.raises(VibesError):
            search_photos(run, newcomers=newcomers, **wrong)


def test_a_listing_is_ranked_by_its_best_photo_not_by_the_mean_of_all(tmp_path):
    market = paint_market(tmp_path / "market", listings=9, users=0, photos=3)
    run = Run.open(embed_run(market, tmp_path / "run"))
    paths = run.market.photos[run.market.photos["listing_id"] == "l04"]["path"].tolist()
    newcomers = Newcomers(run, lambda name: ColourEncoder())
    for position, path in enumerate(paths):
        found = search_photos(run, photo=market / path, newcomers=newcomers)
        assert found[["listing_id", "photo"]].iloc[0].tolist() == ["l04", position]
        assert found["score"].iloc[0] == pytest.approx(1, abs=1e-3) and found["score"].is_monotonic_decreasing
        vector = newcomers.encode({}, [(market / path).read_bytes()], ["photos"]).vectors["photos"]
        for listing, photo, score in found[["listing_id", "photo", "score"]].itertuples(index=False):
            positions, vectors = listing_photos(run, run.row(listing))
            cosines = vectors @ vector
            assert score == pytest.approx(cosines.max(), abs=1e-5)
            assert cosines[positions.tolist().index(photo)] == pytest.approx(score, abs=1e-5)


def test_words_are_offered_for_what_many_photos_show():
    classes = np.r_[np.zeros(100, np.int16), np.ones(3, np.int16), np.full(97, 2, np.int16)][:, None]
    names = np.array(["sofa", "prison", "bed"])
    looks = Looks(classes, np.ones((200, 1), np.float16), names, np.ones((3, 4)), np.array(["t"]))
    assert looks.frequent(8) == ["sofa", "bed"]


def query_of(text):
    return load_text_encoder().encode([text])[0]


def test_each_listing_comes_once_by_its_nearest_photo(tmp_path):
    run = Run.open(embed_run(paint_market(tmp_path / "market", listings=3, users=0), tmp_path / "run"))
    query = query_of("sofa")
    words = np.stack([query, -query]).astype(np.float16)
    # photos l00: 0 1, l01: 0 1; the second of l01 is a sofa, the first of l00 half one
    shares = np.array([[0.5, 0.5], [0, 1], [0, 1], [1, 0]], np.float16)
    classes = np.tile(np.array([0, 1], np.int16), (4, 1))
    looks = Looks(classes, shares, np.array(["sofa", "wall"]), words, np.array([load_text_encoder().name]))
    found = PhotoSearch(run, looks).find("sofa")
    assert found[["listing_id", "photo"]].to_numpy().tolist() == [["l01", 1], ["l00", 0]]
    assert found["score"].iloc[0] == pytest.approx(1, abs=1e-3) and found["seen"].iloc[0] == "sofa"
    # No photo resembles it, so the nearest ones would be wrong; the class that a photo shows most clearly is named.
    with pytest.raises(VibesError, match=r"tax declaration.*'wall'"):
        PhotoSearch(run, looks).find("tax declaration")
    listings = run.market.listings["listing_id"]
    assert PhotoSearch(run, looks).find("sofa", (listings != "l01").to_numpy())["listing_id"].tolist() == [
        "l00"
    ]
    seen = []
    object.__setattr__(looks, "seen", lambda photos, query: seen.extend(photos) or ["sofa"])
    assert search_photos(run, "sofa", k=1, photos=PhotoSearch(run, looks))["listing_id"].tolist() == [
        "l01"
    ] and seen == [3]


def test_what_was_seen_is_kept_as_long_as_the_photos_are_the_same(tmp_path):
    path = paint_market(tmp_path / "market", listings=3)
    run = Run.open(embed_run(path, tmp_path / "run"))
    photo = Market.open(path).photos["path"].iloc[0]
    count = len(run.market.photos)
    looks = Looks(np.zeros((count, 1), np.int16), np.ones((count, 1), np.float16), np.array(["sofa"]), np.ones((1, 4)), np.array(["t"]))  # fmt: skip
    save_looks(looks, run.path / FILE, photos_of(run.market))
    assert PhotoSearch.open(run) is not None
    pd.read_parquet(path / "events.parquet").iloc[:-1].to_parquet(path / "events.parquet", index=False)
    again = Run.open(run.path)
    assert again.market.fingerprint != run.market.fingerprint and PhotoSearch.open(again) is not None
    os.utime(path / photo, (1, 1))
    assert PhotoSearch.open(again) is not None
    with (path / photo).open("ab") as stream:
        stream.write(b"more")
    assert PhotoSearch.open(Run.open(run.path)) is None


def test_a_look_finds_what_its_rules_let_be_found(tmp_path):
    run = Run.open(
        embed_run(paint_market(tmp_path / "market", listings=7, users=2, ending=True), tmp_path / "run")
    )
    count = len(run.market.photos)
    looks = Looks(
        np.zeros((count, 1), np.int16), np.linspace(0.9, 0.1, count).astype(np.float16)[:, None],
        np.array(["sofa"]), query_of("sofa")[None].astype(np.float16), np.array([load_text_encoder().name]),
    )  # fmt: skip
    prices, all_of_them = (
        run.market.listings.set_index("listing_id")["price"],
        [f"l0{row}" for row in range(6)],
    )

    def found(at=None, **rules):
        return search_photos(run, "sofa", at=at, rules=rules, photos=PhotoSearch(run, looks))[
            "listing_id"
        ].tolist()

    assert sorted(found()) == sorted(found("2024-03-03", live_only=True)) == all_of_them
    assert sorted(found("2024-03-05", live_only=True)) == all_of_them[1:]  # the first one ended
    assert sorted(found("2024-03-05")) == all_of_them
    assert sorted(found(where=["price<=110"])) == [one for one in all_of_them if prices[one] <= 110] != []
    assert sorted(found(block=["l02", "l04"])) == ["l00", "l01", "l03", "l05"]
    with pytest.raises(
        VibesError, match="The rules have 'diversity'; a search takes live_only, where, block"
    ):
        found(diversity=0.5)


def test_a_color_finds_covers_that_have_it_the_purest_first(tmp_path):
    market = paint_market(tmp_path / "market", listings=6, users=0, photos=2)
    painted = {"l00": ("red",), "l01": ("blue",), "l02": ("red", "blue"), "l03": ("blue",)}
    run = Run.open(embed_run(market, tmp_path / "run"))
    for listing in run.market.cover:
        image = Image.new("RGB", (40, 40), "black")
        colors = painted.get(listing, ())
        for at, color in enumerate(colors):
            image.paste(color, (0, 40 * at // len(colors), 40, 40))
        image.save(market / run.market.cover[listing])
    number = len(run.market.photos)
    looks = Looks(
        np.zeros((number, 1), np.int16),
        np.ones((number, 1), np.float16),
        np.array(["sofa"]),
        np.ones((1, 4)),
        np.array(["t"]),
    )
    search = PhotoSearch(run, looks)
    found = search_photos(run, " Blue tones", photos=search)
    assert found["listing_id"].tolist() == ["l01", "l03", "l02"] and found["score"].tolist() == [1, 1, 0.5]
    assert search_photos(run, "blue tones", k=1, rules={"block": ["l01"]}, photos=search)[
        "listing_id"
    ].tolist() == ["l03"]
    assert search.offers(8) == [
        ("sofa", "l00", 0),
        ("dark tones", "l04", 0),
        ("red tones", "l00", 0),
        ("blue tones", "l01", 0),
    ]
