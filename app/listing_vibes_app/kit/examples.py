"""Examples of a vibe dial that is being made: each listing that is one is on a side, and a click on its card puts it there.

They lie in the session beside the fields that show them: what a field holds in the browser, which may be of before the last
clicks, comes back with each of these.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import streamlit as st

from listing_vibes_app.kit.component import happened

SIDES = {"more": "More like these", "less": "Less like those"}
HIGH = 36  # pixels that the buttons take on a card
_MAKING, _EXAMPLES, _ANSWERED, _FIELDS = "dial-open", "dial-examples", "dial-answered", "dial-fields"


def making() -> bool:
    """Whether a dial is being made."""
    return bool(st.session_state.get(_MAKING))


def make(now: bool) -> None:
    """Begin a dial, without examples, or end it."""
    st.session_state[_MAKING] = now
    _show({})


def examples(side: str) -> list[str]:
    """The ids of a side."""
    return list(st.session_state.get(_EXAMPLES, {}).get(side, ()))


def field_of(side: str) -> tuple[str, list[str]]:
    """The key of the field that shows a side, a new one after each click on a card, so that no older value comes back, and what
    it begins with."""
    number, began = st.session_state.get(_FIELDS, (0, {}))
    return f"dial-{side}-{number}", list(began.get(side, ()))


def take_field(side: str, key: str) -> None:
    """Callback of a field: its listings are the side's; one that was of the other side leaves that."""
    if key != field_of(side)[0]:
        return
    listings = list(st.session_state[key])
    other = next(one for one in SIDES if one != side)
    rest = [one for one in examples(other) if one not in listings]
    now = {side: listings, other: rest}
    if rest != examples(other):
        _show(now)
    st.session_state[_EXAMPLES] = now


def example_marks(key: str) -> tuple[dict[str, Any] | None, dict[str, Callable[[], None]]]:
    """What a component of cards with this `key` is told of the examples, None while no dial is being made, and its callback."""
    if not making():
        return None, {}
    told: dict[str, Any] = {side: examples(side) for side in SIDES}
    told["answered"] = st.session_state.get(_ANSWERED, {}).get(key, 0)
    return told, {"on_example_change": lambda: _clicked(key)}


def sided(now: Mapping[str, Sequence[str]], clicks: Sequence[tuple[int, str, str]]) -> dict[str, list[str]]:
    """The listings of each side after clicks (number, listing, side), of which the side is empty where a listing leaves."""
    found = {side: list(listings) for side, listings in now.items()}
    for _, listing, side in clicks:
        for listings in found.values():
            if listing in listings:
                listings.remove(listing)
        if side in found:
            found[side].append(listing)
    return found


def _clicked(key: str) -> None:
    answered = st.session_state.setdefault(_ANSWERED, {})
    clicks = [one for one in happened(key, "example") or () if one[0] > answered.get(key, 0)]
    if clicks and making():
        answered[key] = clicks[-1][0]
        _show(sided({side: examples(side) for side in SIDES}, clicks))


def _show(now: dict[str, list[str]]) -> None:
    """Have new fields begin with these examples."""
    st.session_state[_EXAMPLES] = now
    st.session_state[_FIELDS] = (st.session_state.get(_FIELDS, (0, {}))[0] + 1, now)
