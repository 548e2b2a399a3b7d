"""User ids are shown as they are, or by a keyed hash that is the same in every process with that key."""

import hashlib
import hmac
from base64 import b32decode
from concurrent.futures import ThreadPoolExecutor

import pandas as pd
import pytest

from listing_vibes.errors import VibesError
from listing_vibes.market.columns import Columns as C
from listing_vibes.market.log import EventLog
from listing_vibes.market.market import Market
from listing_vibes.market.user_names import FILE, VARIABLE, NumberedUsers, UserNames


@pytest.fixture
def path(tiny_market):
    folder = tiny_market(photos=0)
    with (folder / "market.toml").open("a") as stream:
        stream.write('\n[privacy]\nusers = "hashed"\n')
    return folder


def test_a_name_is_a_keyed_hash(path, monkeypatch):
    name, key = UserNames(path, True).of("u003"), (path / FILE).read_text()
    assert len(key) == 64 and (path / FILE).stat().st_mode & 0o777 == 0o600
    assert b32decode(name[2:].upper()) == hmac.new(key.encode(), b"u003", hashlib.sha256).digest()[:10]
    assert UserNames(path, True).of("u003") == name != UserNames(path, True).of("u004")
    assert UserNames(path, False).of("u003") == "u003"
    monkeypatch.setenv(VARIABLE, "a secret of twenty-six letters")  # has priority over the file
    assert UserNames(path, True).of("u003") != name
    monkeypatch.setenv(VARIABLE, "short")
    with pytest.raises(VibesError, match=f"{VARIABLE} holds a key of 5 characters"):
        Market.open(path)


def test_a_market_has_names_in_the_order_of_the_ids(path, tiny_market):
    market, plain = Market.open(path), Market.open(tiny_market("plain", photos=0))
    assert market.events[C.USER].tolist() == [market.names.of(user) for user in plain.events[C.USER]]
    assert not plain.names.hashed and not (plain.path / FILE).exists()
    pd.testing.assert_frame_equal(market.events.drop(columns=C.USER), plain.events.drop(columns=C.USER))
    users = EventLog.from_market(market).users
    number = NumberedUsers(users, market.names)  # by name and by id
    assert number["u000"] == number[users[0]] == 0 and "u999" not in number and list(number) == users
    shown = market.names.shown(pd.Series(["a", None, "a"], dtype="str", index=[4, 7, 9]))
    assert shown.isna().tolist() == [False, True, False] and shown.index.tolist() == [4, 7, 9] and shown[4] == shown[9]  # fmt: skip


def test_one_key_is_created_or_the_failure_is_one_sentence(tmp_path):
    (tmp_path / "market").mkdir()
    with ThreadPoolExecutor(8) as pool:
        names = set(pool.map(lambda _: UserNames(tmp_path / "market", True).of("u003"), range(24)))
    assert len(names) == 1 and [file.name for file in (tmp_path / "market").iterdir()] == [FILE]
    (tmp_path / "file").touch()
    (tmp_path / FILE).write_bytes(b"\xff" * 40)
    for market in (tmp_path / "file", tmp_path):
        with pytest.raises(VibesError, match=f"cannot be read or created at .*; set {VARIABLE}"):
            UserNames(market, True).of("u003")
