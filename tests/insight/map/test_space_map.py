"""Maps of a run: selections as tables, names of groups, the coarse map, the street map, and histograms."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from browser.mapped import write_map
from browser.painted import embed_run, paint_market
from listing_vibes import Run, name_group, select_on_map
from listing_vibes.errors import VibesError
from listing_vibes.insight.map.facets import UNKNOWN, facets
from listing_vibes.insight.map.parts import map_part
from listing_vibes.insight.map.region import MOST, SIZE, grid_places, inside, read_outline
from listing_vibes.insight.map.space_map import LOCATION, coarse_map, load_maps
from listing_vibes.insight.map.tones import LABEL, TONES, coded_tones, tones_of
from listing_vibes.insight.map.vibe_map import (
    BEYOND,
    NEIGHBORS,
    WIDE,
    coarse_layout,
    draw_map,
    nearest_neighbors,
    place_among,
    spread_out,
    with_newcomers,
)
from listing_vibes.market.market import Market
from listing_vibes.market.writer import write_market
from listing_vibes.run.conditions import fulfilling


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("mapped")
    market = paint_market(folder / "market", listings=60, users=6)
    table = pd.read_parquet(market / "listings.parquet")
    table["latitude"] = 48 + np.arange(60) / 1000
    table["longitude"] = np.where(np.arange(60) == 7, np.nan, 11 + np.arange(60) % 5 / 1000)
    table.to_parquet(market / "listings.parquet", index=False)
    found = embed_run(market, folder / "run")
    write_map(found)
    return Run.open(found)


def test_a_selection_is_a_table_by_region_group_condition_and_day(run):
    every = select_on_map(run)
    assert len(every) == 59  # of the photos, which the last listing has none of
    group = select_on_map(run, "photos", group=1)
    cheap = select_on_map(run, "photos", group=1, where=["price<200"], day="2024-03-04")
    assert set(cheap["listing_id"]) < set(group["listing_id"]) < set(every["listing_id"])
    assert (cheap["price"] < 200).all() and group["group"].nunique() == 1
    left = select_on_map(run, "photos", region="-10,-10;25000,-10;25000,50000;-10,50000")
    assert 0 < len(left) < 59 and (left["map_x"] < 25000).all()
    for wrong in (
        {"group": 99},
        {"region": "1,2"},
        {"where": ["taste=good"]},
        {"day": "zebra"},
        {"space": "x"},
    ):
        with pytest.raises(VibesError):
            select_on_map(run, **wrong)


def test_the_street_map_has_the_listings_with_coordinates_in_the_groups_of_the_photos(run):
    maps = load_maps(run)
    street, photos = maps[LOCATION], maps["photos"]
    assert len(street.rows) == 58 and list(maps)[-1] == LOCATION
    order = np.argsort(street.places[:, 1].astype(int), kind="stable")
    assert (np.diff(street.rows[order]) > 0).all()  # north is up
    of = dict(zip(photos.ids, photos.cluster, strict=True))
    assert [of[name] for name in street.ids] == street.cluster.tolist() and street.names == photos.names
    assert street.labels() == []


def test_a_name_stays_with_the_listings_of_its_group(run):
    name_group(run, "photos", 0, "  Red\nrooms ")
    assert load_maps(run)["photos"].names[0] == load_maps(run)[LOCATION].names[0] == "Red rooms"
    assert load_maps(run)["model" if "model" in run.spaces else "attributes"].names[0] != "Red rooms"
    path = run.path / "map.parquet"
    frame = pd.read_parquet(path)
    turned = frame.assign(cluster=frame["cluster"].map({0: 1, 1: 0, -1: -1}).astype(np.int32))
    turned.attrs = frame.attrs
    turned.to_parquet(path, index=False)  # drawn again, with other numbers
    assert load_maps(run)["photos"].names[1] == "Red rooms"
    name_group(run, "photos", 1, "Rooms")
    assert load_maps(run)["photos"].names[1] == "Rooms" and "Red" not in load_maps(run)["photos"].names[0]
    name_group(run, "photos", 1, "")
    assert "Rooms" not in load_maps(run)["photos"].names
    frame.to_parquet(path, index=False)
    (run.path / "group_names.json").write_text("{broken")
    assert load_maps(run)["photos"].names
    for wrong in ((9, "x"), (0, "x" * 61)):
        with pytest.raises(VibesError):
            name_group(run, "photos", *wrong)


def test_a_coarse_map_keeps_groups_apart_and_takes_every_listing():
    rng = np.random.default_rng(0)
    vectors = np.eye(8)[np.arange(300) % 3] + rng.normal(0, 0.05, (300, 8))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    rows = np.arange(1, 300)
    places, cluster = coarse_layout(vectors.astype(np.float32), rows)
    again = coarse_layout(vectors.astype(np.float32), rows)
    assert places.shape == (299, 2) and (again[0] == places).all() and (again[1] == cluster).all()
    middle = np.stack([places[rows % 3 == group].mean(axis=0) for group in range(3)])
    away = np.linalg.norm(places[:, None] - middle, axis=2)
    assert (away.argmin(axis=1) == rows % 3).mean() > 0.95
    assert pd.crosstab(cluster, rows % 3).max(axis=1).sum() > 290  # no group mixes the kinds


def test_the_coarse_map_of_a_run_has_groups_with_names_like_a_drawn_one(run):
    coarse = coarse_map(run, "photos")
    assert len(coarse.rows) == 59 and coarse.sizes.sum() == 59 and len(coarse.names) == coarse.clusters


def test_rents_and_sales_have_an_axis_each_and_a_selection_is_ordered_by_a_number(tmp_path):
    market = paint_market(tmp_path / "market", listings=60, users=0)
    opened = Market.open(market)
    is_sale = np.arange(60) % 5 == 0
    listings = opened.listings.assign(deal=np.where(is_sale, "for sale", "rent"))
    listings["price"] = np.where(is_sale, 200_000.0, 900.0) + 10 * np.arange(60)
    listings.loc[4, "price"] = np.nan
    write_market(market, opened.config, listings, opened.photos)
    run = Run.open(embed_run(market, tmp_path / "run"))
    prices = {facet.label: facet for facet in facets(run.market, np.arange(60)) if facet.name == "price"}
    rents, sales = (prices[f"Price per night, {deal}"] for deal in ("rent", "for sale"))
    assert len(prices) == 2 and "200" in sales.bars[0] and rents.within == "deal=rent"
    for facet, holds in ((rents, ~is_sale), (sales, is_sale)):
        known = holds & listings["price"].notna()
        assert ((facet.codes != UNKNOWN) == known).all() and fulfilling(run.market, facet.within)[known].all()
        for bar in range(len(facet.bars)):
            texts = [facet.within, *(f"price>={end}" for end in facet.ends[bar - 1 : bar] if bar)]
            texts += [f"price<{end}" for end in facet.ends[bar : bar + 1]]
            met = np.logical_and.reduce([fulfilling(run.market, text) for text in texts])
            assert (met == (facet.codes == bar)).all()
    drawn = coarse_map(run, "attributes")
    order = np.frombuffer(map_part(drawn, "order", {"by": "price", "falls": "1"}), "<u4")
    sorted_ids = listings["listing_id"].iloc[np.argsort(-listings["price"], kind="stable")].tolist()
    assert np.array(drawn.ids)[order].tolist() == sorted_ids
    with pytest.raises(VibesError, match="not a number"):
        map_part(drawn, "order", {"by": "title"})


def test_each_bar_of_a_histogram_is_what_its_condition_says(run):
    market, rows = run.market, np.arange(60)[::-1]
    given = {facet.name: facet for facet in facets(market, rows)}
    assert {facet.kind for facet in given.values()} == {"number", "value", "set"} and "title" not in given
    for facet in given.values():
        for bar in range(len(facet.bars)):
            if facet.kind == "number":
                texts = [f"{facet.name}>={end}" for end in facet.ends[bar - 1 : bar] if bar]
                texts += [f"{facet.name}<{end}" for end in facet.ends[bar : bar + 1]]
            else:
                texts = [f"{facet.name}={facet.values[bar]}"]
            met = np.logical_and.reduce([fulfilling(market, text)[rows] for text in texts])
            holds = facet.codes >> bar & 1 == 1 if facet.kind == "set" else facet.codes == bar
            assert (met == holds).all(), (facet.name, bar)
        if facet.kind == "number":
            missing = market.listings[facet.name].iloc[rows].isna().to_numpy()
            assert ((facet.codes == UNKNOWN) == missing).all()


def blobs(rng: np.random.Generator, sizes: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Unit vectors (n, 16) around one direction a group, and the groups (n,)."""
    group = np.repeat(np.arange(len(sizes)), sizes)
    vectors = np.eye(16)[group] + rng.normal(0, 0.08, (len(group), 16))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32), group


