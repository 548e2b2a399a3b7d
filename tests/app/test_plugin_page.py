"""A page of another package stands in the navigation, and one that is broken is left out with a sentence."""

import importlib
import sys

import pytest
from looking import texts

from helpers.plugins import forget_plugins, plugin, plugin_folder  # noqa: F401
from listing_vibes_app import registry as pages


@pytest.fixture
def reload_pages():
    yield lambda: importlib.reload(pages)
    forget_plugins()
    importlib.reload(pages)


def test_a_page_of_another_package_is_shown(plugin, reload_pages, show, bare):  # noqa: F811
    reload_pages()
    assert (pages.PAGES[-1].name, pages.PAGES[0].name) == ("words", "overview") and not pages.PROBLEMS
    driver = show("overview", bare)
    driver.switch_page(pages.PAGES[-1].file).run()
    assert not driver.exception
    assert [one.value for one in driver.title] == ["Words"]


def test_a_broken_page_is_left_out(plugin, reload_pages, show, bare, monkeypatch):  # noqa: F811
    monkeypatch.setitem(sys.modules, "acme_vibes.words", None)  # cannot be imported
    reload_pages()
    assert [page.name for page in pages.PAGES] == list(pages.NAMES)
    assert "acme-vibes 1.0" in texts(show("overview", bare))
