"""The cache of vectors: nothing flushed is lost, and nothing of another encoder is used."""

import subprocess
import sys
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest

from listing_vibes.errors import VibesError
from listing_vibes.features import vector_cache
from listing_vibes.features.vector_cache import FILE, VectorCache, copy_vectors, folder_name


def key(number: int) -> bytes:
    return sha256(str(number).encode()).digest()


def filled(root: Path, numbers: range, encoder: str = "enc", width: int = 3) -> VectorCache:
    """A cache in which the vector of number n is (n, n, ...)."""
    store = VectorCache(root, encoder, width)
    for number in numbers:
        store.add(key(number), np.full(width, number))
        store.remember(f"photo {number}\n", "1-1", key(number))
    store.flush()
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
    store.remember("photo 0\n", "2-2", key(1))
    store.remember("broken", "1-1", None, "is not an image")
    store.remember("lost", "1-1", key(7))
    store.flush()
    for opened in (store, VectorCache(tmp_path, "enc", 3)):
        assert opened.recall("photo 0\n", "2-2").key == key(1) and opened.recall("photo 0\n", "1-1") is None
        assert opened.recall("broken", "1-1").problem == "is not an image"
        assert opened.recall("lost", "1-1") is None and opened.recall("never", "1-1") is None


def test_copied_vectors_are_those_of_the_keys_by_every_encoder_that_can_be_read(tmp_path):
    for encoder, width in (("enc", 3), ("other", 2)):
        filled(tmp_path / "all", range(5), encoder, width)
    (tmp_path / "all" / "damaged").mkdir()
    (tmp_path / "all" / "damaged" / FILE).write_bytes(b"no database")
    copy_vectors(tmp_path / "all", tmp_path / "some", [key(3), key(99)])
    for encoder in ("enc", "other"):
        copied = VectorCache(tmp_path / "some", encoder, None)
        vectors, known = copied.gather([key(3), key(4), key(99)])
        assert vectors[0].tolist() == [3] * copied.width and known.tolist() == [True, False, False]


def test_a_flush_waits_until_enough_rows_or_seconds(tmp_path, monkeypatch):
    store = VectorCache(tmp_path, "enc", 1)
    store.add(key(1), np.ones(1))
    store.flush(only_if_due=True)
    assert not store.folder.exists() and key(1) in store and key(2) not in store
    for number, limit, value in ((2, "FLUSH_ROWS", 2), (3, "FLUSH_SECONDS", 0.0)):
        monkeypatch.setattr(vector_cache, limit, value)
        store.add(key(number), np.ones(1))
        store.flush(only_if_due=True)
        assert key(number) in VectorCache(tmp_path, "enc", 1)


DIES = """
import sys, test_vector_cache, os
from pathlib import Path
store = test_vector_cache.filled(Path(sys.argv[1]), range(5))
store.add(test_vector_cache.key(9), [1, 2, 3])
os._exit(9)
"""


def test_a_kill_loses_only_what_was_not_flushed_and_processes_may_add_at_once(tmp_path):
    here = Path(__file__).parent
    writers = [subprocess.Popen([sys.executable, "-c", DIES, str(tmp_path)], cwd=here) for _ in range(3)]
    assert [writer.wait() for writer in writers] == [9] * 3
    store = VectorCache(tmp_path, "enc", 3)
    assert key(9) not in store
    np.testing.assert_array_equal(store.gather([key(4)])[0], [[4, 4, 4]])


@pytest.mark.parametrize("damage", [lambda data: b"x" * len(data), lambda data: data[: len(data) // 2]])
def test_a_damaged_file_is_named(tmp_path, damage):
    file = filled(tmp_path, range(2000)).folder / FILE
    file.write_bytes(damage(file.read_bytes()))
    with pytest.raises(VibesError, match=FILE):
        VectorCache(tmp_path, "enc", 3).gather([key(n) for n in range(2000)])


def test_vectors_of_another_encoder_or_width_are_never_used(tmp_path):
    filled(tmp_path, range(1), encoder="other").folder.rename(tmp_path / "enc")
    for width in (3, None):
        with pytest.raises(VibesError):
            VectorCache(tmp_path, "enc", width)
    filled(tmp_path, range(1), encoder="third")
    with pytest.raises(VibesError):
        VectorCache(tmp_path, "third", 4)


def test_a_folder_that_cannot_be_written_loses_nothing(tmp_path):
    (tmp_path / "enc").write_text("a file where the folder would be")
    store = VectorCache(tmp_path, "enc", 3)
    store.add(key(0), np.zeros(3))
    with pytest.raises(VibesError):
        store.flush()
    (tmp_path / "enc").unlink()
    store.flush()
    assert key(0) in VectorCache(tmp_path, "enc", 3)


@pytest.mark.parametrize("name", ["../../etc", "a/b", "..", "", "/x", "c:\\d", ".hidden"])
def test_a_folder_name_stays_in_the_cache(name):
    folder = folder_name(name)
    assert folder and "/" not in folder and "\\" not in folder and not folder.startswith(".")
