"""What a notebook may give `similar` and `recommend`: ids, lists, histories and moments in whatever form they come."""

import datetime as dt
import shutil

import numpy as np
import pandas as pd
import pytest

from helpers.copies import copied
from listing_vibes.errors import VibesError
from listing_vibes.insight.explain.explain import explain
from listing_vibes.market.market import Market
from listing_vibes.run.histories import Event
from listing_vibes.run.run import Run
from listing_vibes.run.spaces import embed_market


@pytest.fixture(scope="module")
def numbered(trained, tmp_path_factory) -> Run:
    """The trained run over its market with whole numbers for ids: users 1000.., listings 0.., with user 7 among them."""
    folder = tmp_path_factory.mktemp("numbered")
    homes = pd.read_parquet(trained.market.path / "listings.parquet")
    events = pd.read_parquet(trained.market.path / "events.parquet")
    homes["listing_id"] = homes["listing_id"].str.removeprefix("home-").astype(int)
    events["listing_id"] = events["listing_id"].str.removeprefix("home-").astype(int)
    events["user_id"] = 1000 + events["user_id"].str.removeprefix("user-").astype(int)
    events.loc[events["user_id"] == events["user_id"].min(), "user_id"] = 7
    market = Market.from_frames(homes, events, config=trained.market.config, path=folder / "market")
    embed_market(market, folder / "run", None, trained.path)
    return Run.open(folder / "run", market)


def same(one: pd.DataFrame, other: pd.DataFrame) -> None:
    pd.testing.assert_frame_equal(one, other)
    assert len(one)


@pytest.mark.slow
@pytest.mark.parametrize("listing", [3, 3.0, np.int64(3), np.int16(3), np.float64(3), np.str_("3"), " 3 "])
def test_a_listing_is_a_text_or_a_number(numbered, listing):
    same(numbered.similar(listing, 5), numbered.similar("3", 5))


@pytest.mark.parametrize("kind", [list, tuple, np.array, pd.Series, pd.Index, iter])
def test_several_listings_come_in_any_list(numbered, kind):
    found = numbered.similar(kind([3, 5]), 4)
    assert found.columns.tolist() == ["query_id", "listing_id", "score", "title"]
    for listing in ("3", "5"):
        part = found[found["query_id"] == listing].drop(columns="query_id").reset_index(drop=True)
        same(part, numbered.similar(listing, 4))


@pytest.mark.slow
@pytest.mark.parametrize("kind", [list, tuple, np.array, pd.Series])
def test_several_users_come_in_any_list(numbered, kind):
    users = [int(user) for user in numbered.log.users if user != "7"][:2]
    found = numbered.recommend(kind(users), 4)
    assert found.columns.tolist() == ["user_id", "listing_id", "score", "title"]
    assert found["user_id"].tolist() == [str(user) for user in users for _ in range(4)]
    for user in users:
        part = found[found["user_id"] == str(user)].drop(columns="user_id").reset_index(drop=True)
        same(part, numbered.recommend(user, 4))
        same(part, numbered.recommend(np.int64(user), 4))
    same(found, numbered.recommend(pd.DataFrame({"user_id": users}), 4))


def test_nobody_asked_for_is_an_empty_table(trained):
    nobody = pd.DataFrame({"user_id": pd.Series([], dtype="str")})
    assert trained.recommend(nobody).columns.tolist()[:3] == ["user_id", "listing_id", "score"]
    assert trained.similar([], rules={"not": ["home-0003"]}).columns.tolist()[:3] == [
        "query_id",
        "listing_id",
        "score",
    ]
    assert not len(trained.recommend(nobody)) and explain(trained, "user-0001", []) == []


def test_a_history_is_the_same_in_every_form(numbered):
    frame = pd.DataFrame(
        {"listing_id": [3, 5, 9], "action": ["view", None, "message"], "duration_s": [4.0, np.nan, 60.0]}
    )
    expected = numbered.recommend(frame.astype({"listing_id": "str"}), 6)
    assert expected.columns.tolist() == ["listing_id", "score", "title"]
    events = [
        {"listing_id": 3, "action": "view", "duration_s": 4},
        {"listing_id": np.int64(5)},
        {"listing_id": "9", "action": "message", "duration_s": "60"},
    ]
    forms = [
        frame,
        frame.set_index("listing_id"),
        frame.astype({"listing_id": float}),
        frame.assign(user_id="somebody"),
        frame.assign(duration_s=pd.to_timedelta(frame["duration_s"], unit="s")),
        events,
        tuple(events),
        [Event("3", "view", 4.0), Event("5"), Event("9", "message", 60.0)],
        [Event("3", "view", 4.0), *events[1:]],
    ]  # fmt: skip
    for form in forms:
        same(numbered.recommend(form, 6), expected)
    same(numbered.recommend({"listing_id": 3}, 6), numbered.recommend([3], 6))


