"""The draft of a new listing: its values in the URL, the form that changes them, and its photos."""

import json
from typing import Any

import pandas as pd
import streamlit as st

from listing_vibes.cache import cached_per_object
from listing_vibes.errors import printable, sentence_of
from listing_vibes.insight.audience import Crowd
from listing_vibes.insight.drafts import is_whole
from listing_vibes.insight.launch import example_draft
from listing_vibes.insight.selection.page_lists import example_listing
from listing_vibes.insight.selection.url_parameters import Params
from listing_vibes.market.attribute_types import Attribute, type_of
from listing_vibes.market.columns import Columns as C
from listing_vibes.market.market import Market
from listing_vibes.market.photo_decoding import data_address, originals, preview
from listing_vibes_app.kit.gallery import Card, gallery
from listing_vibes_app.server.params import bind, hold, link, set_params
from listing_vibes_app.server.runs import BY_RUN, OpenRun
from listing_vibes_app.view.formats import FIELD, count, plain

MAIN = 4  # fields outside of the expander
OPTIONS = 200  # most common values of a category or set, as options
PHOTOS = 30  # most photos of a listing
SMALL = 96  # width of a photo in pixels
UPLOADS = "photos-of-new"  # key of the uploader; keys of fields start with "new-"


def fields(opened: OpenRun) -> list[Attribute]:
    """Return the attributes with a field: the price first, then short ones by the share of listings that have them, then texts.

    A draft has the location of the listing that it started from.
    """
    view = opened.view
    available = view.market.listings.notna().mean()
    items = [item for item in view.market.attributes if item.shown_as != "place"]
    order = {
        item.name: (item.shown_as == "text", item not in view.headline[:1], -available[item.name])
        for item in items
    }
    return sorted(items, key=lambda item: order[item.name])


def cells_of(opened: OpenRun, row: int) -> dict[str, Any]:
    """Return the values of a listing of the market in the format of the form."""
    listing = opened.view.market.listings.iloc[row]
    cells: dict[str, Any] = {}
    for item in opened.view.market.attributes:
        for name in type_of(item.kind).columns(item.name):
            value = listing[name]
            if isinstance(value, list):
                cells[name] = list(value)
            elif not pd.isna(value):
                make = {"number": float, "place": float, "flag": bool}.get(item.shown_as, str)
                cells[name] = make(value)
    return {name: cell for name, cell in cells.items() if _fits(opened, name, cell)}


def draft_of(cells: dict[str, Any]) -> str:
    """Return values as text for the URL."""
    return json.dumps(cells, ensure_ascii=False, separators=(",", ":"), sort_keys=True)


def read_draft(opened: OpenRun, params: Params) -> dict[str, Any]:
    """Return the values of a draft in a URL; those that no field of this market can hold are added to `Params.unused`."""
    given = params.read("draft", _parse_document) or {}
    cells = {name: value for name, value in given.items() if _fits(opened, name, value)}
    params.unused += [(name, str(value)) for name, value in given.items() if name not in cells]
    return cells


def _parse_document(text: str) -> dict[str, Any] | None:
    try:
        given = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return given if isinstance(given, dict) else None


def _fits(opened: OpenRun, name: str, value: Any) -> bool:
    """Return whether the field of a column can hold a value."""
    fitting = (
        each for each in opened.view.market.attributes if name in type_of(each.kind).columns(each.name)
    )
    item = next(fitting, None)
    if item is None:
        return False
    if item.shown_as in ("number", "place"):
        # Browsers represent integers exactly up to 2 ** 53; the comparison is false for NaN.
        end = 90.0 if name == C.LATITUDE else 180.0 if name == C.LONGITUDE else 1e300
        end = 2.0**53 - 1 if item.shown_as == "number" and is_whole(opened.view.market, name) else end
        return isinstance(value, int | float) and not isinstance(value, bool) and -end <= value <= end
    if item.shown_as == "flag":
        return isinstance(value, bool)
    if item.shown_as == "multi":
        return isinstance(value, list) and all(map(_is_text, value)) and len(set(value)) == len(value)
    return _is_text(value)


def _is_text(value: Any) -> bool:
    """Return whether a value is a text that can be sent, without a lone surrogate."""
    return (
        isinstance(value, str)
        and bool(value.strip())
        and not any("\ud800" <= sign <= "\udfff" for sign in value)
    )


