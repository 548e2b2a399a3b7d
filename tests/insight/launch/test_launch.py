"""What a listing would find, against slow counts: places, single changes, covers, drafts of files."""

import json

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from browser.painted import paint_market, train_run
from listing_vibes import Market, Run, VibesError, launch
from listing_vibes.cli import app
from listing_vibes.insight.audience import Crowd
from listing_vibes.insight.drafts import (
    Draft,
    comparable,
    explained_variance,
    launch_code,
    launch_document,
    missing_category,
    single_changes,
    trial_range,
)
from listing_vibes.insight.launch import best_price, changed_values, gains, price_curve
from listing_vibes.market.writer import write_market
from listing_vibes.run.newcomers import Newcomers


@pytest.fixture(scope="module")
def crowd(trained):
    return Crowd.of(trained, limit=60, k=10)


@pytest.fixture(scope="module")
def newcomers(trained):
    return Newcomers(trained)


@pytest.mark.parametrize("nth", [0, 1])
def test_places_are_those_of_the_slow_count(trained, crowd, nth):
    live = np.flatnonzero(trained.catalogue.live(crowd.people.at))
    touched = np.bincount(trained.log.listing, minlength=len(trained.listing_ids))
    row = int(live[0] if nth == 0 else live[touched[live].argmax()])  # and one that many touched
    vector = trained.vectors("model")[row]
    listing, slow = trained.listing_ids[row], {}
    for name in set(crowd.people.ids) - set(had_by(trained, listing)):
        slow[name] = 1 + trained.recommend(name, k=1000, blend="nothing")["listing_id"].tolist().index(
            listing
        )
    place, _ = crowd.ranks(vector[None], row)
    for name, mine in zip(crowd.people.ids, place[:, 0], strict=True):
        assert mine == (min(slow[name], 11) if name in slow else 0)
    table = launch(trained, trained.listing_ids[row], advise=False, crowd=crowd).audience
    assert table["rank"].is_monotonic_increasing and set(table["user_id"]) == {
        name for name in slow if slow[name] <= 10
    }


def test_the_typical_audience_is_the_median_of_the_active_listings(trained, crowd):
    active = np.flatnonzero(trained.index("model").known & trained.catalogue.live(crowd.people.at))
    sizes = [
        len(launch(trained, trained.listing_ids[row], advise=False, crowd=crowd).audience) for row in active
    ]
    assert crowd.typical_audience() == np.median(sizes) / len(crowd.people)


def had_by(run, listing: str) -> list[str]:
    """Return the users with a listing in their history."""
    events = run.market.events
    return events[events["listing_id"] == listing]["user_id"].tolist()


def test_a_change_changes_one_attribute_and_titles_and_places_stay(trained):
    draft = Draft.of_listing(trained.market, "home-0003")
    changes = list(single_changes(trained.market, draft, np.ones(len(trained.listing_ids), bool)))
    assert {one.attribute for one in changes} == {
        "deal", "district", "building", "rooms", "area_m2", "floor", "built", "price", "balcony", "pets",
    }  # fmt: skip
    for one in changes:
        different = {name for name in one.cells if one.cells[name] != draft.cells.get(name)}
        assert different == {one.attribute} and one.after != one.before


def test_gains_are_counted_and_their_intervals_are_those_of_resampled_users(crowd, trained):
    vectors = trained.vectors("model")
    base, others = vectors[3][None], vectors[[3, 7, 20]]
    found = gains(crowd, base, others)
    before = crowd.is_reached(crowd.ranks(base)[0])[:, 0]
    assert found.iloc[0].tolist() == [before.mean(), 0, 0, 0]
    rng = np.random.default_rng(1)
    for row, vector in zip(found.itertuples(), others, strict=True):
        after = crowd.is_reached(crowd.ranks(vector[None])[0])[:, 0]
        apart = after.astype(int) - before
        assert row.audience == after.mean() and row.gain == pytest.approx(apart.mean())
        draws = [apart[rng.integers(0, len(apart), len(apart))].mean() for _ in range(2000)]
        np.testing.assert_allclose([row.low, row.high], np.quantile(draws, [0.025, 0.975]), atol=0.035)


def test_changes_of_a_listing_as_it_stands_are_counted_over_its_audience(trained, crowd, newcomers):
    row = int(np.bincount(trained.log.listing).argmax())  # one in many histories
    vector = trained.vectors("model")[row][None]
    found = launch(trained, trained.listing_ids[row], crowd=crowd, newcomers=newcomers)
    np.testing.assert_allclose(found.changes["audience"] - found.changes["gain"], found.share)
    assert gains(crowd, vector, vector, row).iloc[0].tolist() == [found.share, 0, 0, 0]
    assert "One change at a time" in found.to_text(trained)


