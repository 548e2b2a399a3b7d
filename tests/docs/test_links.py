"""What the pages point at is there: links, anchors, files and folders of the project."""

import re

import pytest

import listing_vibes.cli  # noqa: F401  (registers the commands)
from helpers.pages import NOW, PAGES, ROOT, anchors, links, name_of, spans

FILE = re.compile(r"(?:core|app|tests|assets)/[\w./-]*")


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_lead_somewhere(page):
    for link in links(page):
        if "://" in link or "generated/" in link:  # written when the site is built
            continue
        file, _, anchor = link.partition("#")
        target = (page.parent / file).resolve() if file else page
        assert target.exists(), f"{name_of(page)} links to {link}"
        assert not anchor or anchor in anchors(target), f"{name_of(page)} links to {link}"


@pytest.mark.parametrize("page", NOW, ids=name_of)
def test_files_that_are_named_are_there(page):
    for span in spans(page):
        if FILE.fullmatch(span):
            assert (ROOT / span).exists(), f"{name_of(page)} names {span}"


def test_the_readme_is_one_page_that_leads_to_every_other():
    readme = PAGES[0]
    text = readme.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 100
    assert text.index("![") < text.index("```")  # the picture comes first
    seen, todo = set(), [readme]
    while todo:
        page = todo.pop()
        seen.add(page)
        linked = {
            (page.parent / link.partition("#")[0]).resolve() for link in links(page) if "://" not in link
        }
        todo += [page for page in linked & set(PAGES) if page not in seen]
    assert seen == set(PAGES)
