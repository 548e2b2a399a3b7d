"""What was counted once is read, until something changes that it was counted from."""

import json

import pytest
from pydantic import BaseModel

from listing_vibes.market.kept import kept


class Counted(BaseModel):
    """A number, and how often somebody had counted before."""

    before: int


@pytest.fixture
def count():
    """A function that counts, and says how often it was asked."""
    asked = []

    def count_():
        asked.append(1)
        return Counted(before=len(asked) - 1)

    return count_


def test_nothing_is_counted_twice_of_the_same(tmp_path, count):
    assert [kept(tmp_path, "it", ["a", 1, b"x"], Counted, count).before for _ in range(3)] == [0, 0, 0]
    assert kept(tmp_path, "it", ["a", 2, b"x"], Counted, count).before == 1
    assert kept(tmp_path, "it", ["a", 2, b"y"], Counted, count).before == 2
    assert kept(tmp_path, "it", ["a2", b"y"], Counted, count).before == 3  # not the same run together


@pytest.mark.parametrize("content", ["{", "[]", '{"of": 1}', None])
def test_a_damaged_file_is_counted_anew(tmp_path, count, content):
    kept(tmp_path, "it", ["a"], Counted, count)
    path = tmp_path / ".cache" / "it.json"
    of = json.loads(path.read_text())["of"]
    path.write_text(json.dumps({"of": of, "counted": {"before": "x"}}) if content is None else content)
    assert kept(tmp_path, "it", ["a"], Counted, count).before == 1
    assert kept(tmp_path, "it", ["a"], Counted, count).before == 1


def test_where_nothing_can_be_written_it_is_counted_each_time(tmp_path, count):
    (tmp_path / ".cache").write_text("a file where the folder would be")
    assert [kept(tmp_path, "it", ["a"], Counted, count).before for _ in range(2)] == [0, 1]
