"""Listings as one picture: each photo in its place, and what is asked for wrongly is said."""

import io

import pytest
from PIL import Image

from browser.painted import colour_of, embed_run, paint_market
from listing_vibes import Run, photo_sheet
from listing_vibes.errors import VibesError
from listing_vibes.insight import sheet as module
from listing_vibes.insight.sheet import GAP, MARGIN, WIDTH


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sheet")
    return Run.open(embed_run(paint_market(folder / "market", listings=9, photos=1, users=2), folder / "run"))


def test_every_photo_stands_in_its_place(run):
    with Image.open(io.BytesIO(photo_sheet(run, [f"l{row:02d}" for row in (3, 1, 8, 0, 5)]))) as sheet:
        high = WIDTH * 3 // 4
        assert sheet.width == 2 * MARGIN + 4 * WIDTH + 3 * GAP
        for place, row in enumerate((3, 1, None, 0)):  # the last listing of the market has no photo
            seen = sheet.getpixel((MARGIN + place * (WIDTH + GAP) + 30, MARGIN + high // 3))
            painted = (238, 241, 240) if row is None else colour_of(row, 0, 1)
            assert max(abs(a - b) for a, b in zip(seen, painted, strict=True)) < 16, place


def test_lines_and_a_title_take_their_room_and_letters_of_other_languages_are_drawn(run):
    sizes = []
    for lines, title in (([], ""), (["Zażółć gęślą", "€ 90"], ""), (["a", "b"], "Alike " * 60)):
        with Image.open(io.BytesIO(photo_sheet(run, ["l00", "l01"], lines, title))) as sheet:
            sizes.append(sheet.size)
    assert sizes[0][0] == sizes[1][0] == sizes[2][0]
    assert sizes[0][1] < sizes[1][1] < sizes[2][1]


def test_each_listing_has_its_own_title_and_line(run, monkeypatch):
    written, draw = [], module._line
    monkeypatch.setattr(module, "_line", lambda *told: written.append(told[2]) or draw(*told))
    photo_sheet(run, ["l03", "l01", "l05"], ["first", "second", "third"], "All")
    titles = [module.title_of(run.market, one) for one in ("l03", "l01", "l05")]
    parts = " ".join(written).removeprefix("All ")
    assert parts == " ".join(
        f"{title} {line}" for title, line in zip(titles, ("first", "second", "third"), strict=True)
    )


def test_what_cannot_be_drawn_is_said(run):
    with pytest.raises(VibesError, match="holds 1 to 120 listings, and 0 were given"):
        photo_sheet(run, [])
    with pytest.raises(VibesError, match="no listing 'x'"):
        photo_sheet(run, ["x"])
    with pytest.raises(VibesError, match="1 lines were given for 2 listings"):
        photo_sheet(run, ["l00", "l01"], ["one"])
