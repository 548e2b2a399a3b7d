"""The vibe map: groups, regions and colours, and every state in which there is no map."""

import os
import shutil
import time

import numpy as np
import pandas as pd
import pytest
from looking import components, texts
from safetensors.numpy import load_file, save_file

from browser.mapped import short_run, write_map
from browser.painted import embed_run, paint_market
from helpers.copies import resealed
from listing_vibes import Run, demand
from listing_vibes.insight.days import MarketDays
from listing_vibes.insight.map.region import grid_places, inside, read_outline
from listing_vibes.insight.probes import probe_run
from listing_vibes_app.app_pages.map import drawing_job

pytestmark = pytest.mark.slow


@pytest.fixture
def mapped(trained, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(trained, run)
    shutil.copytree(trained.parent / "market", tmp_path / "market")
    write_map(run)
    return run


def places(run, space):
    frame = pd.read_parquet(run / "map.parquet")
    frame = frame[frame["space"] == space].reset_index(drop=True)
    return frame, grid_places(frame[["x", "y"]].to_numpy())


LEFT = "-10,-10;25000,-10;25000,50000;-10,50000"


def test_it_opens_on_the_photos(show, mapped):
    (shown,) = components(show("map", mapped), "vibe_map")
    assert shown["places"].startswith("/points/run/photos/places?v=") and shown["n"] == 11


def test_the_map_has_addresses_labels_and_a_legend(show, mapped):
    page = show("map", mapped, space="model")
    (shown,) = components(page, "vibe_map")
    assert shown["n"] == 12 and shown["outline"] == "" and shown["group"] is None
    assert shown["places"].startswith("/points/run/model/places?v=")
    assert "{number}" in shown["listing"]
    assert len(shown["labels"]) == 2
    assert [(code, count) for _, code, count in shown["legend"]] == [(0, 6), (1, 5), (8, 1)]
    assert "12 listings by what the trained model has learned" in texts(page)


def test_groups_show_their_most_typical_photos_and_lead_to_their_region(show, mapped):
    page = show("map", mapped, space="model")
    strips = components(page, "gallery")
    assert len(strips) == 2 and len(strips[0]["cards"]) == 6
    assert all(card["alt"].startswith("Home") for card in strips[0]["cards"])
    page.button(key="look-1").click().run()
    assert page.query_params == {"space": "model", "group": "1"}
    (shown,) = components(page, "vibe_map")
    assert shown["group"] == 1
    assert "**5 listings**, 41.7% of the map" in texts(page)
    assert page.header[0].value.replace("\\", "") == shown["labels"][1]["text"]


def test_a_group_whose_listings_have_all_gone_is_left_out(show, mapped):
    frame = pd.read_parquet(mapped / "map.parquet")
    frame.loc[frame["cluster"] == 0, "cluster"] = -1
    frame.to_parquet(mapped / "map.parquet", index=False)
    page = show("map", mapped, space="model")
    (shown,) = components(page, "vibe_map")
    assert len(shown["labels"]) == 1 and "1 group; 7 listings lie between them" in texts(page)
    assert len(components(page, "gallery")) == 1 and not page.error


def test_a_region_is_exactly_what_lies_inside_the_line(show, mapped):
    page = show("map", mapped, space="model", region=LEFT)
    frame, grid = places(mapped, "model")
    expected = frame["listing_id"][inside(grid, read_outline(LEFT))].tolist()
    assert 0 < len(expected) < 12
    photos = components(page, "gallery")[0]
    assert [card["href"].split("listing=")[1] for card in photos["cards"]] == expected
    assert f"**{len(expected)} listings**" in texts(page)
    table = page.table[0].value
    assert table["Attribute"].tolist() == [
        "Room type, most frequent", "Price per night, median", "Amenities, median number", "Year built, median",
    ]  # fmt: skip
    assert len(page.dataframe[0].value) == len(expected)
    assert [button.label for button in page.get("download_button")][-2:] == ["CSV", "Parquet"]
    page.button(key="forget").click().run()
    assert page.query_params == {"space": "model"} and not page.dataframe


def test_a_drawn_region_goes_before_a_group_and_another_space_forgets_both(show, mapped):
    page = show("map", mapped, region=LEFT, group="1")
    assert components(page, "vibe_map")[0]["outline"] == LEFT
    page.segmented_control(key="space").set_value("attributes").run()
    assert page.query_params == {"space": "attributes"}


def test_an_empty_region_says_so_with_a_way_out(show, mapped):
    page = show("map", mapped, region="49990,0;50000,0;50000,5")
    assert "No listing lies in this region" in texts(page)
    page.button(key="forget-empty").click().run()
    assert page.query_params == {}


def test_a_broken_region_in_the_link_is_told(show, mapped):
    page = show("map", mapped, region="1,2;zebra")
    assert "The region in the link cannot be read" in texts(page)
    assert components(page, "vibe_map")[0]["outline"] == ""


def test_colours_follow_the_choice_and_the_url(show, mapped):
    page = show("map", mapped)
    page.selectbox(key="by").set_value("price").run()
    assert page.query_params == {"by": "price"}
    (shown,) = components(page, "vibe_map")
    assert shown["legend"][0][0] == "€80 to €100" and "by=price" in shown["colours"]
    assert components(show("map", mapped, by="nonsense"), "vibe_map")[0]["legend"][-1][1] == 8


def until(what, seconds=30.0):
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, "nothing came of it"
        time.sleep(0.05)


def test_no_map_yet_shows_the_work_and_then_the_map(show, trained, tmp_path, monkeypatch):
    run = tmp_path / "run"
    shutil.copytree(trained, run)
    shutil.copytree(trained.parent / "market", tmp_path / "market")
    (tmp_path / "go").write_text("")
    tells = (
        'print("a word of a library")\nprint(\'["placing listings by photos", 40, 100, 75.0]\', flush=True)\n'
    )
    waits = f"import pathlib, time\n{tells}while pathlib.Path({str(tmp_path / 'go')!r}).exists(): time.sleep(0.05)"
    monkeypatch.setattr(drawing_job, "_SCRIPT", waits)
    drawing_job.start(run)
    until(lambda: drawing_job.job_of(run).standing)
    page = show("map", run)
    assert page.status[0].label.startswith("Drawing the map")
    assert page.status[0].label.endswith("s, about 1 min left")
    (bar,) = page.get("progress")
    assert bar.proto.value == 40 and bar.proto.text == "Placing listings by photos"
    assert "12 listings in 3 spaces" in texts(page)
    job = drawing_job.job_of(run)
    assert job.at_work and drawing_job.start(run) is job
    write_map(run)
    (tmp_path / "go").unlink()
    until(lambda: not job.at_work)
    page.run()
    assert len(components(page, "vibe_map")) == 1


def test_once_a_step_is_through_no_time_is_left_of_it(trained, monkeypatch):
    waits = "import time\nprint('[\"photos\", 40, 40, 0.0]', flush=True)\ntime.sleep(60)"
    monkeypatch.setattr(drawing_job, "_SCRIPT", waits)
    job = drawing_job.start(trained)
    until(lambda: job.standing)
    assert job.left is None
    job.process.kill()
    job.process.wait()
    drawing_job.forget(trained)


def test_a_drawing_that_fails_says_why_and_can_be_tried_again(show, trained, tmp_path, monkeypatch):
    run = tmp_path / "run"
    shutil.copytree(trained, run)
    shutil.copytree(trained.parent / "market", tmp_path / "market")
    monkeypatch.setattr(drawing_job, "_SCRIPT", "import sys; sys.exit('The disk is full.')")
    drawing_job.start(run).process.wait()
    page = show("map", run)
    assert "The disk is full." in texts(page)
    monkeypatch.setattr(drawing_job, "_SCRIPT", "import time; time.sleep(60)")
    page.button(key="way-out").click().run()
    assert page.status[0].label.startswith("Drawing the map")
    drawing_job.job_of(run).process.kill()


def test_a_map_of_other_embeddings_is_drawn_anew(show, mapped, monkeypatch):
    monkeypatch.setattr(drawing_job, "_SCRIPT", "import time; time.sleep(60)")
    arrays = load_file(mapped / "listings.safetensors")
    save_file(arrays | {"photos": -arrays["photos"]}, mapped / "listings.safetensors")
    resealed(mapped)
    page = show("map", mapped)
    assert page.status and not components(page, "vibe_map")
    drawing_job.job_of(mapped).process.kill()


def test_a_copy_keeps_its_map_whatever_the_dates_of_its_files(show, mapped):
    later = (mapped / "map.parquet").stat().st_mtime + 10
    os.utime(mapped / "listings.safetensors", (later, later))
    assert len(components(show("map", mapped), "vibe_map")) == 1


def test_a_large_market_asks_before_it_draws(show, tmp_path, monkeypatch):
    market = paint_market(tmp_path / "market", listings=6, users=0, photos=0)
    run = embed_run(market, tmp_path / "run")
    monkeypatch.setattr("listing_vibes.run.run.Run.listing_ids", [f"l{row}" for row in range(20_001)])
    monkeypatch.setattr(drawing_job, "_SCRIPT", "import time; time.sleep(60)")
    page = show("map", run)
    assert "With 20,001 listings this takes some minutes" in texts(page) and not page.status
    page.button(key="draw-map").click().run()
    assert page.status[0].label.startswith("Drawing the map")
    drawing_job.job_of(run).process.kill()


def test_a_damaged_map_is_told(show, mapped):
    (mapped / "map.parquet").write_bytes(b"nonsense")
    page = show("map", mapped)
    assert "map.parquet cannot be read as a table" in page.error[0].value


def test_a_market_without_photos_and_titles_has_a_map_too(show, bare, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(bare, run)
    shutil.copytree(bare.parent / "market", tmp_path / "market")
    write_map(run)
    page = show("map", run, group="0")
    (shown,) = components(page, "vibe_map")
    assert shown["photos"] is False
    assert "There is no photo space: the market has no photos." in texts(page)
    assert components(page, "gallery")[0]["photos"] is False


def test_too_few_listings_for_a_map_are_told(show, tmp_path):
    run = embed_run(paint_market(tmp_path / "market", listings=3, users=0), tmp_path / "run")
    assert "A map needs at least 5 listings; this market has 3." in texts(show("map", run))


def test_a_map_without_groups_says_so(show, mapped):
    frame = pd.read_parquet(mapped / "map.parquet")
    frame.assign(cluster=np.int32(-1)).to_parquet(mapped / "map.parquet", index=False)
    page = show("map", mapped)
    assert "no group stands out" in texts(page)
    assert [box.key for box in page.selectbox] == ["by", "probe"]


@pytest.fixture(scope="module")
def thirty(tmp_path_factory):
    folder = tmp_path_factory.mktemp("thirty")
    run = embed_run(paint_market(folder / "market", listings=30, users=0), folder / "run")
    write_map(run)
    return run


def test_the_photos_are_asked_for_a_number_when_it_is_chosen(show, thirty):
    page = show("map", thirty)
    assert "It is measured when you choose" in texts(page) and not page.dataframe
    page.selectbox(key="probe").set_value("price").run()
    assert page.query_params == {"probe": "price"}
    expected = probe_run(Run.open(thirty), ["price"]).table.set_index("space")
    told = page.dataframe[0].value.set_index("Told from")
    assert list(told.index) == ["Photos alone", "The other attributes alone", "Chance: the mean for all"]
    assert told.loc["Photos alone", "Score"] == f"{expected.loc['photos', 'value']:.2f}"
    assert told.loc["Photos alone", "Listings"] == "29"
    assert len(page.get("plotly_chart")) == 2


def test_a_day_of_the_link_goes_to_the_map_and_a_wrong_one_does_not(show, mapped):
    (shown,) = components(show("map", mapped, day="2024-03-04"), "vibe_map")
    assert (shown["days"]["at"], shown["days"]["count"]) == (3, 6)
    assert "{day}" in shown["days"]["address"]
    for wrong in ("2030-01-01", "zebra"):
        assert components(show("map", mapped, day=wrong), "vibe_map")[0]["days"]["at"] is None


def test_a_market_without_times_has_no_days(show, bare, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(bare, run)
    shutil.copytree(bare.parent / "market", tmp_path / "market")
    write_map(run)
    page = show("map", run)
    assert components(page, "vibe_map")[0]["days"] is None
    assert not page.get("download_button")


def test_unmet_demand_is_a_layer_that_the_link_keeps(show, mapped):
    page = show("map", mapped)
    assert components(page, "vibe_map")[0]["unmet"] is None
    page.toggle(key="unmet").set_value(True).run()
    assert page.query_params == {"unmet": "1"}
    assert components(page, "vibe_map")[0]["unmet"]["places"] == []
    assert "Too few listings are known in this space" in texts(page)


@pytest.fixture(scope="module")
def short(tmp_path_factory):
    """A run of ninety homes of which those of one look went after a few days, and its map."""
    return short_run(tmp_path_factory.mktemp("short"))


def test_a_place_has_figures_photos_files_and_can_be_marked(show, short):
    page = show("map", short, unmet="1")
    (layer,) = (shown["unmet"] for shown in components(page, "vibe_map"))
    (place, *_) = demand(Run.open(short)).places
    assert layer["places"][0]["name"] == place.name and layer["chosen"] is None
    assert f"{place.last.users:,.0f} of {place.last.asked} users wish for this" in texts(page).replace(
        "\\", ""
    )
    wanted, nearest = components(page, "gallery")[:2]
    assert [card["href"].split("listing=")[1].split("&")[0] for card in wanted["cards"]] == place.wanted
    assert [card["step"] for card in nearest["cards"]] == [""] * len(nearest["cards"])
    assert "No longer live" in [card["step"] for card in wanted["cards"]]
    assert {"By month, CSV", "JSON"} <= {button.label for button in page.get("download_button")}
    page.button(key="place-1").click().run()
    assert page.query_params == {"unmet": "1", "place": "1"}
    assert components(page, "vibe_map")[0]["unmet"]["chosen"] == 1
    page.toggle(key="unmet").set_value(False).run()
    assert page.query_params == {}


def test_on_a_day_groups_and_regions_count_what_was_live_then(show, short):
    run = Run.open(short)
    days = MarketDays.of(run.log, run.catalogue)
    last = len(days) - 1
    frame, _ = places(short, "photos")
    rows = [run.market.listing_row[one] for one in frame["listing_id"]]
    live, group = days.live(last)[rows], frame["cluster"].to_numpy()
    assert not live.all()
    for number in range(group.max() + 1):
        here, of_day = int((group == number).sum()), int((live & (group == number)).sum())
        said = texts(show("map", short, space="photos", day=days.date(last), group=str(number)))
        assert f"{of_day} live on" in said
        if of_day:
            share = 100 * of_day / live.sum()
            assert (
                f"**{of_day} listings**, {share:.1f}% of those live on" in said
                and f"; {here} over all days" in said
            )
        else:
            assert "None of these was live on" in said and f"{here} listings here" in said


def test_too_few_listings_for_a_probe_are_told(show, mapped):
    assert "a probe needs 20" in texts(show("map", mapped, probe="price"))
