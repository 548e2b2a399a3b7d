"""The cache of vectors: nothing lost by a kill, nothing mixed, nothing unpickled."""

import errno
import logging
import shutil
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest

from listing_vibes.errors import VibesError
from listing_vibes.features import vector_cache
from listing_vibes.features.vector_cache import VectorCache, folder_name


def key(number: int) -> bytes:
    return sha256(str(number).encode()).digest()


def filled(root: Path, numbers: range, encoder: str = "enc", width: int = 3) -> VectorCache:
    """A cache with one shard a number; the vector of number n is (n, n, ...)."""
    store = VectorCache(root, encoder, width)
    for number in numbers:
        store.add(key(number), np.full(width, number))
        store.remember(f"photo {number}\n", "1-1", key(number))
        store.flush()
    return store


def shards(store: VectorCache) -> list[Path]:
    return sorted(store.folder.glob("*.npz"))


def test_vectors_come_back_in_the_asked_order(tmp_path):
    filled(tmp_path, range(5))
    store = VectorCache(tmp_path, "enc", None)
    vectors, found = store.gather([key(3), None, key(0), key(99), key(3)])
    assert store.width == 3 and vectors.dtype == np.float16
    np.testing.assert_array_equal(vectors[:, 0], [3, 0, 0, 0, 3])
    np.testing.assert_array_equal(found, [True, False, True, False, True])
    assert store.recall("photo 2\n", "1-1") == key(2)
    assert store.recall("photo 2\n", "1-2") is None and store.recall("photo 9\n", "1-1") is None


def test_what_is_added_can_be_gathered_at_once(tmp_path):
    store = VectorCache(tmp_path, "enc", 2)
    store.add(key(1), np.array([1, 2]))
    assert key(1) in store and len(store) == 1 and key(2) not in store
    np.testing.assert_array_equal(store.gather([key(1)])[0], [[1, 2]])


def test_a_flush_waits_until_it_is_due(tmp_path, monkeypatch):
    store = VectorCache(tmp_path, "enc", 1)
    store.add(key(1), np.ones(1))
    store.flush(only_if_due=True)
    assert not shards(store)
    monkeypatch.setattr(vector_cache, "FLUSH_ROWS", 2)
    store.add(key(2), np.ones(1))
    store.flush(only_if_due=True)
    assert len(shards(store)) == 1
    monkeypatch.setattr(vector_cache, "FLUSH_SECONDS", 0.0)
    store.add(key(3), np.ones(1))
    store.flush(only_if_due=True)
    store.flush(only_if_due=True)  # nothing new, nothing written
    assert len(shards(store)) == 2


def test_vectors_of_another_encoder_are_never_used(tmp_path, caplog):
    ours, theirs = filled(tmp_path, range(1)), filled(tmp_path, range(1, 2), encoder="other")
    shutil.copy(shards(theirs)[0], ours.folder)
    with caplog.at_level(logging.WARNING):
        store = VectorCache(tmp_path, "enc", 3)
    assert key(0) in store and key(1) not in store
    assert "of encoder other, not enc" in caplog.text


def test_vectors_of_another_width_are_never_used(tmp_path, caplog):
    filled(tmp_path, range(1), width=4)
    assert key(0) not in VectorCache(tmp_path, "enc", 3)
    assert "4 wide, not 3" in caplog.text


