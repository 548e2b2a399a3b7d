"""Embedding a market's photos: each content once, whatever happens, and broken files named."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from listing_vibes.features.photos.vectors import (
    NOT_EMBEDDED,
    embed_photos,
    load_photo_vectors,
)
from listing_vibes.market import photo_files
from listing_vibes.progress import Counted

HERE = Path(__file__).resolve()
ROOT = HERE.parents[3]


class ColourEncoder:
    """The mean colour of a photo, and how many photos it was asked for."""

    size = (8, 8)

    def __init__(self, name: str = "colour-1", width: int = 3) -> None:
        self.name, self.width, self.count = name, width, 0

    def prepare(self, image: Image.Image) -> np.ndarray:
        return np.asarray(image.resize(self.size))

    def encode(self, images: np.ndarray) -> np.ndarray:  # (N, 8, 8, 3) -> (N, width)
        self.count += len(images)
        return images.mean(axis=(1, 2)).astype(np.float32)[:, : self.width]


class StuckEncoder(ColourEncoder):
    """Says so and waits for ever at the third call; run in a process that is then killed."""

    calls = 0

    def encode(self, images: np.ndarray) -> np.ndarray:
        self.calls += 1
        if self.calls == 3:
            sys.stdout.write("stuck\n")
            sys.stdout.flush()
            signal.pause()
        return super().encode(images)


def paint(market: Path, name: str, colour: tuple[int, int, int]) -> str:
    path = market / "photos" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (16, 12), colour).save(path)
    return f"photos/{name}"


def table(*paths: object) -> pd.DataFrame:
    return pd.DataFrame({"listing_id": "l1", "position": range(len(paths)), "path": list(paths)})


@pytest.fixture
def market(tmp_path: Path) -> Path:
    folder = tmp_path / "market"
    for number in range(10):
        paint(folder, f"{number}.png", (20 * number, 0, 255 - number))
    return folder


TEN = table(*(f"photos/{number}.png" for number in range(10)))


@pytest.mark.parametrize(("batch_size", "workers"), [(1, 1), (4, 3), (64, None)])
def test_vectors_stand_in_the_order_of_the_table(market, batch_size, workers):
    shuffled = TEN.sample(frac=1, random_state=0)
    result = embed_photos(market, shuffled, ColourEncoder(), batch_size=batch_size, workers=workers)
    expected = [20 * int(Path(path).stem) for path in shuffled["path"]]
    np.testing.assert_array_equal(result.vectors[:, 0], expected)
    assert result.vectors.shape == (10, 3) and result.vectors.dtype == np.float16
    assert result.ok.all() and result.broken == [] and result.encoder == "colour-1"


def test_broken_photos_are_named_and_skipped(market, tmp_path):
    (market / "photos" / "text.jpg").write_text("no image")
    Image.effect_noise((64, 64), 50).save(market / "photos" / "cut.png")
    whole = (market / "photos" / "cut.png").read_bytes()
    (market / "photos" / "cut.png").write_bytes(whole[: len(whole) // 2])
    paint(tmp_path, "secret.png", (1, 2, 3))
    (market / "photos" / "link.png").symlink_to(tmp_path / "photos" / "secret.png")
    paths = ["photos/text.jpg", "photos/2.png", "photos/none.png", "photos/cut.png", "../photos/secret.png"]
    photos = table(*paths, "photos/link.png", None, float("nan"), "photos/3.png", "photos/none.png")
    result = embed_photos(market, photos, ColourEncoder())
    np.testing.assert_array_equal(np.flatnonzero(result.ok), [1, 8])
    np.testing.assert_array_equal(result.vectors[:, 0], [0, 40, 0, 0, 0, 0, 0, 0, 60, 0])
    reasons = dict(result.broken)
    assert len(reasons) == len(result.broken) == 6  # a path is told once
    for path, reason in [
        ("photos/text.jpg", "no image"),
        ("photos/none.png", "missing"),
        ("photos/cut.png", "damaged"),
        ("../photos/secret.png", "outside of the market"),
        ("photos/link.png", "outside of the market"),
        ("", "empty"),
    ]:
        assert reason in reasons[path]
    again = load_photo_vectors(market, photos)
    assert again.broken == result.broken
    np.testing.assert_array_equal(again.vectors, result.vectors)


def test_a_second_run_reads_and_encodes_nothing(market, monkeypatch):
    first = embed_photos(market, TEN, ColourEncoder())
    monkeypatch.setattr(photo_files, "read", lambda file: pytest.fail(f"{file} was read again"))
    encoder = ColourEncoder()
    again = embed_photos(market, TEN, encoder)
    assert encoder.count == 0
    np.testing.assert_array_equal(again.vectors, first.vectors)
    np.testing.assert_array_equal(load_photo_vectors(market, TEN).vectors, first.vectors)


def test_a_content_is_encoded_once_under_all_its_names(market):
    for copy in ("copy.png", "sub/other.png"):
        (market / "photos" / copy).parent.mkdir(exist_ok=True)
        (market / "photos" / copy).write_bytes((market / "photos" / "1.png").read_bytes())
    encoder, calls = ColourEncoder(), []
    photos = table("photos/1.png", "photos/copy.png", "photos/sub/other.png", "photos/1.png")
    result = embed_photos(market, photos, encoder, batch_size=1, report=calls.append)
    assert result.ok.all() and encoder.count == 1
    assert calls[-1] == Counted("photos", 3, 3, 0.0)  # paths, not rows
    (market / "photos" / "1.png").rename(market / "photos" / "renamed.png")
    result = embed_photos(market, table("photos/renamed.png", "photos/1.png"), encoder)
    assert encoder.count == 1 and result.ok.tolist() == [True, False]


def test_a_touched_file_is_known_by_its_content(market, monkeypatch):
    encoder = ColourEncoder()
    first = embed_photos(market, TEN, encoder)
    for path in TEN["path"]:
        os.utime(market / path, ns=(1, 1))
    np.testing.assert_array_equal(load_photo_vectors(market, TEN).vectors, first.vectors)
    monkeypatch.setattr(
        "listing_vibes.features.photos.vectors.open_photo", lambda *args: pytest.fail("decoded again")
    )
    assert embed_photos(market, TEN, encoder).ok.all()
    assert encoder.count == 10


def test_a_changed_file_loses_its_old_vector(market):
    embed_photos(market, TEN, ColourEncoder())
    paint(market, "4.png", (7, 7, 7))
    (market / "photos" / "5.png").write_text("no image")
    stale = load_photo_vectors(market, TEN)
    assert not stale.ok[4] and stale.vectors[4].tolist() == [0, 0, 0]
    assert [path for path, _ in stale.broken] == ["photos/4.png", "photos/5.png"]
    encoder = ColourEncoder()
    result = embed_photos(market, TEN, encoder)
    assert result.vectors[4].tolist() == [7, 7, 7] and [path for path, _ in result.broken] == ["photos/5.png"]
    paint(market, "5.png", (8, 8, 8))
    assert load_photo_vectors(market, TEN).broken == [("photos/5.png", NOT_EMBEDDED)]
    assert embed_photos(market, TEN, encoder).broken == [] and encoder.count == 2


@pytest.mark.slow
def test_killed_and_run_again_it_keeps_what_was_done(market):
    child = f"""
