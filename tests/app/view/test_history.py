"""A history as of a moment, and what came after it."""

from types import SimpleNamespace

from listing_vibes_app.view.history import touched_later


def test_what_was_refused_later_is_no_touch(make_log):
    view = SimpleNamespace(log=make_log([0, 0, 0, 0, 1], [0, 1, 2, 0, 4], range(5), 5, 2, hides=[1]))
    assert touched_later(view, 0, 1) == {2}
    assert touched_later(view, 0, 1, 1) == set() and touched_later(view, 0, 1, 2) == {2}
