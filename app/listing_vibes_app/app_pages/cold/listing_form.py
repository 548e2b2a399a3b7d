"""A listing entered by hand, from one of the market or from nothing: a field for each attribute, and photos."""

import json
from typing import Any

import pandas as pd
import streamlit as st

from listing_vibes.kept_with import kept_with
from listing_vibes.market.columns import Columns as C
from listing_vibes.market.market import Attribute, Market
from listing_vibes.run.thumbs import originals
from listing_vibes_app.server.params import in_vain, set_params
from listing_vibes_app.server.runs import OpenRun
from listing_vibes_app.view.formats import FIELD, count, plain, printable, shorten

OPTIONS = 200  # values of a category or set to choose from, the most common
# These begin otherwise than the keys of fields, which end in the name of a column.
PHOTOS = "photos-of-new"
LOADED = "loaded-draft"
KINDS = ["jpg", "jpeg", "png", "webp"]


def fields(opened: OpenRun) -> list[tuple[str, Attribute]]:
    """(column, attribute) of each field: the title first, then short ones, then texts."""
    found: list[tuple[str, Attribute]] = []
    for item in opened.view.market.attributes:
        names = (C.LATITUDE, C.LONGITUDE) if item.shown_as == "place" else (item.name,)
        found += [(name, item) for name in names]
    title = opened.view.market.title
    return sorted(found, key=lambda one: (one[0] != title, one[1].shown_as == "text"))


def cells_of(opened: OpenRun, row: int) -> dict[str, Any]:
    """The values of a listing of the market, as the form holds them; numbers that no field can hold are left out."""
    listing = opened.view.market.listings.iloc[row]
    cells: dict[str, Any] = {}
    for name, item in fields(opened):
        value = listing[name]
        if isinstance(value, list):
            cells[name] = list(value)
        elif pd.isna(value):
            continue
        elif item.shown_as in ("number", "place"):
            if _held(float(value), *_ends(opened, name, item)):
                cells[name] = float(value)
        else:
            cells[name] = bool(value) if item.shown_as == "flag" else str(value)
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


def tell_left_out(opened: OpenRun) -> None:
    """Have the page say what of the address cannot be the beginning of a listing here."""
    like, text = st.query_params.get("like", ""), st.query_params.get("draft", "")
    if like and begun_with(opened) is None:
        in_vain(
            f"The link begins with the listing “{like}”, which is none of this market; begin with another."
        )
    try:
        given = json.loads(text) if text else {}
    except (ValueError, RecursionError):
        given = None
    if not isinstance(given, dict):
        in_vain("The values of the link cannot be read, so none is filled in.")
        return
    known = read_draft(opened, text) if given else {}
    lost = [f"“{shorten(name, 30)}”" for name in given if name not in known]
    if lost:
        in_vain(
            f"Of the link's values {', '.join(lost[:5])}{' and others' if len(lost) > 5 else ''} "
            f"{'is' if len(lost) == 1 else 'are'} left out: this market has no such field, or not with such a value."
        )


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
        end = 2.0**53 - 1 if is_whole(opened, name) else 1e300
    return -end, end


def begun(opened: OpenRun) -> bool:
    """Whether the address holds a listing, be it one without a value."""
    return "draft" in st.query_params or begun_with(opened) is not None


def begun_with(opened: OpenRun) -> int | None:
    """The row of the market's listing that the address begins with."""
    return opened.view.market.listing_row.get(st.query_params.get("like", ""))


def drafted(opened: OpenRun) -> dict[str, Any]:
    """The values that the address holds, else those of the listing that it begins with."""
    row = begun_with(opened)
    if "draft" not in st.query_params and row is not None:
        return cells_of(opened, row)
    return read_draft(opened, st.query_params.get("draft", ""))


def newcomer_form(opened: OpenRun) -> tuple[dict[str, Any], list[tuple[str, bytes]]]:
    """Show the form, of which every change goes to the address at once; the values, and the photos
    (name, content): those uploaded, else those of the listing that it began with."""
    cells = drafted(opened)
    _load(opened, draft_of(cells), cells)
    with st.container(border=True):
        shown = fields(opened)
        title = opened.view.market.title
        for name, item in shown:
            if name == title:
                _field(opened, name, item, cells)
        shown = [one for one in shown if one[0] != title]
        short = [one for one in shown if one[1].shown_as != "text"]
        for first in range(0, len(short), 2):  # by the pair, so that on a phone they keep their order
            for column, (name, item) in zip(
                st.columns(2, gap="medium"), short[first : first + 2], strict=False
            ):
                with column:
                    _field(opened, name, item, cells)
        for name, item in shown:
            if item.shown_as == "text":
                _field(opened, name, item, cells)
        if opened.run.manifest.photo_encoder:
            _own_photos(opened)
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
    files = st.session_state.get(PHOTOS) or []
    return cells, [(file.name, file.getvalue()) for file in files] or _photos_of(opened)


