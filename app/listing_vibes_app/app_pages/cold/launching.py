"""A listing on paper: what may be dragged, and at once whom it would reach."""

import math
from typing import Any

import numpy as np
import streamlit as st

from listing_vibes.insight.launch.comparable import comparable
from listing_vibes.insight.launch.launch import Launch
from listing_vibes.market.columns import Columns as C
from listing_vibes.market.market import Attribute
from listing_vibes.run.thumbs import originals
from listing_vibes_app.app_pages.cold.cold_listings import launched
from listing_vibes_app.app_pages.cold.listing_form import (
    begun_with,
    cells_of,
    change_cells,
    is_whole,
)
from listing_vibes_app.app_pages.cold.placement import NEIGHBOURS, TABLE, show_people
from listing_vibes_app.kit.cards import listing_card
from listing_vibes_app.kit.gallery import gallery
from listing_vibes_app.kit.measures import SIMILAR, user_score_help
from listing_vibes_app.server.params import set_params, whole
from listing_vibes_app.server.runs import OpenRun, known_rows
from listing_vibes_app.view.formats import count, plain

DRAGGED = 2  # amounts with a slider: the price, and the first other one
ENDS = (0.01, 0.99)  # shares of listings that are below a slider's ends
STEPS = 100
COVER = "which-cover"  # begins otherwise than the keys of sliders, which end in the name of a column


def reach(opened: OpenRun, cells: dict[str, Any], photos: list[bytes]) -> Launch:
    """The audience of an entered listing, and its place with them."""
    with st.spinner("Asking the users …"):
        found = launched(opened, cells, photos, advise=False)
        begun = _begun(opened, cells, bool(photos))
    share = 100 * len(found.audience) / max(found.users, 1)
    left, right = st.columns(2)
    more = None if begun is None else len(found.audience) - len(begun.audience)
    left.metric(
        "Audience",
        f"{len(found.audience):,} of {count(found.users, 'user')}",
        None if more is None else f"{more:+,} against the listing it began with",
        delta_color="normal" if more else "off",
        help=f"Users who would have it among their first {found.k} recommendations, of those active last. {share:.1f} %.",
    )
    place = "—" if found.median_rank is None else f"{found.median_rank:g}"
    right.metric(
        "Middle place with them", place, help="Half of the audience would have it higher up in their list"
    )
    return found


def sliders(opened: OpenRun, cells: dict[str, Any], photos: int) -> None:
    """What is dragged: two amounts, and which photo is the cover."""
    for item in dragged(opened):
        low, high, step = _ends(opened, item, cells)
        key, unit = f"drag-{item.name}", opened.view.unit(item)
        known = isinstance(cells.get(item.name), int | float)
        st.session_state[key] = float(cells[item.name]) if known else low

        def moved(name: str = item.name, key: str = key) -> None:
            change_cells(opened, **{name: float(st.session_state[key])})

        label = f"{item.label} ({unit})" if unit else item.label
        st.slider(
            plain(label if known else f"{label}, not known yet"),
            low,
            high,
            step=step,
            format=_form(step),
            key=key,
            on_change=moved,
        )
    if photos > 1:
        st.session_state[COVER] = whole("cover", 1, 1, photos)
        st.segmented_control(
            "Cover photo",
            list(range(1, photos + 1)),
            key=COVER,
            required=True,
            on_change=lambda: set_params(cover=st.session_state[COVER]),
            help="Which of its photos comes first",
        )


def dragged(opened: OpenRun) -> list[Attribute]:
    """The amounts that have a slider: those on the cards first; no years."""
    view = opened.view
    amounts = [item for item in view.attributes if item.shown_as == "number" and not view.is_year(item)]
    ordered = [item for item in view.headline if item in amounts]
    with_unit = [item for item in amounts if item.unit and item not in ordered]
    return [*ordered, *with_unit, *(item for item in amounts if not item.unit and item not in ordered)][
        :DRAGGED
    ]


def _ends(opened: OpenRun, item: Attribute, cells: dict[str, Any]) -> tuple[float, float, float]:
    """The ends of a slider and its step, 1, 2 or 5 of a power of ten, so that about a hundred lie between them; of a rent
    those of rents, where the market has sales as well."""
    market, now = opened.view.market, cells.get(item.name)
    known = market.listings[item.name][comparable(market, cells, item.name)].dropna().to_numpy(float)
    low, high = np.quantile(known, ENDS) if len(known) else (0.0, 1.0)
    rough = max((high - low) / STEPS, 1e-9)
    unit = 10.0 ** np.floor(np.log10(rough))
    step = float(next(size * unit for size in (1, 2, 5, 10) if size * unit >= rough))
    if is_whole(opened, item.name):
        step = max(step, 1.0)
    low, high = np.floor(low / step) * step, np.ceil(high / step) * step + step * (high == low)
    if isinstance(now, int | float):
        low, high = min(low, float(now)), max(high, float(now))
    return float(low), float(high), step


def _form(step: float) -> str:
    """How a slider tells its value: with the decimals that a step moves."""
    return f"%.{max(0, math.ceil(-math.log10(step) - 1e-9))}f"


def _begun(opened: OpenRun, now: dict[str, Any], pictured: bool) -> Launch | None:
    """What the listing that it began with would find, entered as it is; None where there is none, or it is the same."""
    row = begun_with(opened)
    if row is None:
        return None
    cells = cells_of(opened, row)
    if cells == now and "cover" not in st.query_params and "photos" not in st.query_params:
        return None
    photos = originals(opened.view.market, opened.view.photos(row)) if pictured else []
    return launched(opened, cells, [content for _, content in photos], advise=False)


def people(opened: OpenRun, found: Launch) -> None:
    """Some of the audience by what they touched last, those first with whom it stands highest."""
    st.header("Who would get it", anchor=False)
    if not len(found.audience):
        st.caption(
            f"Nobody would have it among the first {found.k}. Change a value, or see below what gains most."
        )
        return
    show_people(opened, found.audience[:TABLE], set(), user_score_help(opened))


def competing(opened: OpenRun, found: Launch) -> None:
    """The live listings nearest to it."""
    rows = known_rows(opened, found.competitors[C.LISTING][:NEIGHBOURS])
    if not rows:
        return
    st.header("What it competes with", anchor=False)
    gallery(
        [
            listing_card(opened, row, score=f"Similarity {found.competitors['score'].iloc[at]:.2f}")
            for at, row in rows
        ],
        key="competitors",
        box=opened.box,
        label=f"{count(len(rows), 'live listing')} nearest to it",
        layout="strip",
        photos=opened.view.has_photos,
        score_help=SIMILAR,
        least=150,
    )
