"""Pinned views in the report: each with its note and what it shows."""

import json
from types import SimpleNamespace
from urllib.parse import urlencode

import numpy as np
import pandas as pd
import pytest

from browser.mapped import write_map
from browser.painted import embed_run, paint_market
from helpers.commands import vibes
from listing_vibes import Run
from listing_vibes.errors import VibesError
from listing_vibes.features.photos.looks import Looks, save_looks
from listing_vibes.insight.map.vibe_map import read_map
from listing_vibes.insight.search.photo_search import FILE, photos_of
from listing_vibes.market.titles import title_of
from listing_vibes.report import pins
from listing_vibes.report.looks import listings_map
from listing_vibes.report.page import report_html
from listing_vibes.report.pins import Pin, pinned_views, pins_of, read_pins


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pins")
    found = embed_run(
        paint_market(folder / "market", listings=12, users=4, events=6, ending=True), folder / "run"
    )
    write_map(found)
    return Run.open(found)


def view(run, url):
    pin = Pin(title="One", url=url, note="a note")
    return pinned_views([pin], lambda name: run if name is None else None)[0]


@pytest.mark.slow
def test_a_list_has_its_listing_and_the_rows_of_the_page(run):
    found = view(run, "/similar?listing=l05&space=photos&k=4")
    (strip,) = found.strips
    market = run.market.listings.set_index("listing_id")["title"]
    expected = ["l05", *run.similar("l05", 4, space="photos")["listing_id"]]
    assert [one.title for one in strip.photos] == [market[one] for one in expected]
    assert strip.framed and all(one.data for one in strip.photos[:2])


def test_the_map_has_the_group_on_the_day_and_its_listings(run):
    whole, group = view(run, "/map"), view(run, "/map?group=0&day=2024-03-02")
    frame = read_map(run)
    of_photos = frame[frame["space"] == "photos"]
    assert len(whole.map.places) == len(of_photos) and not whole.strips
    members = int((of_photos["cluster"] == 0).sum())
    assert (group.map.cluster == 0).sum() == members == len(group.strips[0].photos)
    titles = run.market.listings.set_index("listing_id")["title"]
    ended = int(of_photos.set_index("listing_id")["cluster"]["l00"])  # that of the listing that goes
    later = view(run, f"/map?group={ended}&day=2024-03-04")
    left = [one for one in of_photos["listing_id"][of_photos["cluster"] == ended] if one != "l00"]
    assert [one.title for one in later.strips[0].photos] == [titles[one] for one in left] != []
    assert (later.map.cluster == 0).sum() == len(left)
    assert f"{len(of_photos)} of {len(of_photos)} listings" in group.text


def test_a_user_has_the_history_that_the_list_goes_by_the_newest_first_and_each_once(trained):
    log, ids = trained.log, trained.listing_ids
    number = int(np.argmax(np.diff(log.start)))
    user, start = log.users[number], int(log.start[number])
    history, listed = view(trained, f"/users?user={user}&at=4&k=3").strips
    newest = dict.fromkeys(ids[row] for row in log.listing[start : start + 4][::-1])
    assert history.label == f"History of {user}, newest first"
    assert [one.title for one in history.photos] == [title_of(trained.market, one) for one in newest]
    expected = trained.recommend(user, 3, pd.Timestamp(int(log.time[start + 4])))["listing_id"]
    assert [(one.title, one.line) for one in listed.photos] == [
        (title_of(trained.market, one), f"no. {place}") for place, one in enumerate(expected, 1)
    ]


