"""New photos: brought into the market, embedded once, and seen by the space of photos as after a full rebuild."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from tests.market.download.hosting import hosting

import listing_vibes.serving.refresh.photos as photos
import listing_vibes.serving.refresh.refresher as refresher_module
from listing_vibes.errors import VibesError
from listing_vibes.features.photos.market_photos import market_photos
from listing_vibes.market.columns import Columns as C
from listing_vibes.market.download.limits import Limits
from listing_vibes.market.market import Market
from listing_vibes.market.photo_files import PhotoProblem
from listing_vibes.run.run import Run
from listing_vibes.run.spaces import embed_market
from listing_vibes.serving.refresh.merge import Changes
from listing_vibes.serving.refresh.refresher import Refresher
from listing_vibes.serving.refresh.sources import FileSource, Frame
from listing_vibes.serving.refresh.state import STATE

pytestmark = pytest.mark.slow


@pytest.fixture
def run(tiny_market, tmp_path):
    market = Market.open(tiny_market(listings=5, users=4, photos=1))
    embed_market(market, tmp_path / "run", market_photos(market))
    return Run.open(tmp_path / "run")


@pytest.fixture
def embedded(monkeypatch) -> list[int]:
    """How many photos each call of a photo encoder gets."""
    from listing_vibes.features.photos.encoder import PhotoEncoder

    calls: list[int] = []
    encode = PhotoEncoder.encode
    monkeypatch.setattr(
        PhotoEncoder, "encode", lambda self, images: calls.append(len(images)) or encode(self, images)
    )
    return calls


def test_only_photos_that_were_never_seen_are_embedded_also_before_their_listing_is_there(
    run, tmp_path, embedded
):
    for name in ("listings", "photos/pictures"):
        (tmp_path / name).mkdir(parents=True)
    new, pictures = tmp_path / "photos", tmp_path / "photos" / "pictures"
    for number, color in enumerate(((200, 30, 30), (30, 200, 30))):
        Image.new("RGB", (60, 40), color).save(pictures / f"{number}.png")
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

    look = refresher.refresh()

    assert (look.new, look.changed, embedded) == (0, 1, [1])
    assert [(defect in look.problems[place]) for place, defect in enumerate(("outside", "lost.png"))] == [
        True
    ] * 2
    run.market.listings.iloc[[0]].assign(**{C.LISTING: "fresh"}).to_parquet(
        tmp_path / "listings" / "a.parquet"
    )
    look = refresher.refresh()
    assert (look.new, look.changed, embedded) == (1, 0, [1, 1])
    opened, market = Run.open(run.path), Market.open(run.market.path)
    mine = market.photos[market.photos[C.LISTING] == "fresh"]
    assert [(market.path / path).suffix for path in mine[C.PATH]] == [".png", ".jpg", ".png"]  # by position
    assert len(market.photos[market.photos[C.LISTING] == old]) == 2
    embed_market(market, tmp_path / "whole", market_photos(market))
    whole = Run.open(tmp_path / "whole")
    for space in ("photos", "attributes"):
        np.testing.assert_array_equal(opened.vectors(space), whole.vectors(space))
    assert not Refresher(run.path, sources).refresh().published


class Pictures:
    """A folder of photos for a refresh, of which a table names two: one whole, one missing or cut short."""

    def __init__(self, run: Run, folder: Path) -> None:
        self.run, self.folder, self.old = run, folder, run.market.listings[C.LISTING][1]
        folder.mkdir()
        self.sources = {"photos": FileSource(folder)}
        self.save("whole.png", (200, 30, 30))
        paths = ["whole.png", "late.png"]
        pd.DataFrame({C.LISTING: self.old, C.PATH: paths}).to_csv(folder / "a.csv", index=False)

    def save(self, name: str, color: tuple[int, int, int]) -> bytes:
        Image.new("RGB", (60, 40), color).save(self.folder / name)
        return (self.folder / name).read_bytes()

    def shown(self) -> int:
        return int((Market.open(self.run.market.path).photos[C.LISTING] == self.old).sum())


@pytest.fixture
def pictures(run, tmp_path):
    return Pictures(run, tmp_path / "new")


def test_a_photo_that_is_cut_short_or_missing_is_tried_again_by_the_next_refresh(pictures):
    whole = pictures.save("late.png", (30, 30, 200))
    (pictures.folder / "late.png").write_bytes(whole[: len(whole) // 2])  # it is still being written
    result = Refresher(pictures.run.path, pictures.sources).refresh()
    assert (result.changed, result.photos_waiting, result.rejected) == (1, 1, 1)
    (pictures.folder / "late.png").unlink()
    result = Refresher(pictures.run.path, pictures.sources).refresh()
    assert (result.published, result.photos_waiting, result.problems) == (False, 1, [])  # it was said once
    (pictures.folder / "late.png").write_bytes(whole)
    result = Refresher(pictures.run.path, pictures.sources).refresh()
    assert (result.published, result.photos_waiting, pictures.shown()) == (True, 0, 3)


def test_each_wait_is_twice_the_one_before_and_after_a_day_a_photo_is_given_up(pictures, monkeypatch):
    """Also where a query gives the row at each poll."""
    tries, market, waiting, problems = [], pictures.run.market.path, pd.DataFrame(), {}

    def lost(*_) -> None:
        tries.append(minute)
        raise PhotoProblem("is missing")

    monkeypatch.setattr(photos, "locate", lost)
    rows = pd.DataFrame({C.LISTING: ["1", None], C.PATH: ["late.png", None]})
    for minute in sorted({2**power + more for power in range(13) for more in (-1, 0)} - {1}):  # of two days
        changes = Changes()
        frames = [Frame("the query of --photos", rows)] if minute < 2048 else []
        photos.new_photos(market, frames, waiting, None, minute * 60.0, changes)
        waiting = changes.waiting["photos"]
        problems |= dict.fromkeys(changes.problems, minute)
    assert tries == [0, *(2**power for power in range(1, 12))]
    assert list(problems.values()) == [2048] and not len(waiting)


def test_a_photo_whose_address_gave_none_is_fetched_by_the_next_refresh(pictures):
    limits = Limits(private=True, delay=0.0, retries=0)
    with hosting() as host:
        table = pd.DataFrame({C.LISTING: [pictures.old], C.URL: [f"{host.url}/once-500/a.jpg"]})
        table.to_csv(pictures.folder / "a.csv", index=False)
        refresher = Refresher(pictures.run.path, pictures.sources, limits=limits)
        result = refresher.refresh()
        assert (result.published, result.photos_waiting) == (False, 1) and "status 500" in result.problems[0]
        result = refresher.refresh()
        assert (result.published, result.photos_waiting, host.photos) == (True, 0, 2)
        refresher.refresh()
        assert host.photos == 2 and pictures.shown() == 2


def test_refreshes_that_publish_nothing_try_a_photo_for_a_day_too(pictures, monkeypatch):
    """Each by a command of its own, as cron starts them."""
    clock, problems = [1e9], []
    monkeypatch.setattr(refresher_module.time, "time", lambda: clock[0])
    rows = pd.DataFrame({C.LISTING: [pictures.old], C.PATH: ["late.png"]})
    rows.to_csv(pictures.folder / "a.csv", index=False)
    for hour in (0, 1, 23, 25, 26, 50):
        clock[0] = 1e9 + 3600 * hour
        result = Refresher(pictures.run.path, pictures.sources).refresh()
        assert not result.published and result.photos_waiting == (hour < 25)
        problems += [hour for _ in result.problems]
    assert problems == [0, 25]
    pictures.save("b.png", (30, 30, 200))
    rows.assign(**{C.PATH: "b.png"}).to_csv(pictures.folder / "b.csv", index=False)
    assert (
        Refresher(pictures.run.path, pictures.sources).refresh().published
    )  # what is new is taken in as ever


def test_a_damaged_state_is_an_error(pictures):
    (pictures.run.path / STATE).write_text("{")
    with pytest.raises(VibesError, match="remove it, and refresh again"):
        Refresher(pictures.run.path, pictures.sources).refresh()


def test_an_address_of_this_machine_is_not_fetched(pictures):
    with hosting() as host:
        table = pd.DataFrame({C.LISTING: [pictures.old], C.URL: [f"{host.url}/ok/a.jpg"]})
        table.to_csv(pictures.folder / "a.csv", index=False)
        result = Refresher(pictures.run.path, pictures.sources, limits=Limits()).refresh()
        assert (result.published, result.photos_waiting, host.photos) == (False, 1, 0)
