"""Embedding a market's photos: each content once, whatever happens, and broken files named."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from listing_vibes.errors import VibesError
from listing_vibes.features.photos import photo_vectors as module
from listing_vibes.features.photos.looks import Looks, class_names, load_looks, save_looks
from listing_vibes.features.photos.photo_vectors import (
    NOT_EMBEDDED,
    embed_photos,
    load_photo_vectors,
    ship_vectors,
)
from listing_vibes.market import photo_files
from listing_vibes.market.caches import market_cache
from listing_vibes.progress import Counted

HERE = Path(__file__).resolve()
ROOT = HERE.parents[3]


class ColorEncoder:
    """The mean color of a photo, and the number of photos that it encoded."""

    size = (8, 8)

    def __init__(self, name: str = "color-1", width: int = 3) -> None:
        self.name, self.width, self.count = name, width, 0

    def prepare(self, image: Image.Image) -> np.ndarray:
        return np.asarray(image.resize(self.size))

    def encode(self, images: np.ndarray) -> np.ndarray:  # (N, 8, 8, 3) -> (N, width)
        self.count += len(images)
        return images.mean(axis=(1, 2)).astype(np.float32)[:, : self.width]


class StuckEncoder(ColorEncoder):
    """Prints and waits for ever at the third call; run in a process that is then killed."""

    calls = 0

    def encode(self, images: np.ndarray) -> np.ndarray:
        self.calls += 1
        if self.calls == 3:
            sys.stdout.write("stuck\n")
            sys.stdout.flush()
            signal.pause()
        return super().encode(images)


def paint(market: Path, name: str, color: tuple[int, int, int]) -> str:
    path = market / "photos" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (16, 12), color).save(path)
    return f"photos/{name}"


def table(*paths: object) -> pd.DataFrame:
    return pd.DataFrame({"listing_id": "l1", "position": range(len(paths)), "path": list(paths)})


@pytest.fixture
def market(tmp_path: Path) -> Path:
    folder = tmp_path / "market"
    for number in range(10):
        paint(folder, f"{number}.png", (20 * number, 0, 255 - number))
    (folder / "listings.csv").touch()
    return folder


TEN = table(*(f"photos/{number}.png" for number in range(10)))


@pytest.mark.parametrize("batch", [1, 4, 64])
def test_vectors_are_in_the_order_of_the_table_and_embedded_once(market, monkeypatch, batch):
    monkeypatch.setattr(module, "BATCH", batch)
    shuffled, calls, encoder = TEN.sample(frac=1, random_state=0), [], ColorEncoder()
    result = embed_photos(market, shuffled, encoder, report=calls.append)
    np.testing.assert_array_equal(
        result.vectors[:, 0], [20 * int(Path(path).stem) for path in shuffled["path"]]
    )
    assert result.vectors.shape == (10, 3) and result.vectors.dtype == np.float16
    assert result.ok.all() and result.broken == [] and result.encoder == "color-1"
    assert calls[-1] == Counted("photos", 10, 10) and len(calls) == -(-10 // batch)
    monkeypatch.setattr(photo_files, "read", lambda file: pytest.fail(f"{file} was read again"))
    np.testing.assert_array_equal(embed_photos(market, shuffled, encoder).vectors, result.vectors)
    np.testing.assert_array_equal(load_photo_vectors(market, shuffled, "color-1").vectors, result.vectors)
    assert encoder.count == 10


def test_broken_photos_are_named_and_skipped(market, tmp_path):
    (market / "photos" / "text.jpg").write_text("no image")
    Image.effect_noise((64, 64), 50).save(market / "photos" / "cut.png")
    content = (market / "photos" / "cut.png").read_bytes()
    (market / "photos" / "cut.png").write_bytes(content[: len(content) // 2])
    paint(tmp_path, "secret.png", (1, 2, 3))
    (market / "photos" / "link.png").symlink_to(tmp_path / "photos" / "secret.png")
    paths = ["photos/text.jpg", "photos/2.png", "photos/none.png", "photos/cut.png", "../photos/secret.png"]
    photos = table(*paths, "photos/link.png", None, float("nan"), "photos/3.png", "photos/none.png")
    result = embed_photos(market, photos, ColorEncoder())
    np.testing.assert_array_equal(result.vectors[:, 0], [0, 40, 0, 0, 0, 0, 0, 0, 60, 0])
    np.testing.assert_array_equal(np.flatnonzero(result.ok), [1, 8])
    reasons = dict(result.broken)
    assert len(reasons) == len(result.broken) == 6  # each path once
    for path, reason in [
        ("photos/text.jpg", "not an image"),
        ("photos/none.png", "missing"),
        ("photos/cut.png", "damaged"),
        ("../photos/secret.png", "outside of the market"),
        ("photos/link.png", "outside of the market"),
        ("", "empty"),
    ]:
        assert reason in reasons[path]
    again = load_photo_vectors(market, photos, "color-1")
    assert again.broken == result.broken
    np.testing.assert_array_equal(again.vectors, result.vectors)


def test_content_is_encoded_once_under_all_its_names_and_stamps(market, monkeypatch):
    for copy in ("copy.png", "sub/other.png"):
        (market / "photos" / copy).parent.mkdir(exist_ok=True)
        (market / "photos" / copy).write_bytes((market / "photos" / "1.png").read_bytes())
    encoder, photos = ColorEncoder(), table("photos/1.png", "photos/copy.png", "photos/sub/other.png")
    assert embed_photos(market, photos, encoder).ok.all() and encoder.count == 1
    (market / "photos" / "1.png").rename(market / "photos" / "renamed.png")
    result = embed_photos(market, table("photos/renamed.png", "photos/1.png"), encoder)
    assert encoder.count == 1 and result.ok.tolist() == [True, False]
    for path in photos["path"][1:]:
        os.utime(market / path, ns=(1, 1))
    assert load_photo_vectors(market, photos[1:], "color-1").ok.all()
    monkeypatch.setattr(module, "open_photo", lambda *args: pytest.fail("decoded again"))
    assert embed_photos(market, photos[1:], encoder).ok.all()


def test_a_changed_file_loses_its_old_vector(market):
    embed_photos(market, TEN, ColorEncoder())
    paint(market, "4.png", (7, 7, 7))
    (market / "photos" / "5.png").write_text("no image")
    stale = load_photo_vectors(market, TEN, "color-1")
    assert not stale.ok[4] and stale.vectors[4].tolist() == [0, 0, 0]
    assert [path for path, _ in stale.broken] == ["photos/4.png", "photos/5.png"]
    encoder = ColorEncoder()
    result = embed_photos(market, TEN, encoder)
    assert result.vectors[4].tolist() == [7, 7, 7] and [path for path, _ in result.broken] == ["photos/5.png"]
    paint(market, "5.png", (8, 8, 8))
    assert load_photo_vectors(market, TEN, "color-1").broken == [("photos/5.png", NOT_EMBEDDED)]
    assert embed_photos(market, TEN, encoder).broken == [] and encoder.count == 2


@pytest.mark.slow
def test_killed_and_run_again_it_keeps_what_was_done_and_loading_needs_no_torch(market):
    child = f"""
