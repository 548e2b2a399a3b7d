"""The events that carried a recommendation, on its card."""

import numpy as np
import pytest
from looking import components

from helpers.carried import carried
from listing_vibes import Run
from listing_vibes.insight.explain.reasons import explain
from listing_vibes_app.view.formats import ordinal
from listing_vibes_app.view.history import history_frame, moment_of
from listing_vibes_app.view.market import MarketView


@pytest.mark.slow
def test_a_recommendation_names_the_events_that_carried_it(show, trained):
    page = show("users", trained, user="u1", at="4", k="6")
    shown = components(page, "gallery")[-1]
    run = Run.open(trained)
    view = MarketView(run.market, lambda: run.log)
    number = view.user_row["u1"]
    listings = [card["href"].split("listing=")[1].split("&")[0] for card in shown["cards"]]
    added = carried(run, history_frame(view, number, 4), listings)
    told = 0
    for column, card in zip(added.T, shown["cards"], strict=True):
        expected = [event for event in np.argsort(-column, kind="stable")[:2] if column[event] >= 0.001]
        reasons = [one for one in card["reasons"] if "event" in one["note"]]
        assert [one["note"].split(" · ")[0] for one in reasons] == [
            f"+{column[event]:.3f}" for event in expected
        ]
        for one, event in zip(reasons, expected, strict=True):
            row = int(run.log.listing[run.log.start[number] + event])
            assert one["title"] == view.title(row) and f"event {event + 1}" in one["note"]
        told += len(expected)
        (part,) = [one for one in card["reasons"] if "event" not in one["note"]]
        listing = card["href"].split("listing=")[1].split("&")[0]
        (found,) = explain(run, history_frame(view, number, 4), listing, at=moment_of(view, number, 4))
        best = max([*found.attributes, *found.photos], key=lambda one: one["adds"])
        moved = f" · else {ordinal(best['place_without'])}" if best["place_without"] != found.place else ""
        assert part["note"] == f"+{best['adds']:.3f}{moved}"
    assert told


def test_what_is_recommended_to_who_has_one_event_is_carried_by_it(show, trained):
    page = show("users", trained, user="u1", at="1", k="6")
    for card in components(page, "gallery")[-1]["cards"]:
        events = [
            one["note"].split(" · ")[-1].split(",")[0] for one in card["reasons"] if "event" in one["note"]
        ]
        assert events in (["event 1"], [])
