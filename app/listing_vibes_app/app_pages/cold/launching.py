"""The launch of a draft: its audience, sliders for its numbers, and the changes that gain most."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from listing_vibes.insight.audience import audience_share, share_gain
from listing_vibes.insight.drafts import Draft, launch_code, launch_document, missing_category, trial_range
from listing_vibes.insight.launch import Launch, best_price, changed_values, launch, price_curve
from listing_vibes.market.amounts import price
from listing_vibes.market.attribute_types import Attribute
from listing_vibes.market.photo_decoding import originals
from listing_vibes.run.newcomers import Newcomer, Newcomers
from listing_vibes_app.app_pages.cold.draft import cells_of, change_cells, crowd_of, start_row
from listing_vibes_app.app_pages.cold.landing import TABLE, show_users, similar_gallery
from listing_vibes_app.kit import charts
from listing_vibes_app.kit.as_code import export_menu, show_python
from listing_vibes_app.kit.controls import button
from listing_vibes_app.server.params import hold, link, set_params
from listing_vibes_app.server.runs import BY_RUN, OpenRun
from listing_vibes_app.view import formats
from listing_vibes_app.view.formats import plain

SLIDERS = 2  # most numbers with a slider
CHANGES = 8  # most attributes in the advice
BEST = 3  # changes with a button
TICKS = 5  # labels of an axis of prices
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


def prepare_drafts(opened: OpenRun) -> None:
    """Load the encoders and the users of `launch_draft`."""
    photos = originals(opened.view.market.path, opened.view.photos(0)[:1])
    encode_draft(opened, "model", cells_of(opened, 0), [content for _, content in photos])
    crowd_of(opened)


@st.cache_resource(show_spinner=False, max_entries=64, hash_funcs=BY_RUN)
def launch_draft(opened: OpenRun, cells: dict[str, Any], photos: Sequence[bytes], advise: bool) -> Launch:
    """Return the audience of a draft; with `advise`, also the effect of each single change.

    Raises:
        VibesError: a value that cannot be read, an encoder that is missing, or no user with a history.
    """
    created, crowd, draft = _newcomers(opened), crowd_of(opened), Draft(cells, tuple(photos))
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
    typical = crowd_of(opened).typical_audience()
    if typical is not None:
        st.caption(
            f"Of {result.population.describe()}; the median of the active listings is {audience_share(typical, '')}."
        )
    if start is not None:
        _explain_changes(opened, cells, photos)
    return result


def _explain_changes(opened: OpenRun, cells: dict[str, Any], photos: list[bytes]) -> None:
    """Say what the values that differ from the listing that the draft started from gain or cost."""
    row = start_row(opened)
    assert row is not None  # the draft has a start to compare with
    changed = _changed(opened, cells, cells_of(opened, row), photos)
    parts = []
    for change in changed.head(BEST).to_dict("records"):
        label, before, after = _written(opened, change)
        parts.append(f"{plain(f'{label} {before} → {after}')} **{100 * change['gain']:+.1f}**")
    if parts:
        st.markdown(f"By what was changed, in points: {'; '.join(parts)}.")


@st.cache_resource(show_spinner=False, max_entries=64, hash_funcs=BY_RUN)
def _changed(
    opened: OpenRun, cells: dict[str, Any], start: dict[str, Any], photos: Sequence[bytes]
) -> pd.DataFrame:
    return changed_values(
        opened.run, Draft(cells, tuple(photos)), start, crowd_of(opened), _newcomers(opened)
    )


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
        if value is None or missing_category(opened.view.market, cells, item.name) is not None:
            continue
        low, high, step = trial_range(opened.view.market, cells, item.name)
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


def show_prices(opened: OpenRun, cells: dict[str, Any], photos: list[bytes], share: float) -> None:
    """Show the audience of a draft by its price as a curve, on which a click takes a price; or what has to be known first."""
    item = price(opened.view.market)
    if item is None:
        return
    missing = missing_category(opened.view.market, cells, item.name)
    if missing is not None:
        label, name = missing.label, missing.name
        values = opened.view.market.listings[name].dropna().value_counts().index[:CHANGES].tolist()
        st.caption(
            f"{plain(label)} is not filled in. Most of the differences in {plain(item.label.lower())} are between its values, so the "
            f"model cannot tell whether {plain(opened.view.write(item, cells.get(item.name)))} is much or little."
            if cells.get(item.name) is not None
            else f"Fill in {plain(label)} to see the audience by {plain(item.label.lower())}."
        )
        take = hold(f"missing-{name}", None, lambda new: change_cells(opened, **{name: new}))
        st.pills(
            plain(label), values, format_func=lambda value: plain(opened.view.word(missing, value)), **take
        )
        return
    with st.spinner("Trying other prices …"):
        prices = _prices(opened, cells, photos)
    if prices is None:
        return

    def take_price() -> None:
        points = st.session_state[f"price-curve-{st.context.theme.type}"].selection.points
        if points:
            change_cells(opened, **{item.name: points[0]["x"]})

    alt = f"Audience by {item.label.lower()}, with the {item.label.lower()} now and the one with most users"
    show = {"on_select": take_price, "selection_mode": "points"}
    charts.show_chart(
        _curve(opened, prices, cells.get(item.name)), key="price-curve", alt=alt, height=270, **show
    )
    st.caption(
        plain(
            f"{best_price(opened.run, prices, share)} Band: 95 % interval over users. Click a dot to take its price."
        )
    )


@st.cache_resource(show_spinner=False, max_entries=64, hash_funcs=BY_RUN)
def _prices(opened: OpenRun, cells: dict[str, Any], photos: Sequence[bytes]) -> pd.DataFrame | None:
    return price_curve(opened.run, Draft(cells, tuple(photos)), crowd_of(opened), _newcomers(opened))


def _curve(opened: OpenRun, prices: pd.DataFrame, now: float | None) -> go.Figure:
    """Return the audience by price with its band, the price with most users as a ring, and the price now."""
    item, figure = price(opened.view.market), go.Figure()
    assert item is not None
    at, share = prices["price"], prices["audience"]
    texts = [
        f"<b>{charts.escaped(opened.view.write(item, value))}</b><br>{audience_share(audience)}"
        for value, audience in zip(at, share, strict=True)
    ]
    band = {"mode": "lines", "line": {"width": 0}, "hoverinfo": "skip"}
    figure.add_scatter(x=at, y=prices["high"], **band)
    figure.add_scatter(x=at, y=prices["low"], fill="tonexty", fillcolor="rgba(125,135,139,0.25)", **band)
    figure.add_scatter(
        x=at, y=share, mode="lines+markers", customdata=texts, hovertemplate="%{customdata}<extra></extra>",
        line={"color": charts.SERIES[0], "width": 2}, marker={"size": 7}, unselected={"marker": {"opacity": 1}},
    )  # fmt: skip
    best = int(share.argmax())
    marks = [("Most users", best, "circle-open", 20)]
    if now is not None:
        marks.append(("Now", int((at - now).abs().argmin()), "diamond", 15))
    for name, row, symbol, size in marks:
        figure.add_scatter(
            x=[at[row]], y=[share[row]], mode="markers+text", text=[name], textposition="top center", hoverinfo="skip",
            marker={"color": charts.SERIES[1], "symbol": symbol, "size": size, "line": {"width": 3}}, cliponaxis=False,
            textfont={"size": charts.SIZE}, unselected={"marker": {"opacity": 1}, "textfont": {"color": None}},
        )  # fmt: skip
    ticks = np.linspace(at.min(), at.max(), TICKS)
    step = 10.0 ** np.floor(np.log10(max(float(np.ptp(at)), 1e-9) / TICKS))
    ticks = (ticks / step).round() * step
    figure.update_xaxes(
        title=None,
        tickvals=ticks,
        ticktext=[opened.view.write(item, value) for value in ticks],
        showgrid=False,
    )
    figure.update_yaxes(title=None, tickformat=".0%", rangemode="tozero", nticks=5)
    figure.update_layout(margin={"b": 28}, hovermode="closest")
    return figure


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


def show_advice(opened: OpenRun, cells: dict[str, Any], photos: list[bytes], best: DeltaGenerator) -> None:
    """Show the effect of each single change and the code for it, and a button for each of the best changes in the place `best`."""
    st.header("Which change gains most", anchor=False)
    best.caption("Trying one change at a time …")
    result = launch_draft(opened, cells, photos, advise=True)
    with best.container():
        _show_best(opened, result)
    _show_changes(opened, result)
    if result.covers is not None:
        _show_covers(result.covers)
    row, cover = start_row(opened), link().number("cover", 1, 1, max(len(photos), 1))
    like = None if row is None else opened.view.ids[row]
    document = launch_document(opened.view.market, cells, like, bool(photos), cover)
    with export_menu():
        show_python(launch_code(document, str(opened.run.path)))


def _best_changes(result: Launch) -> list[dict[str, Any]]:
    """Return the best change of each attribute, the largest gain first."""
    if result.changes is None:
        return []
    return [
        dict(change)
        for change in result.changes.drop_duplicates("attribute").head(CHANGES).to_dict("records")
    ]


def _written(opened: OpenRun, change: dict[str, Any]) -> tuple[str, str, str]:
    """Return the label of a change's attribute, and its values before and after."""
    item = next(item for item in opened.view.market.attributes if item.name == change["attribute"])
    return item.label, opened.view.write(item, change["before"]), opened.view.write(item, change["after"])