@st.cache_resource(show_spinner=False, max_entries=4, hash_funcs=BY_RUN)
def crowd_of(opened: OpenRun) -> Crowd:
    """Return the users whose lists a draft would enter."""
    return Crowd.of(opened.run)


def can_launch(opened: OpenRun) -> bool:
    """Return whether a draft has an audience: the run has a model, and there are users."""
    return opened.run.has_model and opened.view.has_events


@st.cache_data(show_spinner=False, max_entries=16, hash_funcs=BY_RUN)
def _example(opened: OpenRun) -> str:
    return example_draft(opened.run, crowd_of(opened)) if can_launch(opened) else example_listing(opened.run)


def start_row(opened: OpenRun) -> int | None:
    """Return the row of the market's listing that the draft started from: an example until values or a listing are given."""
    rows = opened.view.market.listing_row
    row = link().read("like", rows.get)
    return rows[_example(opened)] if row is None and "draft" not in st.query_params else row


def read_cells(opened: OpenRun) -> dict[str, Any]:
    """Return the values of the draft, from the URL or else from the listing that it started from."""
    row = start_row(opened)
    if "draft" not in st.query_params and row is not None:
        return cells_of(opened, row)
    return read_draft(opened, link())


def change_cells(opened: OpenRun, **changed: Any) -> None:
    """Change values of the draft; None or an empty value removes it."""
    cells, row = {**read_cells(opened), **changed}, start_row(opened)
    like = None if row is None else opened.view.ids[row]
    set_params(
        like=like, draft=draft_of({name: cell for name, cell in cells.items() if _fits(opened, name, cell)})
    )


def start_draft(opened: OpenRun, row: int | None) -> None:
    """Fill the form with the values and photos of a listing, or clear it."""
    like, draft = (None, draft_of({})) if row is None else (opened.view.ids[row], None)
    set_params(view="new", listing=None, like=like, draft=draft, photos=None, cover=None)


def draft_form(opened: OpenRun) -> tuple[dict[str, Any], list[tuple[str, bytes]]]:
    """Draw the form, photos first; return the values and the photos (name, content), the cover first."""
    cells = read_cells(opened)
    with st.container(border=True):
        photos = _photos(opened)
        items = fields(opened)
        title = next((item for item in items if item.name == opened.view.market.title), None)
        if title is not None:
            _field(opened, title, cells)
        rest = [item for item in items if item is not title]
        _pairs(opened, rest[:MAIN], cells)
        if rest[MAIN:]:
            with st.expander(count(len(rest) - MAIN, "more value")):
                _pairs(opened, rest[MAIN:], cells)
    return cells, photos


def _pairs(opened: OpenRun, items: list[Attribute], cells: dict[str, Any]) -> None:
    # In pairs, so that fields keep their order on a phone.
    for first in range(0, len(items), 2):
        for column, item in zip(st.columns(2, gap="medium"), items[first : first + 2], strict=False):
            with column:
                _field(opened, item, cells)


def _field(opened: OpenRun, item: Attribute, cells: dict[str, Any]) -> None:
    """Draw the field of an attribute, with its value as an argument and in the session state.

    A browser that draws the field late would miss a value in the session state only.
    """
    market, unit, name = opened.view.market, opened.view.unit(item), item.name
    label, value = plain(f"{item.label} ({unit})" if unit else item.label), cells.get(item.name)

    def held(shown: Any) -> dict[str, Any]:
        return hold(f"new-{name}", shown, lambda new: change_cells(opened, **{name: new}), once=True)

    empty: dict[str, Any] = {"placeholder": "Not known"}
    options: list[str] = []
    if item.shown_as in ("category", "multi"):
        more_values = [value] if isinstance(value, str) else value or []
        options = list(dict.fromkeys([*_common(market, name), *more_values]))
    match item.shown_as:
        case "number":
            full = is_whole(market, name)
            value = None if value is None else round(value) if full else float(value)
            form: dict[str, Any] = {"step": 1 if full else None, "format": "%d" if full else FIELD}
            st.number_input(label, value=value, **form, **empty, **held(value))
        case "flag":
            index = None if value is None else int(not value)
            words = {True: "Yes", False: "No"}.__getitem__
            st.selectbox(label, [True, False], index=index, format_func=words, **empty, **held(value))
        case "category":
            index = None if value is None else options.index(value)
            more: dict[str, Any] = {
                "accept_new_options": True,
                "format_func": lambda word: opened.view.word(item, word),
            }
            st.selectbox(label, options, index=index, **more, **empty, **held(value))
        case "multi":
            more = {"accept_new_options": True, "format_func": printable, "default": value or []}
            st.multiselect(label, options, **more, **empty, **held(value or []))
        case _ if name == market.title:
            st.text_input(label, value or "", **empty, **held(value or ""))
        case _:
            st.text_area(label, value or "", height=110, **empty, **held(value or ""))


