"""New photos: brought into the market, embedded once, and seen by the space of photos as after a full rebuild."""

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from tests.market.download.hosting import hosting

import listing_vibes.serving.refresh.refresher as refresher_module
from helpers.copies import copied
from listing_vibes.errors import VibesError
from listing_vibes.features.content_spaces import AttributeSpace
from listing_vibes.features.photos.encoders import market_photos
from listing_vibes.market.columns import Columns as C
from listing_vibes.market.download.limits import Limits
from listing_vibes.market.market import Market
from listing_vibes.run.run import Run
from listing_vibes.run.spaces import embed_market
from listing_vibes.serving.refresh.refresher import Refresher
from listing_vibes.serving.refresh.sources import FileSource
from listing_vibes.serving.refresh.state import STATE

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def embedded_run(tiny_pattern, tmp_path_factory) -> Run:
    folder = tmp_path_factory.mktemp("pictured")
    shutil.copytree(tiny_pattern(5, 4, 5, 1, True, False, 0), folder / "market")
    market = Market.open(folder / "market")
    embed_market(market, folder / "run", market_photos(market))
    return Run.open(folder / "run")


@pytest.fixture
def run(embedded_run, tmp_path) -> Run:
    return copied(embedded_run, tmp_path)


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
    rows = [
        ("fresh", 3, "pictures/1.png"), ("fresh", 1, "pictures/0.png"), (old, 1, "pictures/0.png"),
        ("fresh", 2, "pictures/seen.jpg"), ("fresh", 4, "../run/run.toml"), (old, 9, "lost.png"),
    ]  # fmt: skip
    pd.DataFrame(rows, columns=[C.LISTING, C.POSITION, C.PATH]).to_csv(new / "a.csv", index=False)
    sources = {name: FileSource(tmp_path / name) for name in ("listings", "photos")}
    refresher = Refresher(run.path, sources)

    result = refresher.refresh()
    assert (result.new, result.changed, embedded) == (0, 1, [1])
    assert "leaves" in result.problems[0] and "lost.png" in result.problems[1]
    run.market.listings.iloc[[0]].assign(**{C.LISTING: "fresh"}).to_parquet(
        tmp_path / "listings" / "a.parquet"
    )
    result = refresher.refresh()
    assert (result.new, result.changed, embedded) == (1, 0, [1, 1])
    opened, market = Run.open(run.path), Market.open(run.market.path)
    mine = market.photos[market.photos[C.LISTING] == "fresh"]
    assert [(market.path / path).suffix for path in mine[C.PATH]] == [".png", ".jpg", ".png"]  # by position
    assert len(market.photos[market.photos[C.LISTING] == old]) == 2
    embed_market(market, tmp_path / "whole", market_photos(market))
    whole = Run.open(tmp_path / "whole")
    np.testing.assert_array_equal(opened.vectors("photos"), whole.vectors("photos"))
    attributes = AttributeSpace.of(market, opened.manifest.attribute_weights)  # a refresh fits no weights
    np.testing.assert_allclose(opened.vectors("attributes"), attributes.vectors(), atol=2e-3)
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
    assert (result.published, result.photos_waiting, len(result.problems)) == (False, 1, 1)
    (pictures.folder / "late.png").write_bytes(whole)
    result = Refresher(pictures.run.path, pictures.sources).refresh()
    assert (result.published, result.photos_waiting, pictures.shown()) == (True, 0, 3)


def test_a_photo_is_tried_again_for_a_day(pictures, monkeypatch):
    clock, problems = [1e9], []
    monkeypatch.setattr(refresher_module.time, "time", lambda: clock[0])
    for hour in (0, 23, 25, 26):  # each by a command of its own, as cron starts them
        clock[0] = 1e9 + 3600 * hour
        result = Refresher(pictures.run.path, pictures.sources).refresh()
        assert result.photos_waiting == (hour < 25)
        problems += [hour for _ in result.problems]
    assert problems == [0, 23, 25]


def test_photos_are_downloaded_again_after_an_error_and_never_from_this_machine(pictures):
    with hosting() as host:
        table = pd.DataFrame({C.LISTING: [pictures.old], C.URL: [f"{host.url}/once-500/a.jpg"]})
        table.to_csv(pictures.folder / "a.csv", index=False)
        result = Refresher(pictures.run.path, pictures.sources, limits=Limits()).refresh()
        assert (result.published, result.photos_waiting, host.photos) == (False, 1, 0)
        limits = Limits(private=True, delay=0.0, retries=0)
        for published, waiting, fetched in ((False, 1, 1), (True, 0, 2), (False, 0, 2)):
            result = Refresher(pictures.run.path, pictures.sources, limits=limits).refresh()
            assert (result.published, result.photos_waiting, host.photos) == (published, waiting, fetched)
        assert pictures.shown() == 2


def test_a_damaged_state_is_an_error(pictures):
    (pictures.run.path / STATE).write_text("{")
    with pytest.raises(VibesError, match="remove it, and refresh again"):
        Refresher(pictures.run.path, pictures.sources).refresh()