def test_places_fill_the_frame_in_their_order_and_an_outlier_does_not_shrink_it():
    rng = np.random.default_rng(0)
    islands = np.concatenate([rng.normal(0, 1, (100, 2)), rng.normal(60, 1, (100, 2)), [[900.0, -900.0]]])
    found = spread_out(islands)
    for axis, length in enumerate((WIDE, 1.0)):
        order = np.argsort(islands[:, axis], kind="stable")
        assert (np.diff(found[order, axis]) >= -1e-6).all()
        assert found[:, axis].min() >= -BEYOND * length and found[:, axis].max() <= (1 + BEYOND) * length
        # Between the islands lay nine tenths of the canvas.
        assert np.diff(np.sort(found[:200, axis])).max() < 0.6 * length
    assert np.isfinite(spread_out(np.zeros((5, 2)))).all()


def test_what_is_new_stands_among_its_nearest_and_moves_nothing(trained, monkeypatch):
    space, count = "model", len(trained.listing_ids)
    rng, every = np.random.default_rng(0), np.arange(count)
    frame = pd.DataFrame({"x": rng.random(count), "y": rng.random(count), "cluster": every % 2})
    assert with_newcomers(trained, space, frame, every)[0] is frame
    vectors, places = trained.vectors(space), frame[["x", "y"]].to_numpy()
    for missing, at_once in (
        ([3, 40], 4_000_000),
        (np.arange(0, 15, 3), 2 * count),
    ):  # at once, and two at a time
        monkeypatch.setattr("listing_vibes.insight.map.vibe_map.AT_ONCE", at_once)
        old = np.delete(every, missing)
        found, rows = with_newcomers(trained, space, frame.iloc[old], old)
        assert rows.tolist() == [*old, *missing]
        pd.testing.assert_frame_equal(found[: len(old)], frame.iloc[old].reset_index(drop=True))
        for row, one in zip(missing, found[len(old) :].itertuples(), strict=True):
            near = old[np.argsort(-vectors[old] @ vectors[row])[:NEIGHBORS]]
            at, group = place_among(
                vectors[near] @ vectors[row], places[near], frame["cluster"].to_numpy()[near]
            )
            np.testing.assert_allclose([one.x, one.y], at, atol=1e-4)
            assert one.cluster == group
            assert (places[near].min(axis=0) <= at).all() and (at <= places[near].max(axis=0)).all()