@pytest.mark.parametrize("damage", [lambda d: d[: len(d) // 2], lambda d: b"", lambda d: b"x" * len(d)])
def test_a_damaged_shard_costs_only_itself(tmp_path, damage):
    first = shards(filled(tmp_path, range(2)))[0]
    first.write_bytes(damage(first.read_bytes()))
    store = VectorCache(tmp_path, "enc", 3)
    assert key(0) not in store
    np.testing.assert_array_equal(store.gather([key(1)])[0], [[1, 1, 1]])


def test_a_shard_damaged_after_opening_is_named(tmp_path):
    store = filled(tmp_path, range(1))
    shards(store)[0].write_bytes(b"gone wrong")
    with pytest.raises(VibesError, match=r"\.npz cannot be read .* delete that file"):
        store.gather([key(0)])


def test_a_pickled_shard_is_not_unpickled(tmp_path):
    folder = filled(tmp_path, range(1)).folder
    np.savez(
        folder / "1.npz",
        encoder=np.array("enc"),
        keys=np.array([object()], dtype=object),
        vectors=np.zeros((1, 3)),
        width=np.array(3),
        names=np.frombuffer(b"[]", np.uint8),
    )
    assert len(VectorCache(tmp_path, "enc", 3)) == 1


def test_a_write_that_was_killed_is_ignored(tmp_path, caplog):
    store = filled(tmp_path, range(1))
    (store.folder / ".writing-abc-0001-1-0.npz").write_bytes(b"half a shar")
    assert len(VectorCache(tmp_path, "enc", 3)) == 1 and caplog.text == ""


def test_compacting_keeps_vectors_and_names(tmp_path):
    store = filled(tmp_path, range(7))
    store.compact()
    assert len(shards(store)) == 1
    for opened in (store, VectorCache(tmp_path, "enc", 3)):
        np.testing.assert_array_equal(opened.gather([key(n) for n in range(7)])[0][:, 1], range(7))
        assert opened.recall("photo 6\n", "1-1") == key(6)


def test_compacting_keeps_what_was_learned_of_a_name_last(tmp_path, monkeypatch):
    monkeypatch.setattr(vector_cache, "SHARD_ROWS", 3)
    store = filled(tmp_path, range(2))
    for n in (2, 3, 4):
        store.add(key(n), np.zeros(3))
    store.remember("photo 0\n", "2-2", key(2))
    store.flush()  # a shard that stays, between those that are merged
    store.add(key(5), np.zeros(3))
    store.flush()
    store.compact()
    assert VectorCache(tmp_path, "enc", 3).recall("photo 0\n", "2-2") == key(2)


def test_compacting_leaves_large_shards_alone(tmp_path, monkeypatch):
    monkeypatch.setattr(vector_cache, "SHARD_ROWS", 2)
    store = filled(tmp_path, range(5))
    store.compact()
    assert len(shards(store)) == 3  # 2 + 2 + 1 rows
    before = shards(store)
    store.compact()
    assert shards(store) == before


def test_a_kill_while_compacting_loses_nothing(tmp_path):
    store = filled(tmp_path, range(3))
    backup = shutil.copytree(store.folder, tmp_path / "backup")
    store.compact()
    for shard in backup.iterdir():  # the merged shard is in place, the old ones are not yet removed
        shutil.copy(shard, store.folder)
    opened = VectorCache(tmp_path, "enc", 3)
    opened.compact()
    assert len(shards(opened)) == 1 and len(opened) == 3
    np.testing.assert_array_equal(opened.gather([key(n) for n in range(3)])[0][:, 0], range(3))


def test_another_process_may_compact_meanwhile(tmp_path):
    filled(tmp_path, range(4))
    reader, writer, third = (VectorCache(tmp_path, "enc", 3) for _ in range(3))
    writer.compact()
    np.testing.assert_array_equal(reader.gather([key(n) for n in range(4)])[0][:, 0], range(4))
    third.compact()
    np.testing.assert_array_equal(third.gather([key(n) for n in range(4)])[0][:, 0], range(4))


def test_a_full_disk_is_one_clear_sentence(tmp_path, monkeypatch):
    store = VectorCache(tmp_path, "enc", 3)
    store.add(key(0), np.zeros(3))

    def full(*args, **kwargs):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(vector_cache.np, "savez", full)
        with pytest.raises(VibesError, match="disk is full") as raised:
            store.flush()
    assert str(store.folder) in str(raised.value)
    assert list(store.folder.iterdir()) == []
    store.flush()  # once there is space again nothing is lost
    assert key(0) in VectorCache(tmp_path, "enc", 3)


@pytest.mark.parametrize("name", ["../../etc", "a/b", "..", ".", "", "/x", "c:\\d", ".hidden"])
def test_a_folder_name_stays_in_the_cache(name):
    folder = folder_name(name)
    assert folder and "/" not in folder and "\\" not in folder and not folder.startswith(".")


def test_an_ordinary_name_is_its_own_folder():
    name = "eva02_base_patch16_clip_224.merged2b-224-0123abcd"
    assert folder_name(name) == name
