"""The launch of a draft: its audience, also by price, and the changes that gain most."""

from collections.abc import Sequence
from typing import Any

import pandas as pd
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from listing_vibes.insight.audience import audience_share, share_gain
from listing_vibes.insight.drafts import Draft, launch_code, launch_document, missing_category
from listing_vibes.insight.launch import Launch, best_price, changed_values, launch, price_curve
from listing_vibes.market.amounts import price
from listing_vibes.market.photo_decoding import originals
from listing_vibes.run.newcomers import Newcomer, Newcomers
from listing_vibes_app.app_pages.cold.draft import cells_of, change_cells, crowd_of, start_row
from listing_vibes_app.app_pages.cold.landing import USERS, show_users, similar_gallery
from listing_vibes_app.app_pages.cold.price_curve import show_curve
from listing_vibes_app.kit.as_code import export_menu, show_python
from listing_vibes_app.kit.controls import button
from listing_vibes_app.server.params import hold, link, set_params
from listing_vibes_app.server.runs import BY_RUN, OpenRun
from listing_vibes_app.view import formats
from listing_vibes_app.view.formats import plain

CHANGES = 8  # most attributes in the advice
BEST = 3  # changes with a button
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
        parts.append(f"{plain(f'{label}: {before} → {after}')} **{100 * change['gain']:+.1f}**")
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


def show_prices(opened: OpenRun, cells: dict[str, Any], photos: list[bytes], share: float) -> None:
    """Show the audience of a draft by its price as a curve whose point takes another price; or what has to be known first."""
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

    show_curve(opened, item, prices, cells)
    st.caption(
        plain(
            f"{best_price(opened.run, prices, share)} Band: 95 % interval over users. Drag the point to another price."
        )
    )


@st.cache_resource(show_spinner=False, max_entries=64, hash_funcs=BY_RUN)
def _prices(opened: OpenRun, cells: dict[str, Any], photos: Sequence[bytes]) -> pd.DataFrame | None:
    return price_curve(opened.run, Draft(cells, tuple(photos)), crowd_of(opened), _newcomers(opened))


def show_audience(opened: OpenRun, launched: Launch) -> None:
    """Show the first users of the audience, and the active listings nearest to the draft."""
    st.header("Who would get it", anchor=False)
    if len(launched.audience):
        show_users(opened, launched.audience[:USERS], set())
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
