"""A listing entered by hand: a field for each attribute of the market, and photos."""

import json
from typing import Any

import pandas as pd
import streamlit as st

from app.server.params import set_params
from app.server.runs import OpenRun
from app.view.formats import plain, printable
from core.market.columns import Columns as C
from core.market.market import Attribute

OPTIONS = 200  # values of a category or set to choose from, the most common
PHOTOS = "new-photos"
LOADED = "new-loaded"
KINDS = ["jpg", "jpeg", "png", "webp"]


def fields(opened: OpenRun) -> list[tuple[str, Attribute]]:
    """(column, attribute) of each field: the title first, then short ones, then texts."""
    found: list[tuple[str, Attribute]] = []
    for item in opened.view.market.attributes:
        names = (C.LATITUDE, C.LONGITUDE) if item.shown_as == "place" else (item.name,)
        found += [(name, item) for name in names]
    title = opened.view.market.config.title
    return sorted(found, key=lambda one: (one[0] != title, one[1].shown_as == "text"))


def cells_of(opened: OpenRun, row: int) -> dict[str, Any]:
    """The values of a listing of the market, as the form holds them."""
    listing = opened.view.market.listings.iloc[row]
    cells: dict[str, Any] = {}
    for name, item in fields(opened):
        value = listing[name]
        if isinstance(value, list):
            cells[name] = list(value)
        elif not pd.isna(value):
            cells[name] = (
                float(value)
                if item.shown_as in ("number", "place")
                else bool(value)
                if item.shown_as == "flag"
                else str(value)
            )
    return cells


def draft_of(cells: dict[str, Any]) -> str:
    """Values as text for the address."""
    return json.dumps(cells, ensure_ascii=False, separators=(",", ":"), sort_keys=True)


def read_draft(opened: OpenRun, text: str) -> dict[str, Any]:
    """The values of an address; what the market has no field for, or of another kind, is left out."""
    try:
        given = json.loads(text) if text else {}
    except (ValueError, RecursionError):
        given = {}
    cells: dict[str, Any] = {}
    for name, item in fields(opened):
        value = given.get(name) if isinstance(given, dict) else None
        match item.shown_as:
            case "number" | "place":
                usable = _held(value, *_ends(opened, name, item))
            case "flag":
                usable = isinstance(value, bool)
            case "multi":
                usable = isinstance(value, list) and all(
                    isinstance(one, str) and _is_text(one) for one in value
                )
            case _:
                usable = isinstance(value, str) and _is_text(value)
        if usable:
            cells[name] = list(dict.fromkeys(value)) if isinstance(value, list) else value
    return cells


def _is_text(value: str) -> bool:
    """Whether a text says something and can be sent: half of a surrogate pair cannot."""
    return bool(value.strip()) and not any("\ud800" <= one <= "\udfff" for one in value)