@cached_per_object
def _common(market: Market, name: str) -> tuple[str, ...]:
    """Return the most common values of a category or set."""
    return tuple(market.listings[name].explode().value_counts().index[:OPTIONS].tolist())


def _photos(opened: OpenRun) -> list[tuple[str, bytes]]:
    """Draw the uploader and the photos; return those that can be read, the cover first."""
    if not opened.run.manifest.photo_encoder:
        if opened.view.has_photos:
            st.caption("This run was made without photos, so you cannot add photos.")
        return []
    photos = upload_photos() or _start_photos(opened)
    return usable_photos(opened, photos)


def upload_photos() -> list[tuple[str, bytes]]:
    """Draw the uploader, which keeps its files also where the page draws it elsewhere; return them (name, content)."""
    files = st.file_uploader(
        "Photos",
        type=["jpg", "jpeg", "png", "webp"],
        accept_multiple_files=True,
        max_upload_size=25,
        key=UPLOADS,
        help="The photos stay on this machine and are not part of the link.",
    )
    return [(file.name, file.getvalue()) for file in files]


def _start_photos(opened: OpenRun) -> list[tuple[str, bytes]]:
    """Draw a checkbox for the photos of the listing that the draft started from; return the photos."""
    row = start_row(opened)
    number = 0 if row is None else len(opened.view.photos(row))
    if row is None or not number:
        return []
    used = st.query_params.get("photos") != "0"

    def change(new: bool) -> None:
        set_params(photos=None if new else 0, cover=None)

    help = "The photos of the listing that filled the form; photos that you add replace them"
    st.checkbox(f"With its {count(number, 'photo')}", help=help, **hold("own-photos", used, change))
    return originals(opened.view.market.path, opened.view.photos(row)) if used else []


def usable_photos(opened: OpenRun, photos: list[tuple[str, bytes]]) -> list[tuple[str, bytes]]:
    """Show the readable photos (name, content), and why others are left out; return them, the chosen cover first."""
    usable, small = [], []
    for name, content in photos[:PHOTOS]:
        shown, problem = _preview(content)
        if problem:
            warn_photo(f"{name} is left out: {problem}.")
        else:
            usable.append((name, content))
            small.append(shown)
    if len(photos) > PHOTOS:
        warn_photo(f"A listing has at most {PHOTOS} photos here; the others are left out.")
    if not usable:
        return []
    cover = link().number("cover", 1, 1, len(usable))
    cards = [Card(photo=item, alt=f"Photo {place} of the listing") for place, item in enumerate(small, 1)]
    gallery(opened, cards, key="draft-photos", label="Photos of the draft", layout="grid", least=SMALL)
    if len(usable) > 1:
        numbers = list(range(1, len(usable) + 1))
        st.segmented_control("Cover photo", numbers, required=True, **bind("cover", cover, 1))
    return [usable[cover - 1], *usable[: cover - 1], *usable[cover:]]


@st.cache_data(show_spinner=False, max_entries=2 * PHOTOS)
def _preview(content: bytes) -> tuple[str, str]:
    """Return a small image of a photo as a data URL, or the error.

    Streamlit would remove an image file with an interrupted run of the page.
    """
    try:
        return data_address(preview(content, 2 * SMALL)), ""
    except Exception as error:  # an error of a decoder affects its file only
        return "", sentence_of(error)


def warn_photo(sentence: str) -> None:
    """Show why a photo is left out."""
    st.warning(plain(sentence), icon=":material/broken_image:")
