"""Where a listing without events lands: its neighbours, its place among all, and who would get it first."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from listing_vibes.insight.selection.selection import Selection
from listing_vibes.market.columns import Columns as C
from listing_vibes.run.fits import NOTHING
from listing_vibes_app.app_pages.cold.cold_listings import audience
from listing_vibes_app.kit import charts
from listing_vibes_app.kit.as_code import as_code
from listing_vibes_app.kit.cards import address, listing_card
from listing_vibes_app.kit.empty import empty
from listing_vibes_app.kit.gallery import gallery
from listing_vibes_app.kit.map_points import load_maps
from listing_vibes_app.kit.measures import SIMILAR, user_score_help
from listing_vibes_app.kit.people import people_table
from listing_vibes_app.kit.spaces import label_of
from listing_vibes_app.server.runs import OpenRun, known_rows
from listing_vibes_app.view.formats import count, plain

NEIGHBOURS = 12
DOTS = 1500  # listings drawn
TABLE = 50  # users listed
SHORT = 30  # recommendations that count as getting it


@dataclass(frozen=True, eq=False)
class Placement:
    """A listing in one space."""

    title: str
    space: str
    vector: np.ndarray  # (d,)
    nearest: pd.DataFrame  # listing_id, score; without itself
    row: int | None = None  # of the run, where it is one of its listings


def neighbours(opened: OpenRun, placed: Placement, least: int = 190, begun_with: str | None = None) -> None:
    """The listings nearest to it, on cards at least so wide; the one that it was `begun_with` is marked."""
    st.header("Its neighbours", anchor=False)
    rows = known_rows(opened, placed.nearest[C.LISTING][:NEIGHBOURS])
    if not rows:
        empty("There are no neighbours", "No other listing has anything in this space.")
        return
    gallery(
        [
            listing_card(
                opened,
                row,
                score=f"Similarity {placed.nearest['score'].iloc[at]:.2f}",
                badge="begun with" if opened.view.ids[row] == begun_with else "",
            )
            for at, row in rows
        ],
        key="landing",
        box=opened.box,
        label=f"{count(len(rows), 'neighbour')} by {label_of(placed.space).lower()}, the most alike first",
        photos=opened.view.has_photos,
        score_help=SIMILAR,
        least=least,
    )
    if placed.row is not None:
        asked = opened.run.listing_ids[placed.row]
        as_code(opened, [Selection("similar", asked, NEIGHBOURS, space=placed.space)])


def place_among_all(opened: OpenRun, placed: Placement) -> None:
    """The listing among all others, on the map of the space."""
    st.header("Where it lands", anchor=False)
    if placed.space == "attributes" and placed.row is None:
        st.caption(
            "The picture is drawn for listings of the run only: a new one changes the attribute space itself. "
            "Choose another space to see it."
        )
        return
    one = (load_maps(opened) or {}).get(placed.space)
    if one is None:
        st.markdown(
            f"Once the [vibe map]({address(opened, 'map', space=placed.space)}) is drawn, its place there is shown here."
        )
        return
    at, group = (one.standing(placed.row) if placed.row is not None else None) or one.landing(placed.vector)
    if group >= 0:
        link = address(opened, "map", space=placed.space, group=group)
        said = f"In the group **[{plain(one.portraits[group].name)}]({link})** of the vibe map ({count(int(one.sizes[group]), 'listing')})."
    else:
        said = f"Between the groups of the [vibe map]({address(opened, 'map', space=placed.space)})."
    st.markdown(said)
    _show(opened, placed, dots(opened, placed, one.run_rows, one.places.astype(float), at))
    st.caption(
        "Each dot is a listing at its place on the vibe map, where what is alike lies near to one another. "
        "Click a dot to see its listing."
    )


def _show(opened: OpenRun, placed: Placement, table: pd.DataFrame) -> None:
    figure = _chart(table)
    figure.update_yaxes(scaleanchor="x")  # as the map stands: both axes at one scale
    chosen = charts.show_chart(
        figure,
        key=f"place-{placed.space}",
        alt="All listings as dots, with this listing and its neighbours marked by shape and colour",
        height=400,
        on_select="rerun",
        selection_mode="points",
    )
    rows = [point["customdata"] for point in chosen.selection.points if point.get("customdata", -1) >= 0]
    if rows:
        gallery(
            [listing_card(opened, int(row)) for row in rows],
            key="chosen-dot",
            box=opened.box,
            label="The listing of the dot clicked",
            photos=opened.view.has_photos,
        )


def dots(
    opened: OpenRun, placed: Placement, rows: np.ndarray, where: np.ndarray, at: np.ndarray
) -> pd.DataFrame:
    """One line a dot: x, y, Listing, row of the market (-1 where it has none), Kind; the listing itself comes last.

    Args:
        rows: (n,) of the run, the listings there are.
        where: (n, 2) their places.
        at: (2,) that of the listing itself.
    """
    run = opened.run
    nearest = np.array([run.listing_row[name] for name in placed.nearest[C.LISTING][:NEIGHBOURS]], np.int64)
    near = np.flatnonzero(np.isin(rows, nearest))
    others = np.flatnonzero(~np.isin(rows, [*nearest, -1 if placed.row is None else placed.row]))
    if len(others) > DOTS:
        others = np.sort(np.random.default_rng(0).choice(others, DOTS, replace=False))
    shown = np.concatenate([others, near])
    points = np.vstack([where[shown], at])
    of_market = [opened.view.market.listing_row.get(run.listing_ids[row], -1) for row in rows[shown]]
    names = [opened.view.title(row) if row >= 0 else "" for row in of_market]
    kinds = ["Other listings"] * len(others) + ["Neighbours"] * len(near) + ["This listing"]
    return pd.DataFrame(
        {
            "x": points[:, 0],
            "y": points[:, 1],
            "Listing": [*names, placed.title],
            "row": [*of_market, -1],
            "Kind": kinds,
        }
    )


def first_users(opened: OpenRun, placed: Placement, before: int | None, later: set[str]) -> None:
    """The users whose recommendations it would lead, and whether those who came later were among them.

    Args:
        before: the moment as of which histories are read; None: all events.
        later: users who really touched it after that moment.
    """
    st.header("Who would get it first", anchor=False)
    if not opened.run.has_model:
        st.caption("This run has no trained model, so nothing is recommended to anybody.")
        return
    if not opened.view.has_events:
        st.caption("This market has no events, so there are no users with a history.")
        return
    with st.spinner("Reading the histories of the users active last …"):
        people = audience(opened, before)
    found = people.first(placed.vector, placed.row)
    if not len(found):
        st.caption("All users that were active last have this listing in their history.")
        return
    inside = int((found["rank"] <= SHORT).sum())
    moment = " before training ended" if before is not None else ""
    st.markdown(
        f"Among the {SHORT} recommendations of **{inside} of {count(len(found), 'user')}**: those active last{moment}.",
        help=f"For each user, all listings live at that moment are ranked; this listing's place is counted. Looked "
        f"at: {count(len(people), 'user')} at most.",
    )
    mine = found[found[C.USER].isin(later)]
    if later and len(mine):
        hit = int((mine["rank"] <= SHORT).sum())
        st.markdown(
            f"Really touched later by {count(len(later), 'user')}; {len(mine)} of them "
            f"{'is' if len(mine) == 1 else 'are'} among those looked at, and **{hit}** had it among their {SHORT}. "
            f"Their middle place: {int(mine['rank'].median()):,}."
        )
    elif later:
        st.markdown(
            f"Really touched later by {count(len(later), 'user')}, none of whom is among those looked at."
        )
    show_people(opened, found[:TABLE], later, user_score_help(opened, NOTHING))


def show_people(opened: OpenRun, found: pd.DataFrame, later: set[str], score_help: str) -> None:
    """A table of the users of `found` (user_id, rank, score, events); choosing one leads to that user."""
    people_table(
        opened,
        users_table(opened, found, later),
        [opened.view.user_row[name] for name in found[C.USER]],
        found["events"].astype(int).tolist(),
        key="first-users",
        config={
            "Place": st.column_config.NumberColumn(help="Where it stands among the user's recommendations"),
            "Similarity": st.column_config.NumberColumn(format="%.2f", help=score_help),
        },
        alt="Users who would get this listing first, with its place among their recommendations",
    )


def users_table(opened: OpenRun, found: pd.DataFrame, later: set[str]) -> pd.DataFrame:
    """One line a user: what to call them, the listing's place, how near it is, how long the history is."""
    users = opened.view.user_row
    table = {
        "User": [opened.view.user_name(users[name]) for name in found[C.USER]],
        "Place": found["rank"].tolist(),
        "Similarity": found["score"].round(3).tolist(),
        "Events": found["events"].tolist(),
    }
    if later:
        table["Touched it later"] = ["✓ Yes" if name in later else "" for name in found[C.USER]]
    return pd.DataFrame(table)


def _chart(table: pd.DataFrame) -> go.Figure:
    """The listings as dots, the one looked at on top."""
    series = charts.SERIES
    kinds = (
        (charts.Kind("Other listings", charts.GRAY), 5, 0.55),
        (charts.Kind("Neighbours", series[1], "square"), 9, 1),
        (charts.Kind("This listing", series[0], "diamond"), 17, 1),
    )
    figure = go.Figure()
    for kind, size, opacity in kinds:
        mine = table[table["Kind"] == kind.name]
        figure.add_scatter(
            x=mine["x"].tolist(),
            y=mine["y"].tolist(),
            mode="markers",
            name=kind.name,
            marker={"color": kind.colour, "symbol": kind.symbol, "size": size, "opacity": opacity},
            customdata=mine["row"].tolist(),
            text=[charts.label(name, 40) for name in mine["Listing"]],
            hovertemplate=f"%{{text}}<br>{kind.name}<extra></extra>",
        )
    figure.update_layout(showlegend=True, margin={"l": 0, "r": 0, "b": 8}, hovermode="closest")
    figure.update_xaxes(visible=False)
    figure.update_yaxes(visible=False)
    return figure