import sys
sys.path.insert(0, {str(HERE.parent)!r})
import test_vectors
from listing_vibes.features import vector_cache
vector_cache.FLUSH_SECONDS = 0.0
from pathlib import Path
test_vectors.embed_photos(Path({str(market)!r}), test_vectors.TEN, test_vectors.StuckEncoder(), batch_size=3)
"""
    with subprocess.Popen(
        [sys.executable, "-c", child], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None and process.stdout.readline() == "stuck\n"
        process.send_signal(signal.SIGKILL)
    assert load_photo_vectors(market, TEN) is None  # nothing was finished ...
    partial = load_photo_vectors(market, TEN, "colour-1")
    assert partial.ok.sum() == 6  # ... but two batches of three are there
    assert dict(partial.broken)["photos/9.png"] == NOT_EMBEDDED
    encoder = ColourEncoder()
    result = embed_photos(market, TEN, encoder)
    assert encoder.count == 4 and result.ok.all()
    np.testing.assert_array_equal(result.vectors[:, 0], 20 * np.arange(10))


def test_two_encoders_are_never_mixed(market):
    one = embed_photos(market, TEN, ColourEncoder("one"))
    two = embed_photos(market, TEN.head(5), ColourEncoder("two", width=2))
    assert (one.encoder, two.encoder) == ("one", "two")
    latest = load_photo_vectors(market, TEN)
    assert latest.encoder == "two" and latest.vectors.shape == (10, 2) and latest.ok.sum() == 5
    np.testing.assert_array_equal(load_photo_vectors(market, TEN, "one").vectors, one.vectors)
    assert load_photo_vectors(market, TEN, "three") is None
    assert load_photo_vectors(market / "nowhere", TEN) is None


@pytest.mark.slow
def test_reading_needs_no_torch(market):
    embed_photos(market, TEN, ColourEncoder())
    child = f"""
import sys
import pandas as pd
from listing_vibes.features.photos.vectors import load_photo_vectors
photos = pd.DataFrame({{"path": ["photos/1.png"]}})
assert load_photo_vectors({str(market)!r}, photos).ok.all()
assert not {{"torch", "timm", "transformers", "sklearn"}} & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", child], cwd=ROOT, check=True)


def test_progress_counts_to_the_end(market):
    (market / "photos" / "4.png").write_text("no image")
    calls: list[Counted] = []
    embed_photos(market, TEN, ColourEncoder(), batch_size=3, report=calls.append)
    assert [one.done for one in calls] == [3, 6, 9, 10]
    assert {one.total for one in calls} == {10}
    assert calls[-1].left == 0 and all(one.left > 0 for one in calls[:-1])
    calls.clear()
    paths = TEN.drop(index=4)
    embed_photos(market, paths, ColourEncoder(), report=calls.append)
    assert calls == [Counted("photos", 9, 9, 0.0)]


def test_a_vector_that_is_no_number_is_no_vector(market):
    class Strange(ColourEncoder):
        def encode(self, images):
            vectors = super().encode(images)
            vectors[vectors[:, 0] == 40] = np.nan
            vectors[vectors[:, 0] == 60] = 1e6  # infinite as float16
            return vectors

    result = embed_photos(market, TEN, Strange())
    assert [path for path, _ in result.broken] == ["photos/2.png", "photos/3.png"]
    assert "non-finite vector" in result.broken[0][1]
    assert np.isfinite(result.vectors).all()
