"""The explorer's navigation; every page is a package in `app_pages`, named in `listing_vibes_app.registry`."""

from pathlib import Path

import streamlit as st

from listing_vibes_app.kit.notices import asked_in_vain, market_notice
from listing_vibes_app.kit.presenter import presenter
from listing_vibes_app.kit.run_selector import run_selector
from listing_vibes_app.registry import PAGES, PROBLEMS
from listing_vibes_app.server.boundary import boundary
from listing_vibes_app.server.runs import run_paths

ICON = str(Path(__file__).with_name("icon.svg"))

#: Titles and values of right-to-left languages are read in their own direction; tags on the primary color stand out in both themes.
STYLE = """<style>
.stApp :is(h1, h2, h3, td) { unicode-bidi: plaintext; text-align: left }
.stApp [data-tag-index] * { color: light-dark(#ffffff, #14191b) }
</style>"""

# Before the navigation: it would take the first page's icon, which browsers fetch from another machine.
st.set_page_config(page_icon=ICON, layout="wide")

pages = [
    st.Page(one.file, title=one.title, icon=one.icon, url_path=one.name, default=one is PAGES[0])
    for one in PAGES
]
several = len(run_paths()) > 1
page = st.navigation(pages, position="hidden" if several else "top")
st.set_page_config(page_title=f"{page.title} · Listing Vibes")
st.logo(ICON, size="large")
st.html(STYLE)
with asked_in_vain(), boundary():
    if several:
        run_selector(pages)
    market_notice()
    for problem in PROBLEMS:
        st.warning(problem)
    page.run()
presenter(page.title)
