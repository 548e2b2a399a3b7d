"""A further page stands in the navigation, from a module or from another package; a broken one is left out with a sentence."""

import importlib
import sys

import pytest
from looking import texts
from streamlit.testing.v1 import AppTest

from helpers.pages import blocks
from helpers.plugins import PAGE, forget_plugins, plugin, plugin_folder  # noqa: F401
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