def _show_best(opened: OpenRun, result: Launch) -> None:
    """Draw a button for each of the best changes that gain something."""
    best = [change for change in _best_changes(result)[:BEST] if change["gain"] > 0]
    if not best:
        st.caption("No change of a single value would gain anything.")
        return
    with st.container(horizontal=True):
        for number, change in enumerate(best):
            label, _, after = _written(opened, change)
            name, value = change["attribute"], change["after"]

            def take(name: str = name, value: Any = value) -> None:
                change_cells(opened, **{name: value})

            words = f"{plain(f'{label}: {after}')} **{100 * change['gain']:+.1f}**"
            button(words, "add", take, key=f"take-{number}")
    st.caption("The best single changes, with their gains in points of users; a click takes one.")


def _show_changes(opened: OpenRun, result: Launch) -> None:
    best = _best_changes(result)
    if not best:
        st.caption("There is no attribute to change.")
        return
    lines = []
    for change in best:
        label, before, after = _written(opened, change)
        line = {
            "Attribute": label,
            "Now": before,
            "Instead": after,
            "Audience": audience_share(change["audience"], ""),
        }
        lines.append({**line, "Gain in points": share_gain(change["gain"], change["low"], change["high"])})
    alt = "The best value of each attribute and what it gains"
    st.dataframe(pd.DataFrame(lines), hide_index=True, alt=alt)
    st.caption(CAUTION)


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
