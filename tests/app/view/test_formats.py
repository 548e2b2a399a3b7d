"""Values as people read them."""

import math

import pytest

from listing_vibes_app.view import formats


def test_names_that_are_there_twice_are_numbered():
    assert formats.numbered(["a", "b", "a", "a 2", "a"], " ") == ["a", "b", "a 2", "a 2 2", "a 3"]


@pytest.mark.parametrize(
    ("value", "unit", "expected"),
    [
        (869500.0, "$", "$869,500"),
        (1234567.891, "", "1,234,568"),
        (80.0, "EUR", "€80"),
        (-3.5, "USD", "-$3.50".rstrip("0")),
        (12.3456, "m²", "12.35 m²"),
        (123.456, "", "123.5"),
        (0.1 + 0.2, "", "0.3"),
        (0.0004, "", "0.0004"),  # two figures of what two decimals would not tell
        (0.00996, "", "0.01"),
        (-0.004, "EUR", "-€0.004"),
        (0.012345, "", "0.01"),
        (1.234e-9, "", "1.2e-09"),
        (-0.0, "EUR", "€0"),
        (95.0, "%", "95%"),
        (1.0, "nights", "1 night"),
        (2.0, "nights", "2 nights"),
        (1.0, "inches", "1 inch"),
        (1.0, "gross", "1 gross"),
        (math.nan, "$", "—"),
        (math.inf, "", "—"),
    ],
)
def test_numbers(value, unit, expected):
    assert formats.number(value, unit) == expected
    assert formats.number(1995.0, grouped=False) == "1995"  # a year


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [(0, "0 s"), (59.4, "59 s"), (60, "1 min"), (3599, "1 h"), (3900, "1 h 5 min"), (math.nan, "—")],
)
def test_durations(seconds, expected):
    assert formats.duration(seconds) == expected


def test_places_and_distances():
    assert formats.place(42.6526, -73.7562) == "42.65° N, 73.76° W"
    assert formats.place(math.nan, 1.0) == "—"
    assert [formats.distance(value) for value in (0.234, 0.999, 4.56, 255.4)] == [
        "230 m",
        "1.0 km",
        "4.6 km",
        "255 km",
    ]


def test_moments():
    assert formats.moment(1_709_251_200_000_000_000) == "1 Mar 2024"
    assert formats.moment(1_709_301_900_000_000_000, clock=True) == "1 Mar 2024, 14:05"


def test_an_id_that_nobody_can_read_becomes_a_number():
    assert formats.identity("l07", "Listing", 6) == "Listing l07"
    assert formats.identity("user-0575", "User", 6) == "user-0575"
    assert formats.identity("1f0e3dad-9990-4ee4-8a55-5c0a8f0f6b3e", "User", 1233) == "User no. 1,234"


def test_shortening_keeps_whole_words():
    assert formats.shorten("a sunny room by the park", 14) == "a sunny room…"
    assert formats.shorten("two\nlines", 20) == "two lines"
    assert len(formats.shorten("x" * 100, 10)) == 10


def test_markdown_in_data_is_shown_as_it_is():
    assert formats.plain("*old* $5 [x](y)") == "\\*old\\* \\$5 \\[x\\](y)"
    assert formats.plain("1. Street") == "1\\. Street" and formats.plain("1) Street") == "1\\) Street"
    assert formats.plain("Price (€)") == "Price (€)"  # a label, which is read aloud
    assert formats.plain("www.x.org a@b &lt;") == "www\u2060.x.org a\u2060@b \\&lt;"
    assert "https://" not in formats.plain("https://x.org")
    assert formats.plain("a\u202eb\x1b[2J\nc") == "a\\\\u202eb\\\\x1b\\[2J c"


def test_no_name_brings_a_mark_that_turns_or_moves_what_stands_beside_it():
    for shown in (
        formats.shorten("a\u202eb\x1b[2J", 40),
        formats.identity("u\u202e1", "User", 0),
        formats.words("add\u200f_it"),
    ):
        assert shown.isprintable()


def test_counting():
    assert (formats.count(1, "user"), formats.count(1200, "user")) == ("1 user", "1,200 users")
    assert formats.count(2, "oddity", "oddities") == "2 oddities"
    assert formats.words("add_to_cart") == "Add to cart"
