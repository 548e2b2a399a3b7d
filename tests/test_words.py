"""Words beside figures."""

import pytest

from listing_vibes.words import count, cut, percent


def test_one_thing_and_many():
    assert [count(number, "entry", "entries") for number in (0, 1, 1234)] == [
        "0 entries",
        "1 entry",
        "1,234 entries",
    ]


@pytest.mark.parametrize(
    ("share", "options", "told"),
    [
        (0.12345, {}, "12.3%"),
        (0.0004, {}, "0.0%"),
        (0.0004, {"unit": " %", "bounds": ("< ", "> ")}, "< 0.1 %"),
        (0.9996, {"unit": " %", "bounds": ("< ", "> ")}, "> 99.9 %"),
        (0.004, {"decimals": 0, "bounds": ("under ", "over ")}, "under 1%"),
        (0.996, {"decimals": 0, "bounds": ("under ", "over ")}, "over 99%"),
        (0.5, {"decimals": 0, "bounds": ("under ", "over ")}, "50%"),
        (0.0, {"bounds": ("< ", "> ")}, "0.0%"),
        (1.0, {"bounds": ("< ", "> ")}, "100.0%"),
        (0.0123, {"unit": " %", "signed": True}, "+1.2 %"),
        (-0.0123, {"unit": " %", "signed": True}, "-1.2 %"),
    ],
)
def test_a_share_as_it_is_read(share, options, told):
    assert percent(share, **options) == told


def test_a_text_is_cut_to_a_length_that_holds_the_ellipsis():
    assert cut("a garden", 8) == "a garden"
    assert cut("a garden, sunny", 8) == "a garde…" and cut("garden sunny", 8) == "garden…"
