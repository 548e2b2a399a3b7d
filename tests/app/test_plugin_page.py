"""A further page stands in the navigation, from a module or from another package; a broken one is left out with a sentence."""

import importlib
import shutil
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from looking import components, texts
from streamlit.testing.v1 import AppTest

from helpers.pages import blocks
from helpers.plugins import PAGE, forget_plugins, plugin, plugin_folder  # noqa: F401
from listing_vibes import Run
from listing_vibes.demo.shipped import ROOT as DEMO
from listing_vibes.market.columns import Columns as C
from listing_vibes_app import app_pages
from listing_vibes_app import registry as pages

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
    drawn = AppTest.from_string("from listing_vibes_app.registry import PAGES; PAGES[-1].show()").run()
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


GUIDE = Path(__file__).parents[2] / "assets" / "docs" / "reference" / "rules.md"
RUN, USER, LISTING, K = DEMO / "run", "user-00016", "home-0100", 12
KINDS = ("recommend", "similar")
TOLD_BY = " · "  # what a card says behind a score that a rule overrules


@dataclass(frozen=True)
class Case:
    """A rule: what Python is told and the page's address."""

    rules: dict[str, Any] = field(default_factory=dict)
    page: dict[str, str] = field(default_factory=dict)
    at: str | None = None
    blend: str | None = None
    kinds: tuple[str, ...] = KINDS  # a listing has no history, and its page no moment
    as_usual: tuple[str, ...] = ()  # for which the list is that without a rule


def rule(name: str, *values: str, page: str | None = None, **more: Any) -> Case:
    """A rule that may be given several times, each time with one value."""
    return Case({name: list(values)}, {name: page or ";".join(values)}, **more)


def cases(run: Run) -> dict[str, Case]:
    """The rules by the names of the guide's table, with values that change both lists of the demo."""
    ids, (_, best, *_), (_, near, *_) = (
        run.listing_ids,
        listed(run.recommend(USER, K)),
        listed(run.similar(LISTING, K)),
    )
    place = ",".join(f"{run.market.listings[name].median():.5f}" for name in (C.LATITUDE, C.LONGITUDE))
    day = "2025-03-20"
    return {
        "none": Case(as_usual=KINDS),
        "`--blend recency`": Case({}, {"with": "recency"}, blend="recency", kinds=("recommend",)),
        "`--blend nothing`": Case({}, {"with": "nothing"}, blend="nothing", kinds=("recommend",)),
        "`--at`, live then": Case({"live_only": True}, {"live": "1", "day": day}, at=day, kinds=("recommend",)),
        "`live_only: true`": Case({"live_only": True}, {"live": "1"}, as_usual=("recommend",)),
        "`live_only: false`": Case({"live_only": False}, {"live": "0"}, as_usual=("similar",)),
        "`drop_seen: false`": Case({"drop_seen": False}, {"seen": "1"}, kinds=("recommend",)),
        "`where`": rule("where", "price<=1200", "rooms=2|3"),
        "`same`": rule("same", "building"),
        "`at_most`": Case({"at_most": 1, "seller": "district"}, {"most": "1", "per": "district"}),
        "`diversity`": Case({"diversity": 0.5}, {"variety": "5"}),
        "`pin`": rule("pin", ids[700], ids[30]),
        "`block`": rule("block", best[0], near[0]),
        "`not`": rule("not", best[0], near[0]),
        "`boost: fresh ...`": rule("boost", "fresh 1 14d"),
        "`boost: near ...`": rule("boost", f"near {place} 1 500m"),
        "`dial`": rule("dial", f"mine 1.5 model +{ids[5]} +{ids[9]} -{ids[14]}"),
        "`fill`": Case({"where": ["price<=400"], "fill": True}, {"where": "price<=400", "fill": "1"}),
    }  # fmt: skip


def listed(found: pd.DataFrame) -> list[tuple[str, str]]:
    """Ids of a list with what put them there."""
    return [(one["listing_id"], one.get("rule", "")) for one in found.to_dict("records")]


def by_python(run: Run, kind: str, case: Case) -> list[tuple[str, str]]:
    if kind == "recommend":
        return listed(run.recommend(USER, K, at=case.at, rules=case.rules, blend=case.blend))
    return listed(run.similar(LISTING, K, at=case.at, rules=case.rules))


def on_page(drawn: Any, kind: str, case: Case) -> list[tuple[str, str]]:
    """The listings of the page's cards, each with its score as the card says it."""
    of = {"user": USER} if kind == "recommend" else {"listing": LISTING, "space": "model"}
    if kind == "recommend" and case.at is None:  # as of all that is known of the user
        of["at"] = "999"
    drawn.query_params.clear()
    drawn.query_params.update({"k": str(K)} | of | case.page)
    drawn.run()
    assert not drawn.exception, drawn.exception
    label = "Recommendations, the best first" if kind == "recommend" else "neighbors by"
    (found,) = [one for one in components(drawn, "gallery") if label in one["label"]]
    return [(card["href"].split("listing=")[1].split("&")[0], card["score"]) for card in found["cards"]]


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_a_rule_gives_on_its_page_the_list_that_python_gives(show, kind):
    run, usual = Run.open(RUN), None
    page = ("users", {"user": USER}) if kind == "recommend" else ("similar", {"listing": LISTING})
    drawn = show(page[0], RUN, k=str(K), **page[1])
    for name, case in cases(run).items():
        assert f"| {name} |" in GUIDE.read_text()
        if kind not in case.kinds:
            continue
        expected = by_python(run, kind, case)
        usual = usual or expected
        assert expected and (expected == usual) == (kind in case.as_usual), name
        found = on_page(drawn, kind, case)
        assert [one for one, _ in found] == [one for one, _ in expected], name
        # A card has a sentence in the place of a rule's name.
        assert [TOLD_BY in score for _, score in found] == [bool(told) for _, told in expected], name
