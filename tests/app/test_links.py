"""A page, its link and its code give the same rows; a page of another package stands in the navigation."""

import importlib
import shutil
import sys
from urllib.parse import urlencode

import pytest
from looking import components, links, texts
from streamlit.testing.v1 import AppTest

from browser.painted import paint_market, train_run
from helpers.blends import fixed_blend
from helpers.pages import blocks
from helpers.plugins import PAGE, forget_plugins, plugin, plugin_folder  # noqa: F401
from listing_vibes import Run, selection
from listing_vibes.run.blends import save_blends
from listing_vibes_app import all_pages as pages
from listing_vibes_app import app_pages


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("as-code")
    market = paint_market(folder / "market", listings=30, users=8, events=6, ending=True)
    found = train_run(market, folder / "run")
    save_blends(found, [fixed_blend("recency", recent=0.3)])
    return found


def lists(page, label) -> list[list[str]]:
    """Return the listings of the lists with these words in their labels, in the page's order."""
    found = [*components(page), *components(page, "history_cards")]
    return [links(one) for one in found if label in one["label"]]


def rows_of(code) -> list[str]:
    names: dict = {}
    exec(code, names)
    return names["result"]["listing_id"].tolist()


FILTERED = {"space": "attributes", "price": "90-200", "is": "room_type:Shared room", "on": "2024-03-04"}
CASES = {
    "similar": ("similar", {"listing": "l05", "k": "6"}, "neighbors by"),
    "filtered": ("similar", {"listing": "l05", **FILTERED}, "neighbors by"),
    "the same": (
        "similar",
        {"listing": "l05", "same": "room_type", "variety": "4", "fill": "1"},
        "neighbors by",
    ),
    "side by side": ("similar", {"listing": "l05", "view": "spaces", "k": "6"}, "neighbors by"),
    "user": ("users", {"user": "u1", "at": "3", "k": "6", "with": "recency"}, "Recommendations"),
    "user to the end": (
        "users",
        {"user": "u2", "at": "6", "same": "room_type", "live": "0"},
        "Recommendations",
    ),
    "history": ("simulate", {"h": "l05,l06*view*30", "variety": "5", "seen": "1"}, "Recommended for"),
    "two histories": ("simulate", {"h": "l05", "h2": "l07*message", "two": "1", "k": "6"}, "Recommended for"),
    "cold": ("cold", {"listing": "l08", "space": "attributes"}, "by attributes"),
}
QUICK = {"filtered", "history"}  # those of the quick suite


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[] if name in QUICK else [pytest.mark.slow]) for name in CASES]
)
def test_code_and_link_of_a_page_give_its_rows(show, run, name):
    where, params, label = CASES[name]
    page = show(where, run, **params)
    shown = lists(page, label)
    assert shown and all(shown)
    assert [rows_of(one.value) for one in page.code if "result =" in one.value] == shown
    found = selection(Run.open(run), f"/{where}?{urlencode(params)}")
    assert found["listing_id"].tolist() == [listing for each in shown for listing in each]


@pytest.mark.slow
def test_two_runs_have_code_each_also_in_a_folder_with_quotes(show, run, tmp_path):
    other = tmp_path / 'the "last" run'
    shutil.copytree(run, other)
    (tmp_path / "market").symlink_to(run.parent / "market")
    page = show("compare", run, other, part="runs", listing="l05", space="attributes")
    shown, codes = lists(page, "The list of"), [one.value for one in page.code if "result =" in one.value]
    assert [rows_of(code) for code in codes] == shown and len(shown) == 2
    found = selection(Run.open(run), "/compare?part=runs&listing=l05&space=attributes")
    assert found["listing_id"].tolist() == shown[0]


