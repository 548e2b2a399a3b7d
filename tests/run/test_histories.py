"""A history file may hold anything: it is read, or refused in one sentence."""

import json

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from listing_vibes.errors import VibesError
from listing_vibes.market.columns import Columns as C
from listing_vibes.run.histories import read_history

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
    except VibesError:
        return
    assert len(found) == 3


@pytest.mark.parametrize(
    "text",
    [
        "[" * 100_000,
        '[{"listing_id": "home-0001", "duration_s": ' + "9" * 400 + "}]",
        '[{"listing_id": "home-0001", "duration_s": ' + "9" * 5000 + "}]",
        '["\\ud800"]',
        '[{"listing_id": ["home-0001"]}]',
        '[{"listing_id": "home-0001", "action": {"a": 1}}]',
        '{"history": {"listing_id": "home-0001"}}',
        "\x00",
        "",
    ],
)
def test_hostile_files_are_refused_in_one_sentence(trained, tmp_path, text):
    path = tmp_path / "history.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(VibesError) as refused:
        trained.recommend(read_history(path), 3)
    assert len(str(refused.value)) < 500


@pytest.mark.parametrize("name", ["history.json", "history.csv"])
def test_events_with_a_timestamp_are_read_in_its_order(tmp_path, name):
    path = tmp_path / name
    newest_first = pd.DataFrame(
        {
            C.LISTING: ["c", "b", "a"],
            C.TIMESTAMP: ["2024-03-02T00:30:00+02:00", "2024-03-01T22:15:00Z", "2024-02-28"],
        }
    )

    def write(table: pd.DataFrame) -> None:
        path.write_text(
            table.to_json(orient="records") if path.suffix == ".json" else table.to_csv(index=False)
        )

    write(newest_first)
    assert read_history(path)[C.LISTING].tolist() == ["a", "b", "c"]
    write(newest_first.drop(columns=C.TIMESTAMP))
    assert read_history(path)[C.LISTING].tolist() == ["c", "b", "a"]
    for bad in ("never", None):
        write(newest_first.assign(**{C.TIMESTAMP: ["2024-03-02", bad, "2024-02-28"]}))
        with pytest.raises(VibesError, match="timestamp"):
            read_history(path)
