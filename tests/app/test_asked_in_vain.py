"""Whatever a link asks for and does not get is told on the page, in one sentence each; a good link is told nothing."""

import pytest

CASES = [
    ("cold", {"view": "new", "like": "nope"}, ["begins with the listing “nope”"]),
    ("cold", {"view": "new", "draft": "{"}, ["values of the link cannot be read"]),
    ("cold", {"view": "new", "draft": '{"price": "x", "nope": 1}'}, ["“price”, “nope” are left out"]),
    ("cold", {"view": "attic", "set": "none"}, ["“view=attic”"]),
    ("similar", {"listing": "l03", "run": "other"}, ["“run=other”"]),
    ("similar", {"listing": "l03", "space": "smell", "k": "many"}, ["“space=smell”", "“k=many”"]),
    ("similar", {"listing": "l03", "why": "nope"}, ["asks why “nope” is here"]),
    (
        "similar",
        {"listing": "l03", "price": "a-9", "is": "x:y", "same": "foo", "km": "far", "on": "2031-99-01"},
        ["“price=a-9”", "“is=x:y”", "“same=foo”", "“km=far”", "“on=2031-99-01”"],
    ),
    (
        "similar",
        {"listing": "l03", "per": "foo", "live": "7", "variety": "x"},
        ["“per=foo”", "“live=7”", "“variety=x”"],
    ),
    ("users", {"user": "USER", "at": "x", "with": "luck"}, ["“at=x”", "“with=luck”"]),
    ("users", {"user": "USER", "day": "1999-01-01"}, ["“day=1999-01-01”, but this market has days from"]),
    ("compare", {"part": "x"}, ["“part=x”"]),
    ("simulate", {"h": "l03", "k": "x", "same": "foo"}, ["“k=x”", "“same=foo”"]),
]


@pytest.fixture
def told(show, trained):
    """The sentences above a page with these parameters; the market's own note is none."""

    def ask(page, **params):
        params = {name: "u0" if value == "USER" else value for name, value in params.items()}
        drawn = show(page, trained, **params)
        return [one.value.replace("\\", "") for one in drawn.info if "simulated" not in one.value]

    return ask


@pytest.mark.parametrize(
    ("page", "params", "expected"),
    [CASES[0], *(pytest.param(*one, marks=pytest.mark.slow) for one in CASES[1:])],
)
def test_each_thing_that_a_link_asks_for_in_vain_is_told_once(told, page, params, expected):
    sentences = told(page, **params)
    for part in expected:
        assert sum(part in one for one in sentences) == 1, (part, sentences)
    assert len(sentences) == len(expected)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("page", "params"),
    [
        (
            "similar",
            {
                "listing": "l03",
                "space": "photos",
                "k": "24",
                "why": "l04",
                "is": "room_type:Loft",
                "price": "1-900",
            },
        ),
        ("cold", {"view": "new", "like": "l03"}),
        ("users", {"user": "USER", "at": "2", "variety": "3", "live": "0"}),
        ("compare", {"part": "queries"}),
    ],
)
def test_a_link_that_is_understood_is_told_nothing(told, page, params):
    assert told(page, **params) == []