def test_the_curve_of_prices_is_the_audience_at_each_price(trained, crowd, newcomers):
    draft, options = Draft.of_listing(trained.market, "home-0003"), {"crowd": crowd, "newcomers": newcomers}
    curve = price_curve(trained, draft, crowd, newcomers)
    low, high, _ = trial_range(trained.market, draft.cells, "price")
    assert curve["price"].is_monotonic_increasing and curve["price"].between(low, high).all()
    assert draft.cells["price"] in curve["price"].tolist() and len(curve) > 10
    assert (curve["low"] <= curve["audience"]).all() and (curve["audience"] <= curve["high"]).all()
    for line in curve.iloc[[0, 12, -1]].itertuples():
        there = Draft({**draft.cells, "price": line.price}, draft.photos)
        assert launch(trained, there, advise=False, **options).share == line.audience
    best, now = curve.loc[curve["audience"].idxmax()], launch(trained, draft, **options)
    assert f"{best.price:,.0f}" in best_price(trained, curve, -1) and "not a cause" in best_price(
        trained, curve, -1
    )
    assert "No other" in best_price(trained, curve, 1)
    assert now.to_dict()["prices"] == curve.to_dict("records")
    assert best_price(trained, curve, now.share) in now.to_text(trained)


def test_ids_are_not_changed(tmp_path):
    market = Market.open(paint_market(tmp_path / "market", users=4))
    hosts = [f"c0ffee00c0ffee0{row % 2}" for row in range(len(market.listings))]
    write_market(market.path, market.config, market.listings.assign(host=hosts), market.photos, market.events)
    run = Run.open(train_run(market.path, tmp_path / "run"))
    tried = set(launch(run, "l03").changes["attribute"])
    assert (
        "host" in {item.name for item in run.market.attributes} and "host" not in tried and "price" in tried
    )


def test_each_changed_value_is_measured_by_undoing_it_alone(trained, crowd, newcomers):
    start = Draft.of_listing(trained.market, "home-0003").cells
    other = next(value for value in trained.market.listings["district"] if value != start["district"])
    cells = {**start, "price": 2 * start["price"], "district": other}
    del cells["rooms"]
    changed = changed_values(trained, Draft(cells), start, crowd, newcomers)
    assert sorted(changed["attribute"]) == ["district", "price", "rooms"]
    assert changed["gain"].abs().is_monotonic_decreasing
    now = launch(trained, Draft(cells), advise=False, crowd=crowd, newcomers=newcomers).share
    for change in changed.itertuples():
        undone = Draft({**cells, change.attribute: start[change.attribute]})
        share = launch(trained, undone, advise=False, crowd=crowd, newcomers=newcomers).share
        assert (change.audience, change.gain) == (share, pytest.approx(now - share))
        assert change.low <= change.gain <= change.high and change.before == start[change.attribute]
    assert changed_values(trained, Draft(start), start, crowd, newcomers).empty


def test_a_listing_and_a_draft_tell_the_same_by_name_values_file_and_command(
    trained, crowd, newcomers, tmp_path
):
    options = {"crowd": crowd, "newcomers": newcomers, "advise": False}
    whole = launch(trained, "home-0003", **options)
    assert whole.population.sample == len(crowd.people) and "home-0003" not in set(
        whole.competitors["listing_id"]
    )
    live = set(np.array(trained.listing_ids)[trained.catalogue.live(crowd.people.at)])
    assert set(whole.competitors["listing_id"]) <= live
    cells = {**Draft.of_listing(trained.market, "home-0003").cells, "price": 700.0}
    del cells["pets"]
    expected = launch(trained, Draft(cells), **options)
    document = launch_document(trained.market, cells, "home-0003", photos=True)
    assert document == {"like": "home-0003", "price": 700.0, "pets": None}
    assert launch(trained, document, **options).audience.equals(expected.audience)
    path = tmp_path / "listing.json"
    path.write_text(json.dumps(document))
    names: dict = {}
    exec(launch_code(document, str(trained.path)), names)
    done = CliRunner().invoke(app, ["launch", str(trained.path), str(path), "--json"])
    assert done.exit_code == 0, done.stderr
    told, all_users = json.loads(done.stdout), names["result"]
    assert told["audience"] == all_users.share and told["changes"] == all_users.to_dict()["changes"]
    assert told["changes"][0]["gain"] == max(one["gain"] for one in told["changes"])


