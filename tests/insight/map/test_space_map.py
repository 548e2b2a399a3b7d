"""Maps of a run: selections as tables, names of groups, the coarse map, the street map, and histograms."""

import numpy as np
import pandas as pd
import pytest

from browser.mapped import write_map
from browser.painted import embed_run, paint_market
from listing_vibes import Run, name_group, select_on_map
from listing_vibes.errors import VibesError
from listing_vibes.insight.map.facets import UNKNOWN, facets
from listing_vibes.insight.map.space_map import LOCATION, coarse_map, load_maps
from listing_vibes.insight.map.vibe_map import coarse_layout
from listing_vibes.run.conditions import read_condition


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
            met = np.logical_and.reduce(
                [read_condition(market, text).fulfilled(market)[rows] for text in texts]
            )
            holds = facet.codes >> bar & 1 == 1 if facet.kind == "set" else facet.codes == bar
            assert (met == holds).all(), (facet.name, bar)
        if facet.kind == "number":
            missing = market.listings[facet.name].iloc[rows].isna().to_numpy()
            assert ((facet.codes == UNKNOWN) == missing).all()
