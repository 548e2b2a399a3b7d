"""Long lists by the page, the page kept in the URL."""

import numpy as np
import streamlit as st

from listing_vibes_app.server.params import keep, whole

WIDTH = 330  # pixels that seven numbers and two arrows take


def page_of(rows: np.ndarray, size: int, line: str | None = None) -> np.ndarray:
    """The rows of the page that the URL names, and, where there are several, the pages to choose from beside `line`.

    Call it above what it pages: what stands below a grid would move while the grid is drawn.
    """
    pages = -(-len(rows) // size)
    page = whole("page", 1, 1, max(1, pages))
    if line is None:
        _choose(page, pages)
    else:
        with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
            st.caption(line, width="content")
            _choose(page, pages)
    return rows[(page - 1) * size : page * size]


def _choose(page: int, pages: int) -> None:
    if pages > 1:
        st.session_state["page"] = page
        # By itself, of two to four pages beside a line it shows the first and the last only, or one.
        st.pagination(pages, width=WIDTH, key="page", on_change=keep, args=("page", "page", 1))
