"""The explorer's navigation; every page is a file in `app_pages`."""

from pathlib import Path

import streamlit as st

from app.session import run_paths
from app.widgets.runs import run_selector

ICON = str(Path(__file__).with_name("icon.svg"))

# Before the navigation: it would take the first page's icon, which browsers fetch from another machine.
st.set_page_config(page_icon=ICON, layout="wide")

PAGES = [
    st.Page("app_pages/overview.py", title="Overview", icon=":material/home:", default=True),
    st.Page("app_pages/similar.py", title="Similar listings", icon=":material/grid_view:"),
    st.Page("app_pages/users.py", title="Users", icon=":material/group:"),
    st.Page("app_pages/simulate.py", title="Simulate a user", icon=":material/draw:"),
    st.Page("app_pages/map.py", title="Vibe map", icon=":material/scatter_plot:"),
    st.Page("app_pages/cold.py", title="Cold start", icon=":material/ac_unit:"),
    st.Page("app_pages/compare.py", title="Compare", icon=":material/compare_arrows:"),
]
several = len(run_paths()) > 1
page = st.navigation(PAGES, position="hidden" if several else "top")
st.set_page_config(page_title=f"{page.title} · Listing Vibes")
st.logo(ICON, size="large")
if several:
    run_selector(PAGES)
page.run()
