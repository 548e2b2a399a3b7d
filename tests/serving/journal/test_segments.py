"""Journals: what is appended is read once and whole, whatever happened to those who wrote."""

import errno
import os
import resource
import signal
import stat
import time

import pytest

from listing_vibes.errors import VibesError
from listing_vibes.serving.journal import segments as module
from listing_vibes.serving.journal.following import Following
from listing_vibes.serving.journal.segments import Segments


def read(following: Following) -> list[bytes]:
    found: list[bytes] = []
    for part in following.news():
        found = [] if part is None else [*found, *part.splitlines()]
    return found


def test_lines_of_several_writers_come_once_each(tmp_path):
    one, two, following = Segments(tmp_path, "x"), Segments(tmp_path, "x"), Following(tmp_path, "x")
    one.append([b"1", b"2"], durable=True)
    assert read(following) == [b"1", b"2"]
    two.append([b"3"], durable=False)
    one.append([b"4"], durable=True)
    assert sorted(read(following)) == [b"3", b"4"] and read(following) == []
    assert one.path != two.path and Following(tmp_path, "y").news() is not None
    assert len(read(Following(tmp_path, "x"))) == 4


def test_half_a_line_is_no_line_and_nothing_is_written_behind_it(tmp_path):
    (tmp_path / "x-20260101T000000-0badcafe.jsonl").write_bytes(b'{"a": 1}\n{"a": 2')
    mine, following = Segments(tmp_path, "x"), Following(tmp_path, "x")
    mine.append([b'{"a": 3}'], durable=True)
    assert read(following) == [b'{"a": 1}', b'{"a": 3}']
    assert len(list(tmp_path.iterdir())) == 2


def test_a_segment_ends_when_it_is_full_or_old(tmp_path, monkeypatch):
    mine = Segments(tmp_path, "x", most_bytes=10)
    for line in (b"12345678", b"1", b"123456789012345", b"2"):
        mine.append([line], durable=False)
    assert sorted(path.stat().st_size for path in tmp_path.iterdir()) == [2, 2, 9, 16]
    old = Segments(tmp_path / ".", "y", most_s=5)
    old.append([b"1"], durable=False)
    now = time.time()
    monkeypatch.setattr(module.time, "time", lambda: now + 6)
    old.append([b"2"], durable=False)
    assert len(list(tmp_path.glob("y-*"))) == 2


def test_a_file_that_was_put_in_its_place_is_read_anew_and_not_written(tmp_path):
    mine, following = Segments(tmp_path, "x"), Following(tmp_path, "x")
    mine.append([b"1", b"2"], durable=True)
    assert read(following) == [b"1", b"2"]
    (tmp_path / ".other").write_bytes(b"2\n")
    os.replace(tmp_path / ".other", mine.path)
    mine.append([b"3"], durable=True)
    time.sleep(0.06)
    found = list(following.news())
    assert found[0] is None and sorted(b"".join(found[1:]).splitlines()) == [b"2", b"3"]


def test_a_disk_that_takes_no_more_is_one_sentence_and_leaves_no_half_line(tmp_path):
    mine = Segments(tmp_path, "x")
    mine.append([b"1" * 100], durable=True)
    path, before = mine.path, resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (150, before[1]))
    try:
        with pytest.raises(VibesError, match="Cannot write"):
            mine.append([b"2" * 100], durable=True)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, ignored)
    assert path.read_bytes() == b"1" * 100 + b"\n"
    mine.append([b"3"], durable=True)
    assert mine.path != path and sorted(map(len, read(Following(tmp_path, "x")))) == [1, 100]


def test_what_a_full_disk_did_not_take_leaves_no_file_and_readers_know_at_once(tmp_path, monkeypatch):
    mine, following, real = Segments(tmp_path, "x"), Following(tmp_path, "x"), os.fsync

    def full(opened):
        if not stat.S_ISDIR(os.fstat(opened).st_mode):
            assert read(following) == [b"1"]
            raise OSError(errno.ENOSPC, "full")
        real(opened)

    monkeypatch.setattr(module.os, "fsync", full)
    with pytest.raises(VibesError, match="disk is full"):
        mine.append([b"1"], durable=True)
    assert not list(tmp_path.iterdir())
    assert list(following.news()) == [None]
