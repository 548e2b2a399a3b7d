"""The cache of vectors: nothing written is lost, and nothing of another encoder is used."""

import os
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
from tests.faults.dying import finish

from listing_vibes.errors import VibesError
from listing_vibes.features.vector_cache import CACHE_FILE, Entry, VectorCache, copy_vectors, folder_name


def key(number: int) -> bytes:
    return sha256(str(number).encode()).digest()


def filled(root: Path, numbers: range, encoder: str = "enc", width: int = 3) -> VectorCache:
    """A cache in which the vector of number n is (n, n, ...)."""
    store = VectorCache(root, encoder, width)
    names = {f"photo {number}\n": Entry("1-1", key(number), None) for number in numbers}
    store.write({key(number): np.full(width, number) for number in numbers}, names)
    return store


def test_vectors_come_back_in_the_order_of_the_keys(tmp_path):
    filled(tmp_path, range(2000))
    store = VectorCache(tmp_path, "enc", None)
    vectors, known = store.gather([key(3), None, key(0), key(9999), key(3)])
    assert store.width == 3 and vectors.dtype == np.float16
    np.testing.assert_array_equal(vectors[:, 0], [3, 0, 0, 0, 3])
    np.testing.assert_array_equal(known, [True, False, True, False, True])
    np.testing.assert_array_equal(store.gather([key(n) for n in range(2000)])[0][:, 1], range(2000))


def test_names_are_known_by_their_stamp_and_so_are_their_problems(tmp_path):
    store = filled(tmp_path, range(3))
    changed, broken = Entry("2-2", key(1), None), Entry("1-1", None, "is not an image")
    store.write({}, {"photo 0\n": changed, "broken": broken, "lost": Entry("1-1", key(7), None)})
    for opened in (store, VectorCache(tmp_path, "enc", 3)):
        assert opened.recall("photo 0\n", "2-2").key == key(1) and opened.recall("photo 0\n", "1-1") is None
        assert opened.recall("broken", "1-1").problem == "is not an image"
        assert opened.recall("lost", "1-1") is None and opened.recall("never", "1-1") is None


def test_copied_vectors_are_those_of_the_keys_by_every_encoder_that_can_be_read(tmp_path):
    for encoder, width in (("enc", 3), ("other", 2)):
        filled(tmp_path / "all", range(5), encoder, width)
    (tmp_path / "all" / "damaged").mkdir()
    (tmp_path / "all" / "damaged" / CACHE_FILE).write_bytes(b"no database")
    copy_vectors(tmp_path / "all", tmp_path / "some", [key(3), key(99)])
    for encoder in ("enc", "other"):
        copied = VectorCache(tmp_path / "some", encoder, None)
        vectors, known = copied.gather([key(3), key(4), key(99)])
        assert vectors[0].tolist() == [3] * copied.width and known.tolist() == [True, False, False]


def test_a_kill_loses_nothing_that_was_written_and_processes_may_add_at_once(tmp_path):
    writers = []
    for _ in range(3):
        writers.append(os.fork())
        if not writers[-1]:
            finish(lambda: filled(tmp_path, range(5)))
    assert [os.waitpid(writer, 0)[1] for writer in writers] == [0] * 3
    store = VectorCache(tmp_path, "enc", 3)
    np.testing.assert_array_equal(store.gather([key(4)])[0], [[4, 4, 4]])


@pytest.mark.parametrize("damage", [lambda data: b"x" * len(data), lambda data: data[: len(data) // 2]])
def test_a_damaged_file_is_named(tmp_path, damage):
    file = filled(tmp_path, range(2000)).folder / CACHE_FILE
    file.write_bytes(damage(file.read_bytes()))
    with pytest.raises(VibesError, match=CACHE_FILE):
        VectorCache(tmp_path, "enc", 3).gather([key(n) for n in range(2000)])


def test_vectors_of_another_encoder_or_width_are_never_used(tmp_path):
    filled(tmp_path, range(1), encoder="other").folder.rename(tmp_path / "enc")
    for width in (3, None):
        with pytest.raises(VibesError):
            VectorCache(tmp_path, "enc", width)
    filled(tmp_path, range(1), encoder="third")
    with pytest.raises(VibesError):
        VectorCache(tmp_path, "third", 4)


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "enc").write_text("a file where the folder would be")
    store = VectorCache(tmp_path, "enc", 3)
    with pytest.raises(VibesError, match="enc"):
        store.write({key(0): np.zeros(3)})
    assert key(0) not in store


@pytest.mark.parametrize("name", ["../../etc", "a/b", "..", "", "/x", "c:\\d", ".hidden"])
def test_a_folder_name_stays_in_the_cache(name):
    folder = folder_name(name)
    assert folder and "/" not in folder and "\\" not in folder and not folder.startswith(".")