UNUSED = [
    ("cold", {"view": "new", "like": "nope"}, ["“like=nope”"]),
    ("cold", {"view": "new", "draft": '{"price": "x", "nope": 1}'}, ["“price=x” and “nope=1”"]),
    ("cold", {"view": "attic", "set": "none"}, ["“view=attic”"]),
    ("similar", {"listing": "l03", "run": "other"}, ["“run=other”"]),
    ("similar", {"listing": "l03", "space": "smell", "k": "many"}, ["“space=smell”", "“k=many”"]),
    ("similar", {"listing": "l03", "why": "nope"}, ["“why=nope”"]),
    (
        "similar",
        {"listing": "l03", "per": "foo", "live": "7", "variety": "x"},
        ["“per=foo”", "“live=7”", "“variety=x”"],
    ),
    ("users", {"user": "u0", "at": "x", "with": "luck"}, ["“at=x”", "“with=luck”"]),
    ("users", {"user": "u0", "day": "1999-01-01"}, ["“day=1999-01-01”"]),
    ("compare", {"part": "x"}, ["“part=x”"]),
    ("similar", {"listing": "l03", "space": "photos", "k": "24", "why": "l04", "price": "1-900"}, []),
]


@pytest.mark.parametrize(
    ("page", "params", "expected"),
    [UNUSED[0], *(pytest.param(*one, marks=pytest.mark.slow) for one in UNUSED[1:])],
)
def test_what_a_link_cannot_be_used_for_is_told_once(show, trained, page, params, expected):
    drawn = show(page, trained, **params)
    sentences = [one.value.replace("\\", "") for one in drawn.info if "simulated" not in one.value]
    assert len(sentences) == bool(expected)
    assert all(sentences[0].count(part) == 1 for part in expected), sentences


BUILT_IN = ["overview", "similar", "users", "simulate", "map", "cold", "compare"]


@pytest.fixture
def reload_pages():
    yield lambda: importlib.reload(pages)
    forget_plugins()
    importlib.reload(pages)


def test_a_page_of_another_package_is_shown(plugin, reload_pages, show, bare):  # noqa: F811
    reload_pages()
    assert not pages.PROBLEMS
    assert_shown(show, bare)


def test_a_page_is_one_module(tmp_path, monkeypatch, reload_pages, show, bare):
    (module,) = blocks(PAGE, "python app/listing_vibes_app/app_pages/words.py")
    (tmp_path / "words.py").write_text(module)
    monkeypatch.setattr(app_pages, "__path__", [*app_pages.__path__, str(tmp_path)])
    reload_pages()
    assert_shown(show, bare)


def assert_shown(show, run):
    assert [page.name for page in pages.PAGES] == [*BUILT_IN, "words"]
    show("overview", run)  # its navigation has every page
    drawn = AppTest.from_string("from listing_vibes_app.all_pages import PAGES; PAGES[-1].show()").run()
    assert not drawn.exception and [title.value for title in drawn.title] == ["Words"]


def test_a_broken_page_is_left_out(plugin, reload_pages, show, bare, monkeypatch):  # noqa: F811
    monkeypatch.setitem(sys.modules, "acme_vibes.words", None)  # cannot be imported
    reload_pages()
    assert [page.name for page in pages.PAGES] == BUILT_IN
    assert "acme-vibes 1.0" in texts(show("overview", bare))


VIEWS = [
    ("overview", {}),
    ("similar", {}),
    ("similar", {"listing": "l05"}),
    ("users", {"user": "u1"}),
    ("simulate", {"h": "l05"}),
    ("map", {}),
    ("cold", {"view": "new", "like": "l05"}),
    ("compare", {}),
]


@pytest.mark.slow
def test_no_page_offers_photos_or_looks(show, bare, tmp_path):
    shutil.copytree(bare.parent, tmp_path / "bare")  # the page of the map draws one
    for name, params in VIEWS:
        page = show(name, tmp_path / "bare" / "run", **params)
        choices = [option for box in (*page.segmented_control, *page.selectbox) for option in box.options]
        labels = [
            widget.label
            for widget in (*page.button, *page.text_input, *page.toggle, *page.get("file_uploader"))
        ]
        said = "\n".join([texts(page), *map(str, choices), *map(str, labels)]).lower()
        assert "photo" not in said and "look" not in said, (name, params)
        assert not any(card["photo"] for gallery in components(page) for card in gallery["cards"])