import sys
from pathlib import Path
sys.path.insert(0, {str(HERE.parent)!r})
import test_photo_vectors
test_photo_vectors.module.BATCH = 3
assert not {{"torch", "timm", "transformers", "sklearn"}} & set(sys.modules)
test_photo_vectors.embed_photos(Path({str(market)!r}), test_photo_vectors.TEN, test_photo_vectors.StuckEncoder())
"""
    command = [sys.executable, "-c", child]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None and process.stdout.readline() == "stuck\n"
        process.send_signal(signal.SIGKILL)
    partial = load_photo_vectors(market, TEN, "color-1")
    assert partial.ok.sum() == 6  # two batches of three
    assert dict(partial.broken)["photos/9.png"] == NOT_EMBEDDED
    encoder = ColorEncoder()
    result = embed_photos(market, TEN, encoder)
    assert encoder.count == 4 and result.ok.all()
    np.testing.assert_array_equal(result.vectors[:, 0], 20 * np.arange(10))


def test_two_encoders_are_never_mixed(market):
    one = embed_photos(market, TEN, ColorEncoder("one"))
    embed_photos(market, TEN.head(5), ColorEncoder("two", width=2))
    two = load_photo_vectors(market, TEN, "two")
    assert two.encoder == "two" and two.vectors.shape == (10, 2) and two.ok.sum() == 5
    np.testing.assert_array_equal(load_photo_vectors(market, TEN, "one").vectors, one.vectors)
    assert load_photo_vectors(market, TEN, "three") is None
    assert load_photo_vectors(market / "nowhere", TEN, "one") is None


def test_a_vector_that_is_not_finite_is_no_vector(market):
    class Strange(ColorEncoder):
        def encode(self, images):
            vectors = super().encode(images)
            vectors[vectors[:, 0] == 40] = np.nan
            vectors[vectors[:, 0] == 60] = 1e6  # infinite as float16
            return vectors

    result = embed_photos(market, TEN, Strange())
    assert [path for path, _ in result.broken] == ["photos/2.png", "photos/3.png"]
    assert np.isfinite(result.vectors).all()
    assert load_photo_vectors(market, TEN, "color-1").broken == result.broken
    assert embed_photos(market, TEN, ColorEncoder()).ok.all()  # such photos are tried again


@pytest.fixture
def looks() -> Looks:
    rng = np.random.default_rng(0)
    order = np.array([rng.permutation(6)[:3] for _ in range(9)])
    shares = rng.random((9, 3)).astype(np.float16)
    shares[4] = 0  # a photo that could not be read
    words = rng.normal(size=(6, 5)).astype(np.float16)
    names = np.array([f"thing {number}" for number in range(6)])
    return Looks(order.astype(np.int16), shares, names, words, np.array(["words-1"]))


def test_similarity_is_the_cosine_to_the_weighted_mean_of_the_words(looks):
    query = np.array([1.0, -2, 0, 1, 0.5], np.float32)
    query /= np.linalg.norm(query)
    found, words = looks.similarity(query), looks.words.astype(np.float32)
    for photo in range(9):
        mean = looks.shares[photo].astype(np.float32) @ words[looks.classes[photo]]
        expected = -1 if photo == 4 else float(mean @ query / np.linalg.norm(mean))
        assert found[photo] == pytest.approx(expected, abs=1e-5)
    assert looks.ok.tolist() == [photo != 4 for photo in range(9)]
    query = words[looks.classes[0][1]] / np.linalg.norm(words[looks.classes[0][1]])
    near = looks.shares[0].astype(np.float32) * np.maximum(0, words[looks.classes[0]] @ query)
    names = looks.seen(np.array([0, 4]), query, most=1)
    assert names == [f"thing {looks.classes[0][near.argmax()]}", ""]
    assert looks.seen(np.array([0]), np.zeros(5, np.float32)) == [""]


def test_what_several_photos_clearly_show_is_offered_the_most_frequent_first():
    classes = np.array([[0, 1]] * 5 + [[1, 0]] * 3 + [[2, 0]] * 2, np.int16)
    shares = np.tile(np.array([0.6, 0.1], np.float16), (10, 1))
    looks = Looks(classes, shares, np.array(["bed", "sofa", "prison"]), np.zeros((3, 2)), np.array(["t"]))
    assert looks.frequent(8) == ["bed", "sofa"] and looks.frequent(1) == ["bed"]


def test_they_are_read_back_for_the_same_photos_only(looks, tmp_path):
    save_looks(looks, tmp_path / "looks.npz", "abc")
    back = load_looks(tmp_path / "looks.npz", "abc")
    np.testing.assert_array_equal(back.shares, looks.shares)
    assert load_looks(tmp_path / "looks.npz", "other") is None
    assert load_looks(tmp_path / "nothing.npz", "abc") is None
    (tmp_path / "looks.npz").write_bytes(b"PK\x03\x04 torn")
    assert load_looks(tmp_path / "looks.npz", "abc") is None


def test_the_classes_are_those_of_imagenet():
    names = class_names()
    assert len(names) == 1000
    assert names[760].startswith("refrigerator, icebox: ") and names[564].startswith("four-poster: a bed")


def test_a_copy_of_a_market_that_ships_its_vectors_embeds_only_other_photos(market, tmp_path):
    first = embed_photos(market, TEN, ColorEncoder())
    ship_vectors(market, TEN, "color-1")
    shutil.copytree(market, tmp_path / "copy", ignore=shutil.ignore_patterns(".cache"))
    loaded = load_photo_vectors(tmp_path / "copy", TEN, "color-1")
    np.testing.assert_array_equal(loaded.vectors, first.vectors)
    paint(tmp_path / "copy", "new.png", (9, 9, 9))
    encoder, other = ColorEncoder(), ColorEncoder("color-2")
    embed_photos(tmp_path / "copy", pd.concat([TEN, table("photos/new.png")]), encoder)
    embed_photos(tmp_path / "copy", TEN, other)
    assert (encoder.count, other.count) == (1, 10)
    (market / module.SHIPPED).write_bytes(b"damaged")
    shutil.rmtree(market_cache(market))
    with pytest.raises(VibesError, match=module.SHIPPED):
        load_photo_vectors(market, TEN, "color-1")
