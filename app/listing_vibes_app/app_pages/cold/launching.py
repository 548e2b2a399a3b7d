"""The launch of a draft: its audience, sliders for its numbers, and the changes that gain most."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from listing_vibes.insight.audience import Crowd, audience_share, share_gain
from listing_vibes.insight.drafts import Draft, comparable, launch_code, launch_document
from listing_vibes.insight.launch import Launch, launch
from listing_vibes.market.attribute_types import Attribute
from listing_vibes.market.thumbnails import originals
from listing_vibes.run.newcomers import Newcomer, Newcomers
from listing_vibes_app.app_pages.cold.draft import cells_of, change_cells, is_whole, start_row
from listing_vibes_app.app_pages.cold.landing import TABLE, show_users, similar_gallery
from listing_vibes_app.kit.as_code import export_menu, show_python
from listing_vibes_app.kit.controls import button
from listing_vibes_app.server.params import hold, link, set_params
from listing_vibes_app.server.runs import BY_RUN, OpenRun
from listing_vibes_app.view import formats
from listing_vibes_app.view.formats import plain

SLIDERS = 2  # most numbers with a slider
ENDS = (0.01, 0.99)  # quantiles at a slider's ends
STEPS = 100
CHANGES = 8  # most attributes in the advice
CAUTION = (
    "Each line changes one attribute and leaves the rest. It shows an association in the model, not a "
    "cause. The interval (95 %) is over users."
)


@st.cache_resource(show_spinner=False, max_entries=8, hash_funcs=BY_RUN)
def _newcomers(opened: OpenRun) -> Newcomers:
    return Newcomers(opened.run)


@st.cache_resource(show_spinner=False, max_entries=32, hash_funcs=BY_RUN)
def encode_draft(opened: OpenRun, space: str, cells: dict[str, Any], photos: Sequence[bytes]) -> Newcomer:
    """Return a draft in a space.

    Raises:
        VibesError: a value that cannot be read, or an encoder that is missing.
    """
    return _newcomers(opened).encode(cells, tuple(photos), [space])


@st.cache_resource(show_spinner=False, max_entries=4, hash_funcs=BY_RUN)
def _crowd(opened: OpenRun) -> Crowd:
    return Crowd.of(opened.run)


def can_launch(opened: OpenRun) -> bool:
    """Return whether a draft has an audience: the run has a model, and there are users."""
    return opened.run.has_model and opened.view.has_events


def prepare_drafts(opened: OpenRun) -> None:
    """Load the encoders and the users of `launch_draft`."""
    photos = originals(opened.view.market.path, opened.view.photos(0)[:1])
    encode_draft(opened, "model", cells_of(opened, 0), [content for _, content in photos])
    _crowd(opened)


@st.cache_resource(show_spinner=False, max_entries=64, hash_funcs=BY_RUN)
def launch_draft(opened: OpenRun, cells: dict[str, Any], photos: Sequence[bytes], advise: bool) -> Launch:
    """Return the audience of a draft; with `advise`, also the effect of each single change.

    Raises:
        VibesError: a value that cannot be read, an encoder that is missing, or no user with a history.
    """
    created, crowd, draft = _newcomers(opened), _crowd(opened), Draft(cells, tuple(photos))
    return launch(opened.run, draft, advise=advise, crowd=crowd, newcomers=created)


def reach(opened: OpenRun, cells: dict[str, Any], photos: list[bytes]) -> Launch:
    """Show the size of the audience of a draft, compared with that of the listing it started from."""
    with st.spinner("Ranking for the users …"):
        result = launch_draft(opened, cells, photos, advise=False)
        start = _start(opened, cells, bool(photos))
    more = None if start is None else 100 * (result.share - start.share)
    left, right = st.columns(2)
    left.metric(
        "Audience",
        audience_share(result.share),
        None if more is None else f"{more:+.1f} points against the listing it started from",
        delta_color="normal" if more else "off",
        help=f"Users who would have it among their first {result.k}, of {result.population.describe()}, by a sample of "
        f"{result.population.sample:,}",
    )
    rank = formats.MISSING if result.median_rank is None else f"{result.median_rank:g}"
    right.metric("Median rank", rank, help="Half of the audience would have it higher up in their list")
    typical = _crowd(opened).typical_audience()
    if typical is not None:
        st.caption(
            f"Of {result.population.describe()}; the median of the active listings is {audience_share(typical, '')}."
        )
    return result


def _start(opened: OpenRun, now: dict[str, Any], pictured: bool) -> Launch | None:
    """Return the launch of the listing that the draft started from; None if there is none, or nothing was changed."""
    row = start_row(opened)
    if row is None:
        return None
    cells = cells_of(opened, row)
    if cells == now and not {"cover", "photos"} & set(st.query_params):
        return None
    photos = originals(opened.view.market.path, opened.view.photos(row)) if pictured else []
    return launch_draft(opened, cells, [content for _, content in photos], advise=False)


def sliders(opened: OpenRun, cells: dict[str, Any]) -> None:
    """Draw a slider for each main number that has a value; the audience is updated while a slider is dragged."""
    for item in amounts(opened):
        value = cells.get(item.name)
        if value is None:
            continue
        low, high, step = slider_range(opened, item, cells)
        unit, name = opened.view.unit(item), item.name
        decimals = max(0, math.ceil(-math.log10(step) - 1e-9))

        def change(new: float, name: str = name) -> None:
            change_cells(opened, **{name: new})

        st.slider(
            plain(f"{item.label} ({unit})" if unit else item.label),
            low,
            high,
            step=step,
            format=f"%.{decimals}f",
            **hold(f"drag-{name}", float(value), change, once=True),
        )


def amounts(opened: OpenRun) -> list[Attribute]:
    """Return the numbers that have a slider: those on the cards first, then those with a unit; no years."""
    view = opened.view
    results = [item for item in view.attributes if item.shown_as == "number" and not view.is_year(item)]
    return sorted(results, key=lambda item: (item not in view.headline, not item.unit))[:SLIDERS]


def slider_range(opened: OpenRun, item: Attribute, cells: dict[str, Any]) -> tuple[float, float, float]:
    """Return the ends of a slider for comparable listings (such as rents), and its step for about a hundred values.

    The step is 1, 2 or 5 times a power of ten.
    """
    market, now = opened.view.market, float(cells.get(item.name, np.nan))
    available = market.listings[item.name][comparable(market, cells, item.name)].dropna().to_numpy(float)
    low, high = np.quantile(available, ENDS) if len(available) else (0.0, 1.0)
    rough = max((high - low) / STEPS, 1e-9)
    unit = 10.0 ** np.floor(np.log10(rough))
    step = float(next(size * unit for size in (1, 2, 5, 10) if size * unit >= rough))
    if is_whole(market, item.name):
        step = max(step, 1.0)
    low, high = np.floor(low / step) * step, np.ceil(high / step) * step + step * (high == low)
    return float(np.nanmin([low, now])), float(np.nanmax([high, now])), step


def show_audience(opened: OpenRun, launched: Launch) -> None:
    """Show the first users of the audience, and the active listings nearest to the draft."""
    st.header("Who would get it", anchor=False)
    if len(launched.audience):
        show_users(opened, launched.audience[:TABLE], set())
    else:
        st.caption(
            f"No user would have it among the first {launched.k}. Change a value or a photo, or see which change gains most."
        )
    if len(launched.competitors):
        st.header("What it competes with", anchor=False)
        label = "active and nearest to it"
        similar_gallery(opened, launched.competitors, "competitors", label, layout="strip", least=150)


def show_advice(opened: OpenRun, cells: dict[str, Any], photos: list[bytes]) -> None:
    """Show the effect of each single change, and the code for it."""
    st.header("Which change gains most", anchor=False)
    with st.spinner("Trying one change at a time …"):
        result = launch_draft(opened, cells, photos, advise=True)
    _show_changes(opened, result)
    if result.covers is not None:
        _show_covers(result.covers)
    row, cover = start_row(opened), link().number("cover", 1, 1, max(len(photos), 1))
    like = None if row is None else opened.view.ids[row]
    document = launch_document(opened.view.market, cells, like, bool(photos), cover)
    with export_menu():
        show_python(launch_code(document, str(opened.run.path)))


def _show_changes(opened: OpenRun, result: Launch) -> None:
    if result.changes is None or not len(result.changes):
        st.caption("There is no attribute to change.")
        return
    best = result.changes.drop_duplicates("attribute").head(CHANGES).to_dict("records")
    if not len(result.audience) and best[0]["gain"] <= 0:
        st.caption("No change of a single value would gain anything.")
        return
    items = {item.name: item for item in opened.view.market.attributes}

    def write(change: dict[str, Any], side: str) -> str:
        return opened.view.write(items[change["attribute"]], change[side])

    lines = [
        {
            "Attribute": items[change["attribute"]].label,
            "Now": write(change, "before"),
            "Instead": write(change, "after"),
            "Audience": audience_share(change["audience"], ""),
            "Gain in points": share_gain(change["gain"], change["low"], change["high"]),
        }
        for change in best
    ]
    alt = "The best value of each attribute and what it gains"
    st.dataframe(pd.DataFrame(lines), hide_index=True, alt=alt)
    st.caption(CAUTION)

    def take(number: int | None) -> None:
        if number is not None:
            change_cells(opened, **{best[number]["attribute"]: best[number]["after"]})

    st.pills(
        "Take one into the draft",
        range(len(best)),
        format_func=lambda number: plain(f"{lines[number]['Attribute']}: {lines[number]['Instead']}"),
        **hold("try-change", None, take),
    )


def _show_covers(covers: pd.DataFrame) -> None:
    st.header("The best cover", anchor=False)
    now = link().number("cover", 1, 1, len(covers))
    # The draft has its cover first, but the form numbers photos in the order of upload.
    order = [now, *(number for number in range(1, len(covers) + 1) if number != now)]
    table = covers.assign(photo=[order[place] for place in covers["photo"]])
    table = table.sort_values(["audience", "photo"], ascending=[False, True])
    alt = "The audience with each photo as the cover, against the cover now"
    lines = {
        "Photo": table["photo"],
        "Audience": [audience_share(share, "") for share in table["audience"]],
        "Gain in points": list(map(share_gain, table["gain"], table["low"], table["high"])),
    }
    st.dataframe(pd.DataFrame(lines), hide_index=True, width="content", alt=alt)
    best = table.iloc[0]
    if int(best["photo"]) != now and best["low"] > 0:
        label, number = f"Take photo {int(best['photo'])} as the cover", int(best["photo"])
        button(label, "photo", lambda: set_params(cover=number), key="take-cover")
    else:
        st.caption("No other photo reaches significantly more.")
