"""New photos: brought into the market, embedded once, and seen by the space of photos as after a full rebuild."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from tests.market.download.hosting import hosting

import listing_vibes.serving.refresh.photos as photos_module
import listing_vibes.serving.refresh.refresher as refresher_module
from listing_vibes.errors import VibesError
from listing_vibes.features.photos.files import PhotoProblem
from listing_vibes.features.photos.of_market import market_photos
from listing_vibes.market.columns import Columns as C
from listing_vibes.market.download.limits import Limits
from listing_vibes.market.market import Market
from listing_vibes.run.run import Run
from listing_vibes.run.spaces import embed_market
from listing_vibes.serving.refresh.changes import Changes
from listing_vibes.serving.refresh.files import FileSource
from listing_vibes.serving.refresh.loop import status
from listing_vibes.serving.refresh.photos import new_photos
from listing_vibes.serving.refresh.refresher import Refresher
from listing_vibes.serving.refresh.sources import Frame
from listing_vibes.serving.refresh.waiting import PENDING


@pytest.fixture
def run(tiny_market, tmp_path):
    market = Market.open(tiny_market(listings=5, users=4, photos=1))
    embed_market(market, tmp_path / "run", market_photos(market))
    return Run.open(tmp_path / "run")


@pytest.mark.slow
def test_only_photos_that_were_never_seen_are_embedded_also_before_their_listing_is_there(run, tmp_path):
    for name in ("listings", "photos/pictures"):
        (tmp_path / name).mkdir(parents=True)
    new, pictures = tmp_path / "photos", tmp_path / "photos" / "pictures"
    for number, colour in enumerate(((200, 30, 30), (30, 200, 30))):
        Image.new("RGB", (60, 40), colour).save(pictures / f"{number}.png")
    seen = run.market.path / run.market.photos[C.PATH][0]
    (pictures / "seen.jpg").write_bytes(seen.read_bytes())
    old = run.market.listings[C.LISTING][1]
    paths = [
        "pictures/1.png",
        "pictures/0.png",
        "pictures/0.png",
        "pictures/seen.jpg",
        "../run/run.toml",
        "lost.png",
    ]
    owners = ["fresh", "fresh", old, "fresh", "fresh", old]
    pd.DataFrame({C.LISTING: owners, C.POSITION: [3, 1, 1, 2, 4, 9], C.PATH: paths}).to_csv(
        new / "a.csv", index=False
    )
    sources = {name: FileSource(tmp_path / name) for name in ("listings", "photos")}
    refresher = Refresher(run.path, sources)

    look = refresher.look()

    assert (look.new, look.changed, look.encoded.photos, look.encoded.listings) == (0, 1, 1, 0)
    assert len(look.problems) == 2
    assert "outside of the market folder" in look.problems[0] and "lost.png" in look.problems[1]
    run.market.listings.iloc[[0]].assign(**{C.LISTING: "fresh"}).to_parquet(
        tmp_path / "listings" / "a.parquet"
    )
    look = refresher.look()
    assert (look.new, look.changed, look.encoded.photos) == (1, 0, 1)
    opened, market = Run.open(run.path), Market.open(run.market.path)
    mine = market.photos[market.photos[C.LISTING] == "fresh"]
    assert [(market.path / path).suffix for path in mine[C.PATH]] == [".png", ".jpg", ".png"]  # by position
    assert len(market.photos[market.photos[C.LISTING] == old]) == 2
    embed_market(market, tmp_path / "whole", market_photos(market))
    whole = Run.open(tmp_path / "whole")
    for space in ("photos", "attributes"):
        np.testing.assert_array_equal(opened.vectors(space), whole.vectors(space))
    assert not Refresher(run.path, sources).look().published


class Pictures:
    """A folder of photos for a refresh, of which a table names two: one whole, one missing or cut short."""

    def __init__(self, run: Run, folder: Path) -> None:
        self.run, self.folder, self.old = run, folder, run.market.listings[C.LISTING][1]
        folder.mkdir()
        self.sources = {"photos": FileSource(folder)}
        self.save("whole.png", (200, 30, 30))
        paths = ["whole.png", "late.png"]
        pd.DataFrame({C.LISTING: self.old, C.PATH: paths}).to_csv(folder / "a.csv", index=False)

    def save(self, name: str, colour: tuple[int, int, int]) -> bytes:
        Image.new("RGB", (60, 40), colour).save(self.folder / name)
        return (self.folder / name).read_bytes()

    def shown(self) -> int:
        return int((Market.open(self.run.market.path).photos[C.LISTING] == self.old).sum())


@pytest.fixture
def pictures(run, tmp_path):
    return Pictures(run, tmp_path / "new")


@pytest.mark.slow
def test_a_photo_that_is_cut_short_or_missing_is_tried_again_by_the_next_refresh(pictures):
    whole = pictures.save("late.png", (30, 30, 200))
    (pictures.folder / "late.png").write_bytes(whole[: len(whole) // 2])  # it is still being written
    look = Refresher(pictures.run.path, pictures.sources).look()
    assert (look.changed, look.photos_waiting, look.rejected) == (1, 1, 1) and "damaged" in look.problems[0]
    assert "1 photo waits for another try" in status(look)
    (pictures.folder / "late.png").unlink()
    look = Refresher(pictures.run.path, pictures.sources).look()
    assert (look.published, look.photos_waiting, look.problems) == (False, 1, [])  # it was told once
    (pictures.folder / "late.png").write_bytes(whole)
    look = Refresher(pictures.run.path, pictures.sources).look()
    assert (look.published, look.photos_waiting, look.encoded.photos) == (True, 0, 1)
    assert pictures.shown() == 3


@pytest.mark.slow
def test_each_wait_is_twice_the_one_before_and_after_a_day_a_photo_is_given_up(pictures, monkeypatch):
    clock, tries = [0.0], []
    market, waiting = pictures.run.market.path, pd.DataFrame()
    monkeypatch.setattr(
        "listing_vibes.serving.refresh.photos.locate", lambda *_: tries.append(clock[0]) or lost()
    )

    def lost() -> None:
        raise PhotoProblem("the file is missing")

    frames = [
        Frame("a.csv", pd.DataFrame({C.LISTING: ["1"], C.PATH: ["late.png"]}), pictures.folder, {}, 0.0)
    ]
    told = {}
    for minute in sorted({2**power + more for power in range(13) for more in (-1, 0)} - {1}):  # of two days
        clock[0], changes = minute * 60.0, Changes()
        new_photos(market, frames, waiting, None, clock[0], changes)
        waiting, frames = changes.waiting["photos"], []
        told |= dict.fromkeys(changes.problems, minute)
    assert [int(moment // 60) for moment in tries] == [0, *(2**power for power in range(1, 12))]
    ((sentence, minute),) = told.items()
    assert minute == 2048 and not len(waiting)
    assert sentence.startswith("1 photo could not be had for a day and is given up, the first 'late.png'")


@pytest.mark.slow
def test_what_a_query_tells_at_each_look_is_tried_no_oftener(pictures, monkeypatch):
    """A query gives all its rows each time; a file that is put into a folder once more is tried at once."""
    clock, tries = [0.0], []
    market, waiting = pictures.run.market.path, pd.DataFrame()

    def lost(*_) -> None:
        tries.append(clock[0])
        raise PhotoProblem("the file is missing")

    monkeypatch.setattr("listing_vibes.serving.refresh.photos.locate", lost)
    rows = pd.DataFrame({C.LISTING: ["1", "2", None], C.PATH: ["late.png", "late.png", None]})
    query = Frame("the query of --photos", rows, None, {"looked": 0.0}, 0.0)
    for minute in range(6):
        clock[0], changes = minute * 60.0, Changes()
        new_photos(market, [query], waiting, None, clock[0], changes)
        waiting = changes.waiting["photos"]
        assert len(waiting) == 2 and len(changes.taken) == 1
    assert [int(moment // 60) for moment in tries] == [0, 0, 1, 1, 2, 2, 4, 4]
    file = Frame("a.csv", rows[:1], None, {"files": {"a.csv": [1, 1]}}, 0.0)
    new_photos(market, [file], waiting, None, clock[0], Changes())
    assert len(tries) == 9


@pytest.mark.slow
def test_a_photo_whose_address_gave_none_is_fetched_by_the_next_look(pictures):
    limits = Limits(private=True, delay=0.0, retries=0)
    with hosting() as host:
        table = pd.DataFrame({C.LISTING: [pictures.old], C.URL: [f"{host.url}/once-500/a.jpg"]})
        table.to_csv(pictures.folder / "a.csv", index=False)
        refresher = Refresher(pictures.run.path, pictures.sources, limits=limits)
        look = refresher.look()
        assert (look.published, look.photos_waiting) == (False, 1) and "status 500" in look.problems[0]
        look = refresher.look()
        assert (look.published, look.photos_waiting, host.photos) == (True, 0, 2)
        refresher.look()
        assert host.photos == 2 and pictures.shown() == 2


@pytest.mark.slow
def test_refreshes_that_publish_nothing_try_a_photo_for_a_day_too(pictures, monkeypatch):
    """Each by a command of its own, as cron starts them."""
    clock, tries = [1e9], []
    monkeypatch.setattr(refresher_module.time, "time", lambda: clock[0])
    locate = photos_module.locate
    monkeypatch.setattr(photos_module, "locate", lambda *given: tries.append(given[1]) or locate(*given))
    pd.DataFrame({C.LISTING: [pictures.old], C.PATH: ["late.png"]}).to_csv(
        pictures.folder / "a.csv", index=False
    )
    problems = []
    for hour in (0, 1, 23, 25, 26, 50):
        clock[0] = 1e9 + 3600 * hour
        look = Refresher(pictures.run.path, pictures.sources).look()
        assert not look.published and look.photos_waiting == (hour < 25)
        problems += [(hour, sentence) for sentence in look.problems]
    assert tries == ["late.png"] * 4
    (first, _), (last, sentence) = problems
    assert (first, last) == (0, 25) and "could not be had for a day and is given up" in sentence
    pictures.save("b.png", (30, 30, 200))
    pd.DataFrame({C.LISTING: [pictures.old], C.PATH: ["b.png"]}).to_csv(
        pictures.folder / "b.csv", index=False
    )
    assert Refresher(pictures.run.path, pictures.sources).look().published  # what is new is taken in as ever


@pytest.mark.slow
def test_a_damaged_file_of_what_waits_is_told(pictures):
    (pictures.run.path / PENDING).write_text("{")
    with pytest.raises(VibesError, match=r"waiting-photos.json is damaged .*; remove it, and refresh again"):
        Refresher(pictures.run.path, pictures.sources)