@pytest.mark.parametrize("seed", range(2))
def test_another_listing_stands_at_the_weighed_mean_of_its_nearest_in_the_group_of_most_weight(seed):
    rng = np.random.default_rng(seed)
    alike, places, clusters = rng.uniform(-1, 1, 60), rng.normal(size=(60, 2)), rng.integers(-1, 3, 60)
    near = sorted(range(60), key=lambda one: -alike[one])[:NEIGHBORS]
    gaps = [alike[near[0]] - alike[one] for one in near]
    weights = [np.exp(-gap / np.mean(gaps)) for gap in gaps]
    of_group: dict[int, float] = {}
    for one, weight in zip(near, weights, strict=True):
        of_group[clusters[one]] = of_group.get(clusters[one], 0.0) + weight
    at, group = place_among(alike, places, clusters)
    np.testing.assert_allclose(at, np.average(places[near], axis=0, weights=weights))
    assert group == max(of_group, key=lambda one: of_group[one])


def test_neighbors_are_those_of_a_search_one_by_one(monkeypatch):
    vectors, _ = blobs(np.random.default_rng(3), (40, 30))
    monkeypatch.setattr("listing_vibes.insight.map.vibe_map.AT_ONCE", 7 * len(vectors))
    rows, away = nearest_neighbors(vectors, 6)
    for row, vector in enumerate(vectors):
        cosine = vectors @ vector
        assert rows[row].tolist() == np.argsort(-cosine, kind="stable")[:6].tolist() and rows[row, 0] == row
        np.testing.assert_allclose(away[row], 1 - cosine[rows[row]], atol=1e-6)
    assert (away[:, 0] == 0).all(), (
        "umap-learn takes the first distance above 0 for that to the nearest other"
    )
    assert (away >= 0).all()


@pytest.mark.slow
def test_a_group_is_of_one_kind_and_the_largest_comes_first():
    vectors, group = blobs(np.random.default_rng(0), (120, 180, 80))
    places, cluster = draw_map(vectors)
    assert places.shape == (380, 2)
    sizes = np.bincount(cluster)
    assert 3 <= len(sizes) <= 8 and (np.diff(sizes) <= 0).all() and sizes.sum() == 380
    assert pd.crosstab(cluster, group).max(axis=1).sum() >= 0.9 * 380  # a group is of one kind


@pytest.mark.slow
def test_the_same_seed_draws_the_same_map_and_a_handful_can_be_drawn():
    vectors, _ = blobs(np.random.default_rng(1), (30, 30))
    first, again, other = draw_map(vectors, 3), draw_map(vectors, 3), draw_map(vectors, 4)
    assert np.array_equal(first[0], again[0]) and np.array_equal(first[1], again[1])
    assert not np.array_equal(first[0], other[0])
    places, cluster = draw_map(vectors[:6])
    assert np.isfinite(places).all() and len(cluster) == 6


