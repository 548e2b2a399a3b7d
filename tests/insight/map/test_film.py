"""The film of a map: a picture a day, with what was live and what was touched in it."""

import io

import numpy as np
import pytest
from PIL import Image, ImageFont

from browser.mapped import write_map
from helpers.copies import copied
from listing_vibes import Run, VibesError
from listing_vibes.insight.days import MarketDays
from listing_vibes.insight.map import film as module
from listing_vibes.insight.map.film import FIRST, GONE, HEIGHT, INK, WIDTH, _picture, _pixels, film
from listing_vibes.market.log import DAY
from listing_vibes.market.splits import Catalogue


@pytest.fixture(scope="module")
def mapped(trained, tmp_path_factory):
    run = copied(trained, tmp_path_factory.mktemp("film"))
    write_map(run.path)
    return Run.open(run.path)


def colours(picture):
    return np.unique(np.asarray(picture.convert("RGB")).reshape(-1, 3), axis=0).tolist()


@pytest.mark.slow
def test_it_has_a_picture_a_day_up_to_so_many(mapped, monkeypatch):
    days = MarketDays.of(mapped.log, mapped.catalogue)
    monkeypatch.setattr(module, "FRAMES", 6)
    made = film(mapped)
    assert made == film(mapped, "model")  # without photos the first space
    with Image.open(io.BytesIO(made)) as picture:
        step = -(-len(days) // 6)
        assert picture.n_frames == len([*range(0, len(days) - 1, step)]) + 1
        assert picture.size == (WIDTH, HEIGHT)
        picture.seek(picture.n_frames - 1)
        last = np.asarray(picture.convert("RGB")).astype(int)
        shown = colours(picture)
    assert shown != [[255, 255, 255]]
    gone = [int(module.COLOURS[GONE][at : at + 2], 16) for at in (1, 3, 5)]
    assert gone in shown and last[-2, -2].tolist() == [11, 18, 20]  # the line of the days is at its end


@pytest.mark.slow
def test_as_webp_it_has_the_same_pictures(mapped, monkeypatch):
    monkeypatch.setattr(module, "FRAMES", 3)
    with (
        Image.open(io.BytesIO(film(mapped))) as gif,
        Image.open(io.BytesIO(film(mapped, None, "webp"))) as webp,
    ):
        assert (webp.format, webp.n_frames) == ("WEBP", gif.n_frames)
        for number in range(gif.n_frames):
            gif.seek(number)
            webp.seek(number)
            assert np.array_equal(np.asarray(gif.convert("RGB")), np.asarray(webp.convert("RGB")))


def test_on_a_day_what_is_live_has_its_colour_what_is_not_has_none_and_what_was_touched_a_rim(make_log):
    log = make_log([0, 0], [0, 1], [10 * DAY, 11 * DAY], 3, 1)
    live = Catalogue(np.array([0, 0, 11 * DAY]), np.array([11 * DAY, 20 * DAY, 20 * DAY]))
    days, rows = MarketDays.of(log, live), np.array([2, 0, 1])
    where = _pixels(np.array([[0.0, 1.0], [1.0, 0.0], [1.0, 1.0]]))
    assert (
        where[0, 0] < where[1, 0] == where[2, 0] and where[0, 1] == where[2, 1] < where[1, 1]
    )  # y points up
    for day, seen, touched in ((0, [GONE, FIRST + 1, FIRST + 2], 1), (1, [FIRST, GONE, FIRST + 2], 2)):
        pixels = np.asarray(
            _picture(days, day, rows, where, FIRST + np.arange(3), ImageFont.load_default(22))
        )
        assert [pixels[y, x] for x, y in where] == seen
        assert [pixels[y, x + 4] == INK for x, y in where] == [place == touched for place in range(3)]
        assert pixels[HEIGHT - 1, WIDTH * (day + 1) // 2 - 1] == INK and (pixels[HEIGHT - 1, -1] == INK) == (
            day == 1
        )


def test_what_cannot_be_filmed_is_told(mapped, bare):
    with pytest.raises(VibesError, match="no map of the space 'photos'"):
        film(mapped, "photos")
    with pytest.raises(VibesError, match="no days to go through"):
        film(bare)


def test_a_market_too_small_for_a_map_is_told_as_that(mapped, monkeypatch):
    monkeypatch.setattr(module, "read_map", lambda run: None)
    monkeypatch.setattr(module, "save_map", lambda run, report: None)
    with pytest.raises(VibesError, match="has no map, as no space of it knows 5 listings"):
        film(mapped)


@pytest.mark.slow
def test_it_tells_how_far_it_is_of_a_map_that_is_drawn_first_too(trained, tmp_path, monkeypatch):
    run, told = Run.open(copied(trained, tmp_path).path), []
    monkeypatch.setattr(module, "FRAMES", 3)
    film(run, report=told.append)
    names = list(dict.fromkeys(one.what for one in told))
    assert names[0].startswith("comparing listings") and names[-1] == "pictures"
    assert (told[-1].done, told[-1].total) == (len([one for one in told if one.what == "pictures"]),) * 2
