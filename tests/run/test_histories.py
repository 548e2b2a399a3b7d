"""History files and the queries of notebooks: any form is read alike, or refused in one sentence."""

import datetime as dt
import json
import shutil

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from helpers.copies import copied
from listing_vibes.errors import VibesError
from listing_vibes.insight.explain import explain
from listing_vibes.market.columns import Columns as C
from listing_vibes.market.market import Market
from listing_vibes.run.embedding import embed_market
from listing_vibes.run.histories import Event, read_history
from listing_vibes.run.run import Run

LISTINGS = ["home-0001", "home-0007", "home-0042"]
values = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=8),
    st.lists(st.integers(), max_size=2),
)
events = st.one_of(
    st.sampled_from(LISTINGS),
    values,
    st.dictionaries(st.sampled_from([C.LISTING, C.ACTION, C.DURATION, "more"]), values, max_size=4),
    st.fixed_dictionaries(
        {C.LISTING: st.sampled_from(LISTINGS)},
        optional={C.ACTION: st.one_of(st.sampled_from(["view", "message"]), values), C.DURATION: values},
    ),
)
contents = st.one_of(
    values, st.lists(events, max_size=5), st.fixed_dictionaries({"history": st.lists(events)})
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=contents)
def test_any_json_is_a_history_or_refused(trained, tmp_path, content):
    path = tmp_path / "history.json"
    path.write_text(json.dumps(content), encoding="utf-8")
    try:
        found = trained.recommend(read_history(path), 3)
    except VibesError as error:
        assert "\n" not in str(error)
    else:
        assert len(found) == 3


@pytest.mark.parametrize("name", ["history.json", "history.csv"])
def test_events_with_a_timestamp_are_read_in_its_order(tmp_path, name):
    path = tmp_path / name
    times = ["2024-03-02T00:30:00+02:00", "2024-03-01T22:15:00Z", "2024-02-28"]
    newest_first = pd.DataFrame({C.LISTING: ["c", "b", "a"], C.TIMESTAMP: times})

    def write(table: pd.DataFrame) -> None:
        text = table.to_json(orient="records") if path.suffix == ".json" else table.to_csv(index=False)
        path.write_text("\ufeff" + text, encoding="utf-8")  # Windows programs write a byte order mark

    write(newest_first)
    assert read_history(path)[C.LISTING].tolist() == ["a", "b", "c"]
    write(newest_first.drop(columns=C.TIMESTAMP))
    assert read_history(path)[C.LISTING].tolist() == ["c", "b", "a"]
    for bad in ("never", None):
        write(newest_first.assign(**{C.TIMESTAMP: ["2024-03-02", bad, "2024-02-28"]}))
        with pytest.raises(VibesError, match="timestamp"):
            read_history(path)


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
    market = Market.from_frames(homes, events, config=trained.market.config).save(folder / "market")
    embed_market(market, folder / "run", None, trained.path)
    return Run.open(folder / "run", market)


def same(left: pd.DataFrame, right: pd.DataFrame) -> None:
    pd.testing.assert_frame_equal(left, right, rtol=3e-5)  # scores have five digits
    assert len(left)


@pytest.mark.slow
def test_an_id_is_a_text_or_a_number_and_several_come_in_any_list(numbered):
    for listing in (3, 3.0, np.int64(3), np.float64(3), np.str_("3"), " 3 "):
        same(numbered.similar(listing, 5), numbered.similar("3", 5))
    users = [int(user) for user in numbered.log.users if user != "7"][:2]
    for kind in (list, tuple, np.array, pd.Series, pd.Index, iter):
        found = numbered.similar(kind([3, 5]), 4)
        recommended = numbered.recommend(kind(users), 4)
        assert found.columns.tolist() == ["query_id", "listing_id", "score", "title"]
        assert recommended["user_id"].tolist() == [str(user) for user in users for _ in range(4)]
        for listing in (3, 5):
            part = found[found["query_id"] == str(listing)].drop(columns="query_id")
            same(part.reset_index(drop=True), numbered.similar(listing, 4))
        for user in users:
            part = recommended[recommended["user_id"] == str(user)].drop(columns="user_id")
            same(part.reset_index(drop=True), numbered.recommend(np.int64(user), 4))
    same(recommended, numbered.recommend(pd.DataFrame({"user_id": users}), 4))


