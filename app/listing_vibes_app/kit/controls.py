"""Controls whose value is a query parameter: a switch, a select box, the length of a list, pages; and the two columns of a page."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from listing_vibes.defaults import K
from listing_vibes.insight.days import market_days
from listing_vibes.insight.selection.page_lists import LONGEST
from listing_vibes.words import count
from listing_vibes_app.server.params import bind, link, set_params
from listing_vibes_app.server.runs import OpenRun

SEEDS = 1_000_000  # number of random orders
_PAGES = 330  # width in pixels of seven numbers and two arrows


def switch(
    label: str, name: str, options: dict[str, str], default: str, clears: Sequence[str] = (), **more: Any
) -> str:
    """Draw `options` (label by value) side by side and return the chosen value; `more` goes to `st.segmented_control`."""
    value = link().choice(name, options, default)
    more = {"required": True, "format_func": options.__getitem__, **more}
    st.segmented_control(label, list(options), **bind(name, value, default, clears=clears), **more)
    return str(st.session_state[name])


def select(
    label: str, name: str, options: dict[str, str], default: str = "", clears: Sequence[str] = (), **more: Any
) -> str:
    """Draw a select box of `options` (label by value) and return the chosen value, or "" without a `default`."""
    value = link().choice(name, options, default) or None
    more = {"format_func": options.__getitem__, "index": 0 if default else None, **more}
    st.selectbox(label, list(options), **bind(name, value, default, clears=clears), **more)
    return str(st.session_state[name] or "")


def load_more(shown: int) -> None:
    """Draw a button for a longer list below one with `shown` listings, if the list is as long as the URL says."""
    k = link().number("k", K, 1, LONGEST)
    if k <= shown and k < LONGEST:
        button("Load more", "expand_more", lambda: set_params(k=min(LONGEST, k + K)), key="load-more")


def beside() -> tuple[DeltaGenerator, DeltaGenerator]:
    """Return a narrow column that stays in sight while the page scrolls, and a wide one; on a phone, one below the other."""
    left, right = st.columns([2, 5], gap="large")
    return left.container(key="pinned"), right


def search_box(name: str, label: str, placeholder: str, clears: Sequence[str] = (), **more: Any) -> str:
    """Draw a text box for a search and return its text."""
    more = {"icon": ":material/search:", "width": 320, **more}
    text = st.query_params.get(name, "")
    st.text_input(
        label, type="search", placeholder=placeholder, **bind(name, text, "", clears=clears), **more
    )
    return text.strip()


def button(label: str, icon: str, on_click: Callable[[], Any], **more: Any) -> None:
    """Draw a button with an icon of Material Symbols."""
    st.button(label, icon=f":material/{icon}:", on_click=on_click, **more)


def random_button(
    label: str, draw: Callable[[np.random.Generator], Any], help: str, icon: str = "casino", **more: Any
) -> None:
    """Draw a button that calls `draw` with a random generator."""
    button(label, icon, lambda: draw(np.random.default_rng()), help=help, **more)


def any_listing(opened: OpenRun, take: Callable[[int], Any], label: str = "Any listing") -> None:
    """Draw a button that calls `take` with the row of a random listing."""
    help = "One drawn at random"
    random_button(label, lambda rng: take(int(rng.integers(len(opened.view)))), help, key="any-listing")


def any_user(opened: OpenRun, take: Callable[[int], Any], least: int = 2) -> None:
    """Draw a button that calls `take` with the number of a random user who has at least `least` events."""
    enough = np.flatnonzero(np.diff(opened.view.log.start) >= least)
    help = f"One with {count(least, 'event')} or more, drawn at random"
    random_button("Any user", lambda rng: take(int(rng.choice(enough))), help, disabled=not len(enough))


def shuffle_button(**clears: None) -> None:
    """Draw a button that shows listings in another random order."""
    random_button(
        "Shuffle",
        lambda rng: set_params(sample=int(rng.integers(1, SEEDS)), page=None, **clears),
        "Show the listings below in a random order",
        "shuffle",
    )


def page_of(rows: np.ndarray, size: int, line: str) -> np.ndarray:
    """Return the rows of the page that the URL names; draw `line`, and the page numbers if there are several pages.

    Call it above the grid that it pages: elements below a grid move while the grid is drawn.
    """
    pages = max(1, -(-len(rows) // size))
    page = link().number("page", 1, 1, pages)
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        st.caption(line, width="content")
        if pages > 1:
            st.pagination(pages, width=_PAGES, **bind("page", page, 1))
    return rows[(page - 1) * size : page * size]


NAME = "day"  # in the URL


def read_day(opened: OpenRun) -> int | None:
    """Return the number of the day that the URL names; None for none."""
    days = market_days(opened.run)
    return link().read(NAME, lambda text: None if days is None else days.number(text))


def event_slider(total: int, help: str) -> int:
    """Draw a slider over a history of `total` events; return the number of known events, by default four fifths."""
    at = link().number("at", max(1, total - max(1, total // 5)), 1, total)
    if total > 1:
        st.slider("As of event", 1, total, help=help, **bind("at", at))
    return at