def test_groups_are_called_as_on_the_page_by_what_is_seen_in_photos_as_well(run):
    market, names = run.market, np.array(["four-poster"])
    frame = read_map(run)
    group = frame[(frame["space"] == "photos") & (frame["cluster"] == 0)]["listing_id"]
    shares = np.where(market.photos["listing_id"].isin(group), 0.5, 0.0).astype(np.float16)[:, None]
    looks = Looks(np.zeros(shares.shape, np.int16), shares, names, np.eye(1), np.array(["t"]))
    before = [name for name, _ in listings_map(run)[0].groups]
    save_looks(looks, run.path / FILE, photos_of(market))
    try:
        named = [name for name, _ in listings_map(run)[0].groups]
    finally:
        (run.path / FILE).unlink()
    assert "four-poster" in named[0] and "four-poster" not in before[0]


def test_a_list_that_a_dial_moves_has_scores_and_no_similarities(run):
    plain, moved = (
        view(run, f"/similar?listing=l05&space=photos&k=4{more}").strips[0].photos[1].line
        for more in ("", "&dial=lighter 3 photos %2Bl01 -l02")
    )
    assert plain.startswith("similarity ") and moved.startswith("score ")


def test_the_legend_of_a_day_counts_what_was_live(run):
    found = view(run, "/map?day=2024-03-04")
    sizes = [one.size for one in found.map.legend]
    assert sizes == [int((found.map.cluster == number).sum()) for number in range(len(sizes))]
    assert sum(sizes) < sum(one.size for one in view(run, "/map").map.legend)


@pytest.mark.parametrize(
    "url", ["/similar?listing=l05&run=other", "/", "/similar?listing=l99", "/users", "//[x", "/cold?view=new"]
)
def test_what_cannot_be_shown_says_why(run, url):
    found = view(run, url)
    assert found.text and not found.strips and found.map is None


def test_a_draft_has_its_values_written_out_with_their_units(run, monkeypatch):
    nobody = SimpleNamespace(
        audience=[],
        users=1,
        k=30,
        median_rank=None,
        competitors=pd.DataFrame(columns=["listing_id", "score"]),
    )
    monkeypatch.setattr(pins, "launch", lambda *_, **__: nobody)
    draft = {"price": 12_500_000.0, "built_year": 1995, "title": "New", "amenities": ["Wifi", "Sauna"]}
    found = view(run, "/cold?" + urlencode({"view": "new", "draft": json.dumps(draft)}))
    assert found.facts == [
        ("Price per night (EUR)", "12,500,000"), ("Year built", "1995"), ("Title", "New"),
        ("Amenities", "Wifi, Sauna"),
    ]  # fmt: skip


@pytest.mark.slow
def test_the_report_holds_them_in_order_and_escapes_notes(run):
    pinned = [
        Pin(title="B", url="/similar?listing=l05&k=3", note="<b>bold</b>"),
        Pin(title="A", url="/map"),
    ]
    html = report_html(run, pinned)
    assert "&lt;b&gt;bold" in html and "<b>bold" not in html and "<script" not in html
    assert html.index("<bdi>B</bdi>") < html.index("<bdi>A</bdi>") < html.index("How good are")
    assert "Pinned views" not in report_html(run)


@pytest.mark.parametrize(
    "text",
    ["{", '{"url": 1}', '[{"url": "https://example.org"}]', json.dumps([{"url": "/"}] * 61), "[" * 9999],
)
def test_a_file_without_pins_is_refused(text):
    with pytest.raises(VibesError, match="pinned views"):
        pins_of(text)


def test_the_command_takes_the_file_that_the_explorer_saved(run, tmp_path):
    (tmp_path / "pins.json").write_text(json.dumps([{"title": "Mine", "url": "/map", "note": "Look"}]))
    assert read_pins(tmp_path / "pins.json") == [Pin(title="Mine", url="/map", note="Look")]
    vibes("report", run.path, tmp_path / "out.html", "--pins", tmp_path / "pins.json")
    assert "<bdi>Mine</bdi>" in (tmp_path / "out.html").read_text(encoding="utf-8")
    refused = vibes("report", run.path, tmp_path / "no.html", "--pins", tmp_path / "none", check=2)
    assert "Cannot read the pinned views" in refused.stderr and not (tmp_path / "no.html").exists()