def test_no_query_gives_an_empty_table(trained):
    nobody = pd.DataFrame({"user_id": pd.Series([], dtype="str")})
    found, alike = trained.recommend(nobody), trained.similar([], rules={"not": ["home-0003"]})
    assert found.columns.tolist()[:3] == ["user_id", "listing_id", "score"] and not len(found)
    assert alike.columns.tolist()[:3] == ["query_id", "listing_id", "score"]
    assert explain(trained, "user-0001", []) == []


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
        frame, frame.set_index("listing_id"), frame.astype({"listing_id": float}), frame.assign(user_id="u"), events,
        frame.assign(duration_s=pd.to_timedelta(frame["duration_s"], unit="s")), tuple(events),
        [Event("3", "view", 4.0), Event("5"), Event("9", "message", 60.0)], [Event("3", "view", 4.0), *events[1:]],
    ]  # fmt: skip
    for form in forms:
        same(numbered.recommend(form, 6), expected)
    same(numbered.recommend({"listing_id": 3}, 6), numbered.recommend([3], 6))


def test_a_list_of_listing_ids_is_a_history(numbered):
    ids = [3, 5, 9]
    expected = numbered.recommend(pd.DataFrame({"listing_id": ids}), 6)
    for form in (ids, [str(item) for item in ids], np.array(ids), pd.Series(ids), (item for item in ids)):
        same(numbered.recommend(form, 6), expected)
    several = numbered.recommend([ids, [9]], 6)
    assert several["user_id"].tolist() == [""] * 12
    same(several.drop(columns="user_id").head(6), expected)
    with pytest.raises(VibesError):
        numbered.recommend([numbered.log.users[0], ids])


def test_an_id_of_a_user_and_of_a_listing_can_be_given_for_certain(numbered):
    user = numbered.recommend(7, 4)
    same(user, numbered.recommend("7", 4))
    same(user, numbered.recommend(pd.DataFrame({"user_id": [7]}), 4).drop(columns="user_id"))
    history = numbered.recommend([{"listing_id": 7}], 4)
    same(numbered.recommend([[7]], 4).drop(columns="user_id"), history)
    assert history["listing_id"].tolist() != user["listing_id"].tolist()


def test_a_moment_is_a_text_a_date_or_a_timestamp(trained):
    user = trained.log.users[0]
    at = pd.Timestamp(int(trained.log.time[trained.log.start[0]]), tz="UTC").ceil("D")
    expected = trained.recommend(user, 5, at=at)
    forms = [
        at.strftime("%Y-%m-%d"), at.tz_localize(None), at.tz_convert("Asia/Tokyo"), at.to_pydatetime(),
        dt.date(at.year, at.month, at.day), at.to_datetime64(), f"{at:%Y-%m-%d}T02:00+02:00",
    ]  # fmt: skip
    for form in forms:
        same(trained.recommend(user, 5, at=form), expected)
    with pytest.raises(VibesError, match="at is 'tomorrow'"):
        trained.recommend(user, at="tomorrow")


def test_titles_stand_beside_ids(trained, tmp_path):
    found = trained.similar(trained.listing_ids[0], 4)
    titles = trained.market.listings.set_index("listing_id")["title"]
    assert found["title"].tolist() == titles[found["listing_id"]].tolist()
    frames = Market.from_frames(pd.DataFrame({"listing_id": [1, 2, 3], "rooms": [1, 2, 3]}))
    embed_market(frames, tmp_path / "untitled", None)
    untitled = Run.open(tmp_path / "untitled", frames).similar(1, space="attributes")
    assert untitled.columns.tolist() == ["listing_id", "score"]
    moved = copied(trained, tmp_path / "copy")
    shutil.rmtree(tmp_path / "copy" / "market")
    same(Run.open(moved.path).similar(trained.listing_ids[0], 4), found.drop(columns="title"))


@pytest.mark.parametrize(
    "query",
    [
        True, 2.5, None, b"3", float("nan"), [3, None], 3, [5000, 5001], [3, 5000], [1005, 3], [7], [{"listing": 3}],
        [{"listing_id": 3}, {"action": "view"}], [{"listing_id": 3, "duration_s": -4}],
        [{"listing_id": 3, "duration_s": "long"}], [{"listing_id": 3, "action": "stare"}],
        [{"listing_id": 3, "timestamp": "soon"}], pd.DataFrame({"user_id": [1, 2], "listing_id": [3, 5]}),
    ],
    ids=repr,
)  # fmt: skip
def test_an_invalid_query_is_refused_in_one_sentence(numbered, query):
    with pytest.raises(VibesError) as caught:
        numbered.recommend(query)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "options",
    [
        {"k": 0}, {"k": 2.5}, {"k": True}, {"k": "5"}, {"rules": 3}, {"rules": ["price<=100"]}, {"rules": {"sam": "rooms"}},
        {"rules": {"diversity": 2}}, {"rules": {"where": "colour=red"}},
    ],
    ids=repr,
)  # fmt: skip
def test_an_invalid_option_is_refused(numbered, options):
    for call in (lambda: numbered.similar(3, **options), lambda: numbered.recommend(7, **options)):
        with pytest.raises(VibesError):
            call()