def change_cells(opened: OpenRun, **changed: Any) -> None:
    """Change values of the draft, in the address and in the fields; None takes one away."""
    cells = {name: value for name, value in {**drafted(opened), **changed}.items() if value is not None}
    st.session_state.pop(LOADED, None)
    set_params(draft=draft_of(cells))


def fill_form(opened: OpenRun, row: int | None) -> None:
    """Fill the form with the values and photos of a listing, or empty it."""
    st.session_state.pop(LOADED, None)
    like, draft = (None, draft_of({})) if row is None else (opened.view.ids[row], None)
    set_params(view="new", listing=None, like=like, draft=draft, photos=None, cover=None)


def _own_photos(opened: OpenRun) -> None:
    """Whether the photos of the listing that the form began with count, where it has some."""
    row = begun_with(opened)
    if row is None or not (number := len(opened.view.photos(row))):
        return
    st.session_state["own-photos"] = st.query_params.get("photos") != "0"
    st.checkbox(
        f"With its {count(number, 'photo')}",
        key="own-photos",
        on_change=lambda: set_params(photos=None if st.session_state["own-photos"] else "0", cover=None),
        help="Those of the listing that the form was filled with; photos added here take their place",
    )


def _photos_of(opened: OpenRun) -> list[tuple[str, bytes]]:
    """The photos of the listing that the form began with, but those that cannot be read."""
    row = begun_with(opened)
    if row is None or st.query_params.get("photos") == "0" or not opened.run.manifest.photo_encoder:
        return []
    return originals(opened.view.market, opened.view.photos(row))


def _changed(opened: OpenRun) -> None:
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
        key = f"new-{name}"
        if fresh or key not in st.session_state:
            st.session_state[key] = _shown(opened, name, item, cells)


def _shown(opened: OpenRun, name: str, item: Attribute, cells: dict[str, Any]) -> Any:
    """A value as its field holds it."""
    value = cells.get(name)
    match item.shown_as:
        case "flag":
            return None if value is None else "Yes" if value else "No"
        case "multi":
            return value or []
        case "number" | "place" if value is not None:
            return round(value) if is_whole(opened, name) else float(value)
        case "text":
            return value or ""
    return value


def _field(opened: OpenRun, name: str, item: Attribute, cells: dict[str, Any]) -> None:
    """The field of a column. Its value is also what it begins with: a browser that is slow to draw it may not hear of a value
    that was set for it once, and would send back what it begins with, as if it had been emptied."""
    unit = opened.view.unit(item)
    label = plain(item.label if not unit or item.shown_as == "place" else f"{item.label} ({unit})")
    key, value = f"new-{name}", _shown(opened, name, item, cells)
    live: dict[str, Any] = {"on_change": _changed, "args": (opened,)}
    match item.shown_as:
        case "place":
            st.number_input(
                name.capitalize(),
                *_ends(opened, name, item),
                key=key,
                format="%.5f",
                value=value,
                placeholder="Not known",
                **live,
            )
        case "number":
            step, form = (1, "%d") if is_whole(opened, name) else (None, FIELD)
            st.number_input(
                label, key=key, value=value, step=step, format=form, placeholder="Not known", **live
            )
        case "flag":
            options = ["Yes", "No"]
            index = None if value is None else options.index(value)
            st.selectbox(label, options, key=key, index=index, placeholder="Not known", **live)
        case "category":
            common = _common(opened.view.market, name)
            options = list(dict.fromkeys([*common, *([] if value is None else [value])]))
            st.selectbox(
                label,
                options,
                key=key,
                index=None if value is None else options.index(value),
                accept_new_options=True,
                placeholder="Not known",
                format_func=lambda value: opened.view.word(item, value),
                **live,
            )
        case "multi":
            st.multiselect(
                label,
                list(dict.fromkeys([*_common(opened.view.market, name), *value])),
                key=key,
                default=value,
                accept_new_options=True,
                placeholder="None known",
                format_func=printable,
                **live,
            )
        case _ if name == opened.view.market.title:
            st.text_input(label, value, key=key, placeholder="Not known", **live)
        case _:
            st.text_area(label, value, key=key, height=110, placeholder="Not known", **live)


def is_whole(opened: OpenRun, name: str) -> bool:
    """Whether all numbers of a column are whole."""
    return _all_whole(opened.view.market, name)


@kept_with(8)
def _all_whole(market: Market, name: str) -> bool:
    known = market.listings[name].dropna()
    return bool(len(known)) and bool((known % 1 == 0).all())


@kept_with(8)
def _common(market: Market, name: str) -> tuple[str, ...]:
    """The most common values of a category or set."""
    return tuple(market.listings[name].explode().value_counts().index[:OPTIONS].tolist())