@pytest.mark.parametrize(
    "content",
    [
        "{", "[1]", '{"like": "nobody"}', '{"photos": "a.jpg"}', '{"photos": ["a.jpg"]}', '{"photos": ["listing.json"]}',
        '{"latitude": 50.0}', '{"taste": 1}', '{"price": "cheap"}', '{"cover": 2}',
    ],
)  # fmt: skip
def test_a_file_that_is_no_listing_is_refused(trained, crowd, newcomers, tmp_path, content):
    path = tmp_path / "listing.json"
    path.write_text(content)
    with pytest.raises(VibesError):
        draft = Draft.of_file(trained.market, path)
        launch(trained, draft, advise=False, crowd=crowd, newcomers=newcomers)


def test_values_given_as_text_are_changed_as_what_they_say():
    listings = pd.DataFrame(
        {
            "listing_id": [f"l{row}" for row in range(30)],
            "skills": [["sql", "python"], ["sql"], ["c"]] * 10,
            "price": [f"{900 + 10 * row}.50" for row in range(30)],
            "remote": ["yes", "no", "yes"] * 10,
        }
    )
    market = Market.from_frames(listings, attributes={"skills": {"kind": "multi"}})
    draft = Draft.of_mapping(market, {"skills": "python|sql", "price": "1000.50", "remote": "yes"})
    assert draft.cells == {"skills": ["python", "sql"], "price": 1000.5, "remote": True}
    assert "skills" not in Draft.of_mapping(market, {"like": "l1", "skills": " "}).cells
    changes = list(single_changes(market, draft, np.ones(30, bool)))
    after = {name: [one.after for one in changes if one.attribute == name] for name in draft.cells}
    assert after["skills"] == [["python"], ["sql"], ["python", "sql", "c"]]
    assert 1101.0 in after["price"] and after["remote"] == [False]


def deals(rng: np.random.Generator) -> Market:
    """Rents and sales, whose prices lie far apart; colors that say nothing of them."""
    count = 120
    rent = np.arange(count) % 3 > 0
    price = np.where(rent, rng.uniform(400, 2_000, count), rng.uniform(90_000, 400_000, count))
    frame = pd.DataFrame(
        {
            "listing_id": [f"l{row}" for row in range(count)],
            "deal": np.where(rent, "rent", "sale"),
            "color": rng.choice(["red", "green", "blue"], count),
            "price": price.round(),
        }
    )
    return Market.from_frames(frame)


def test_only_what_live_listings_have_is_tried():
    rng, count = np.random.default_rng(0), 120
    live = np.arange(count) % 2 == 0
    frame = pd.DataFrame(
        {
            "listing_id": [f"l{row}" for row in range(count)],
            "color": np.where(live, rng.choice(["red", "green"], count), "gold"),
            "extras": [["pool"] if one else ["moat"] for one in live],
            "price": np.where(live, rng.uniform(400, 2_000, count), rng.uniform(5_000, 9_000, count)).round(),
        }
    )
    market = Market.from_frames(frame, attributes={"extras": "multi"})
    tried: dict[str, list] = {}
    for one in single_changes(market, Draft({"price": 1_900.0}), live):
        tried.setdefault(one.attribute, []).append(one.after)
    assert sorted(tried["color"]) == ["green", "red"] and tried["extras"] == [["pool"]]
    low, high = np.quantile(frame["price"][live], [0.05, 0.95])
    assert len(tried["price"]) > 4 and low <= min(tried["price"]) <= max(tried["price"]) <= high


def test_an_amount_is_compared_with_those_of_its_kind_alone():
    market = deals(np.random.default_rng(0))
    rents = (market.listings["deal"] == "rent").to_numpy()
    assert (comparable(market, {"deal": "rent", "color": "red"}, "price") == rents).all()
    assert (comparable(market, {"deal": "sale"}, "price") == ~rents).all()
    for cells in ({}, {"color": "red"}, {"deal": "swap"}, {"deal": None}):
        assert comparable(market, cells, "price").all()
    for cells in ({"color": "red"}, {"deal": None}):  # whether 900 is much or little depends on the deal
        assert missing_category(market, cells, "price").name == "deal"
    assert missing_category(market, {"deal": "rent"}, "price") is None
    assert trial_range(market, {"deal": "rent", "price": 900.0}, "price")[1] <= 2_000
    draft = Draft({"deal": "rent", "color": "red", "price": 900.0})
    tried = [
        one.after
        for one in single_changes(market, draft, np.ones(len(rents), bool))
        if one.attribute == "price"
    ]
    assert tried and max(tried) <= 2_000
    number, group = pd.Series([1.0, 2.0, 9.0, 10.0, 11.0]), pd.Series([0, 0, 1, 1, 1])
    within = ((number - np.array([1.5, 1.5, 10, 10, 10])) ** 2).sum()
    assert explained_variance(number, group) == pytest.approx(
        1 - within / ((number - number.mean()) ** 2).sum()
    )
    assert explained_variance(pd.Series(np.ones(4)), pd.Series([0, 0, 1, 1])) == 0
