"""Undoing changes of the address: the states that a page went through in this session."""

from collections.abc import Mapping
from typing import Any

import streamlit as st

from listing_vibes_app.server.params import set_params

KEPT = 100


def _book(page: str) -> dict[str, Any]:
    empty: dict[str, Any] = {"now": None, "past": [], "last": {}}
    book: dict[str, Any] = st.session_state.setdefault(f"undo-{page}", empty)
    return book


def remember(page: str, state: Mapping[str, str]) -> None:
    """Note the state (parameters by name) that the page is in; a new one can be undone."""
    book, state = _book(page), dict(state)
    if book["now"] is None:
        book["now"] = state
    elif book["now"] != state:
        book["past"] = [*book["past"], book["now"]][-KEPT:]
        _enter(book, state)


def can_undo(page: str) -> bool:
    """Whether there is an earlier state."""
    return bool(_book(page)["past"])


def undo(page: str) -> None:
    """Go back to the state before; the way back is itself no change that could be undone."""
    book = _book(page)
    if book["past"]:
        state = book["past"].pop()
        _enter(book, state)
        set_params(**{name: value or None for name, value in state.items()})


def before(page: str, name: str) -> str:
    """What a parameter was before its last change; empty where it never changed."""
    return str(_book(page)["last"].get(name, ""))


def _enter(book: dict[str, Any], state: dict[str, str]) -> None:
    for name, value in state.items():
        if book["now"].get(name) != value:
            book["last"][name] = book["now"].get(name, "")
    book["now"] = state