def test_a_list_of_listing_ids_is_a_history(numbered):
    ids = [3, 5, 9]
    expected = numbered.recommend(pd.DataFrame({"listing_id": ids}), 6)
    for form in (ids, [str(one) for one in ids], np.array(ids), pd.Series(ids), (one for one in ids)):
        same(numbered.recommend(form, 6), expected)
    several = numbered.recommend([ids, [9]], 6)
    assert several["user_id"].tolist() == [""] * 12
    same(several.drop(columns="user_id").head(6), expected)
    mixed = numbered.recommend([numbered.log.users[0], ids, pd.DataFrame({"listing_id": [9]})], 6)
    same(mixed.drop(columns="user_id").iloc[6:12].reset_index(drop=True), expected)


def test_a_moment_is_a_text_a_date_or_a_timestamp(trained):
    user = trained.log.users[0]
    first = pd.Timestamp(int(trained.log.time[trained.log.start[0]]), tz="UTC")
    at = first.ceil("D")
    expected = trained.recommend(user, 5, at=at)
    forms = [
        at.strftime("%Y-%m-%d"),
        at.tz_localize(None),
        at.tz_convert("Asia/Tokyo"),
        at.to_pydatetime(),
        at.date(),
        at.to_datetime64(),
        f"{at:%Y-%m-%d}T02:00+02:00",
    ]
    for form in forms:
        same(trained.recommend(user, 5, at=form), expected)
    assert isinstance(forms[4], dt.date)
    with pytest.raises(VibesError, match="at is 'tomorrow'; give a date such as"):
        trained.recommend(user, at="tomorrow")


def test_titles_stand_beside_ids(trained, bare, tmp_path):
    found = trained.similar(trained.listing_ids[0], 4)
    titles = trained.market.listings.set_index("listing_id")["title"]
    assert found["title"].tolist() == titles[found["listing_id"]].tolist()
    frames = Market.from_frames(pd.DataFrame({"listing_id": [1, 2, 3], "rooms": [1, 2, 3]}))
    embed_market(frames, tmp_path / "untitled", None)
    untitled = Run.open(tmp_path / "untitled", frames).similar(1, space="attributes")
    assert untitled.columns.tolist() == ["listing_id", "score"]
    moved = copied(trained, tmp_path / "copy")
    shutil.rmtree(tmp_path / "copy" / "market")
    gone = Run.open(moved.path).similar(trained.listing_ids[0], 4)
    same(gone, found.drop(columns="title"))


@pytest.mark.parametrize(
    "asked",
    [
        True, 2.5, None, b"3", float("nan"), [3, None], 3, [5000, 5001], [3, 5000], [1005, 3], [7], [{"listing": 3}],
        [{"listing_id": 3}, {"action": "view"}], [{"listing_id": 3, "duration_s": -4}],
        [{"listing_id": 3, "duration_s": "long"}], [{"listing_id": 3, "action": "stare"}],
        [{"listing_id": 3, "timestamp": "soon"}], pd.DataFrame({"user_id": [1, 2], "listing_id": [3, 5]}),
    ],
    ids=repr,
)  # fmt: skip
def test_what_is_no_query_is_one_sentence(numbered, asked):
    with pytest.raises(VibesError) as caught:
        numbered.recommend(asked)
    assert "\n" not in str(caught.value)


def test_what_may_be_both_can_be_said_for_certain(numbered):
    same(numbered.recommend(7, 4), numbered.recommend("7", 4))
    user = numbered.recommend(pd.DataFrame({"user_id": [7]}), 4).drop(columns="user_id")
    same(user, numbered.recommend(7, 4))
    history = numbered.recommend([{"listing_id": 7}], 4)
    same(numbered.recommend([[7]], 4).drop(columns="user_id"), history)
    assert history["listing_id"].tolist() != user["listing_id"].tolist()


@pytest.mark.parametrize(
    "given",
    [
        {"k": 0}, {"k": -5}, {"k": 2.5}, {"k": True}, {"k": "5"}, {"rules": 3}, {"rules": ["price<=100"]},
        {"rules": {"sam": "rooms"}}, {"rules": {"diversity": 2}}, {"rules": {"where": "colour=red"}},
    ],
    ids=repr,
)  # fmt: skip
def test_a_wrong_option_is_one_sentence(numbered, given):
    for ask in (lambda: numbered.similar(3, **given), lambda: numbered.recommend(7, **given)):
        with pytest.raises(VibesError):
            ask()
