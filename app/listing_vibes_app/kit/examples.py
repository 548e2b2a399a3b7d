"""Examples of a vibe dial that is being made: listings on two sides, kept in the address, which clicks on cards change."""

from collections.abc import Sequence
from urllib.parse import quote, unquote

import streamlit as st

from listing_vibes_app.server.params import set_params

SIDES = {"more": "More like these", "less": "Less like those"}
HIGH = 36  # pixels that the buttons take on a card
MAKING = "new-dial"
PARAMS = (MAKING, *SIDES)


def is_making() -> bool:
    """Whether a dial is being made."""
    return MAKING in st.query_params


def begin_dial(now: bool) -> None:
    """Begin a dial, without examples, or end it."""
    set_params(**{**dict.fromkeys(PARAMS), MAKING: 1 if now else None})


def examples(side: str) -> list[str]:
    """The ids of a side, each once."""
    parts = st.query_params.get(side, "").split(",")
    return list(dict.fromkeys(unquote(part) for part in parts if part))


def example_marks() -> dict[str, list[str]] | None:
    """The ids of each side for a component of cards; None while no dial is being made."""
    return {side: examples(side) for side in SIDES} if is_making() else None


def take_field(side: str) -> None:
    """Callback of a field: its listings are the side's; one that was of the other side leaves that."""
    listings = st.session_state[f"dial-{side}"]
    other = next(one for one in SIDES if one != side)
    rest = [one for one in examples(other) if one not in listings]
    set_params(**{side: _written(listings), other: _written(rest)})


def _written(listings: Sequence[str]) -> str | None:
    return ",".join(quote(one, safe="") for one in listings) or None