def _held(value: Any, low: float, high: float) -> bool:
    """Whether a value is a number that its field can hold."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return low <= value <= high  # Python compares whole numbers of any length exactly; nothing holds for NaN


def _ends(opened: OpenRun, name: str, item: Attribute) -> tuple[float, float]:
    """The least and the largest number of a field; browsers count exactly up to 2 ** 53."""
    if item.shown_as == "place":
        end = 90.0 if name == C.LATITUDE else 180.0
    else:
        end = 2.0**53 - 1 if _whole(opened, name) else 1e300
    return -end, end


def newcomer_form(opened: OpenRun) -> tuple[str, dict[str, Any], list[tuple[str, bytes]]]:
    """Show the form; the draft of the address as text and as values, and the uploaded photos (name, content)."""
    cells = read_draft(opened, st.query_params.get("draft", ""))
    draft = draft_of(cells)
    _load(opened, draft, cells)
    with st.form("new", border=True, enter_to_submit=False):
        shown = fields(opened)
        title = opened.view.market.config.title
        for name, item in shown:
            if name == title:
                _field(opened, name, item)
        shown = [one for one in shown if one[0] != title]
        short = [one for one in shown if one[1].shown_as != "text"]
        for first in range(0, len(short), 2):  # by the pair, so that on a phone they keep their order
            for column, (name, item) in zip(
                st.columns(2, gap="medium"), short[first : first + 2], strict=False
            ):
                with column:
                    _field(opened, name, item)
        for name, item in shown:
            if item.shown_as == "text":
                _field(opened, name, item)
        if opened.run.manifest.photo_encoder:
            st.file_uploader(
                "Photos, the cover first",
                type=KINDS,
                accept_multiple_files=True,
                max_upload_size=25,
                key=PHOTOS,
                help="They stay on this machine, and are not part of the link.",
            )
        else:
            st.caption("This run was made without photos, so none can be added.")
        st.form_submit_button(
            "See where it lands",
            icon=":material/my_location:",
            on_click=_submit,
            args=(opened,),
        )
    files = st.session_state.get(PHOTOS) or []
    return draft, cells, [(file.name, file.getvalue()) for file in files]


def fill_form(opened: OpenRun, row: int | None) -> None:
    """Fill the form with the values of a listing, or empty it."""
    st.session_state.pop(LOADED, None)
    set_params(view="new", listing=None, draft=None if row is None else draft_of(cells_of(opened, row)))


def _submit(opened: OpenRun) -> None:
    cells: dict[str, Any] = {}
    for name, item in fields(opened):
        value = st.session_state.get(f"new-{name}")
        if item.shown_as == "flag":
            value = {"Yes": True, "No": False}.get(str(value))
        if (
            value is None
            or (isinstance(value, str) and not value.strip())
            or (value == [] and item.shown_as == "multi")
        ):
            continue
        cells[name] = value
    draft = draft_of(cells)
    st.session_state[LOADED] = draft
    set_params(draft=draft)


def _load(opened: OpenRun, draft: str, cells: dict[str, Any]) -> None:
    """Put the address's values into the fields, once; what is typed meanwhile stays."""
    fresh = st.session_state.get(LOADED) != draft
    st.session_state[LOADED] = draft
    for name, item in fields(opened):
        key, value = f"new-{name}", cells.get(name)
        if not fresh and key in st.session_state:
            continue
        match item.shown_as:
            case "flag":
                value = None if value is None else "Yes" if value else "No"
            case "multi":
                value = value or []
            case "number" | "place":
                if value is not None:
                    value = round(value) if _whole(opened, name) else float(value)
            case "text":
                value = value or ""
        st.session_state[key] = value


def _field(opened: OpenRun, name: str, item: Attribute) -> None:
    unit = opened.view.unit(item)
    label = plain(item.label if not unit or item.shown_as == "place" else f"{item.label} ({unit})")
    key, column = f"new-{name}", opened.view.market.listings[name]
    match item.shown_as:
        case "place":
            st.number_input(
                name.capitalize(),
                *_ends(opened, name, item),
                key=key,
                format="%.5f",
                value=None,
                placeholder="Not known",
            )
        case "number":
            whole = _whole(opened, name)
            st.number_input(label, key=key, value=None, step=1 if whole else None, placeholder="Not known")
        case "flag":
            st.selectbox(label, ["Yes", "No"], key=key, index=None, placeholder="Not known")
        case "category":
            common = column.value_counts().index[:OPTIONS].tolist()
            st.selectbox(
                label,
                common,
                key=key,
                index=None,
                accept_new_options=True,
                placeholder="Not known",
                format_func=lambda value: opened.view.word(item, value),
            )
        case "multi":
            common = column.explode().dropna().value_counts().index[:OPTIONS].tolist()
            st.multiselect(
                label,
                common,
                key=key,
                accept_new_options=True,
                placeholder="None known",
                format_func=printable,
            )
        case _ if name == opened.view.market.config.title:
            st.text_input(label, key=key, placeholder="Not known")
        case _:
            st.text_area(label, key=key, height=110, placeholder="Not known")


def _whole(opened: OpenRun, name: str) -> bool:
    """Whether all numbers of a column are whole."""
    known = opened.view.market.listings[name].dropna()
    return bool(len(known)) and bool((known % 1 == 0).all())
