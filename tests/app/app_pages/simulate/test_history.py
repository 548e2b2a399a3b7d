"""Histories in the address: what is written is read back, and what moved is told."""

import json

import pandas as pd
import pytest

from listing_vibes.insight.selection.histories import as_text, parse
from listing_vibes.run.histories import Event, read_history
from listing_vibes_app.app_pages.simulate.history import Moves, document, frame, from_frame, moves

EVENTS = [
    Event("l01"),
    Event("a,b*c d/é?&=%", "add_to_favourites", 12.5),
    Event("l02", None, 90.0),
    Event("l03", "view"),
]


def test_what_is_written_is_read_back():
    text = as_text(EVENTS)
    assert text.count(",") == 3
    assert [parse(token) for token in text.split(",")] == EVENTS
    assert as_text([Event("l01")]) == "l01"


@pytest.mark.parametrize(
    "token", ["l01*view*soon", "l01*view*-4", "l01*view*nan", "l01*view*inf", "l01*view**9"]
)
def test_a_duration_that_is_none_is_left_out(token):
    assert parse(token) == Event("l01", "view")


def test_only_the_newest_events_are_kept():
    assert as_text(Event(f"l{number}") for number in range(70)).split(",")[0] == "l20"


def test_a_frame_is_the_same_history():
    table = frame(as_text(EVENTS))
    assert table["listing_id"].tolist() == [event.listing for event in EVENTS]
    assert table["action"].fillna("").tolist() == ["", "add_to_favourites", "", "view"]
    assert from_frame(table) == as_text(EVENTS)
    assert list(frame("l01,l02").columns) == ["listing_id"] and len(frame("")) == 0
    assert from_frame(pd.DataFrame({"listing_id": ["7"], "action": [None]})) == "7"


def test_the_document_is_what_the_command_line_reads(tmp_path):
    path = tmp_path / "history.json"
    path.write_text(document(as_text(EVENTS)), encoding="utf-8")
    assert from_frame(read_history(path)) == as_text(EVENTS)
    assert json.loads(document("")) == {"history": []}


def test_moves_name_what_came_rose_fell_and_went():
    found = moves(["a", "b", "c", "d"], ["c", "a", "x", "y", "b"], 4, ["d"])
    assert found.marks == ["up 2", "down 1", "new", "new"] and found.came == 2
    assert found.out == [("b", "now no. 5"), ("d", "in the history now")]
    assert moves(["a", "b"], ["b", "c"], 2).out == [("a", "beyond the first 2")]
    assert moves([], ["a"], 3) == Moves([""], [])
    assert moves(["a", "b"], ["a", "b"], 2) == Moves(["", ""], [])