def slowly_inside(x, y, outline):
    """How often a ray to the right crosses the outline, in fractions."""
    from fractions import Fraction

    crossings = 0
    for (x1, y1), (x2, y2) in zip(outline, [*outline[1:], outline[0]], strict=True):
        if (y1 > y) != (y2 > y):
            crossings += x < Fraction((x2 - x1) * (y - y1), y2 - y1) + x1
    return crossings % 2 == 1


small = st.integers(0, 12)


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(small, small), min_size=3, max_size=8))
def test_it_agrees_with_a_slow_twin_on_every_place_of_a_grid(outline):
    places = np.array([(x, y) for x in range(13) for y in range(13)])
    expected = [slowly_inside(int(x), int(y), outline) for x, y in places]
    assert inside(places, np.array(outline)).tolist() == expected


def test_two_regions_with_a_common_edge_share_no_place_and_far_corners_do_not_overflow():
    places = np.array([(x, y) for x in range(20) for y in range(20)])
    left = inside(places, np.array([(-1, -1), (10, -1), (10, 20), (-1, 20)]))
    right = inside(places, np.array([(10, -1), (20, -1), (20, 20), (10, 20)]))
    assert (left ^ right).all() and left.sum() == 200
    places = np.array([(0, 0), (SIZE, SIZE), (SIZE, 0)], np.uint16)
    far = np.array([(-SIZE, -SIZE), (2 * SIZE, -SIZE), (2 * SIZE, 2 * SIZE), (-SIZE, 2 * SIZE)])
    assert inside(places, far).all()


def test_both_axes_have_one_scale_and_stand_in_the_middle():
    grid = grid_places(np.array([[0.0, 0.0], [10.0, 5.0], [5.0, 2.5]]))
    assert grid.tolist() == [[0, SIZE // 4], [SIZE, 3 * SIZE // 4], [SIZE // 2, SIZE // 2]]
    assert grid_places(np.zeros((2, 2))).tolist() == [[SIZE // 2] * 2] * 2
    assert grid_places(np.zeros((0, 2))).shape == (0, 2)


@pytest.mark.parametrize(
    "text",
    [
        "", "1,2;3,4", "a,b;c,d;e,f", "1,2;3,4;5", "1,2,3;4,5,6;7,8,9", "1,2;3,4;5,999999", "1.5,2;3,4;5,6", "1,2;;3,4",
        "9" * 5000 + ",1;2,3;4,5", ";".join(["1,2"] * (MOST + 1)),
    ],
)  # fmt: skip
def test_anything_else_is_no_outline(text):
    assert read_outline(text) is None
    assert read_outline("1,2;300,-4;5,60000").tolist() == [[1, 2], [300, -4], [5, 60_000]]


COLORS = {
    "white": (240, 240, 236), "gray": (128, 128, 130), "dark": (20, 22, 24), "wood": (150, 100, 60), "red": (200, 40, 40),
    "yellow": (230, 210, 60), "green": (60, 160, 70), "blue": (50, 90, 200), "purple": (150, 50, 190),
}  # fmt: skip


@pytest.fixture
def market(tmp_path):
    """Nine listings with a cover of one tone each, and one whose cover cannot be read."""
    market = Market.open(paint_market(tmp_path / "market", listings=11, photos=1, users=0))
    for (listing, cover), color in zip(sorted(market.cover.items()), COLORS.values(), strict=False):
        Image.new("RGB", (60, 40), color).save(market.path / cover)
        assert listing in market.listing_row
    (market.path / sorted(market.cover.items())[9][1]).write_bytes(b"no photo")
    return market


def test_each_tone_is_told_and_what_has_no_photo_has_none(market):
    names = sorted(market.cover)
    found = tones_of(market, [*names, "ghost"])
    bits = found["tones"].to_numpy()
    for at, tone in enumerate(TONES):
        assert int(bits[at]) >> at & 1, tone
    assert found.iloc[9:].isna().all().all()
    light = found["light"].to_numpy()
    assert light[0] > light[1] > light[2] and found["chroma"].to_numpy()[4] > found["chroma"].to_numpy()[0]


def test_tones_are_coded_for_portraits(market):
    names = sorted(market.cover)
    ((label, told, place, code),) = coded_tones(tones_of(market, names))
    tones = [told[at][0] for at in code[place == 4]]
    assert label == LABEL and "red tones" in tones and "strong colors" in tones
    assert "dark photos" in [told[at][0] for at in code[place == 2]]
    assert coded_tones(tones_of(market, ["ghost"])) == []
