"""What the photos know: how well a number is told from a space alone, beside the attributes alone and chance."""

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from listing_vibes.errors import needs
from listing_vibes.insight.probes import Probes, probe_run
from listing_vibes_app.kit import charts
from listing_vibes_app.kit.spaces import label_of
from listing_vibes_app.server.params import chosen, keep
from listing_vibes_app.server.runs import BY_RUN, OpenRun
from listing_vibes_app.view import formats

SCORE_HELP = "The share of the differences that is told right: 1 is perfect, 0 is no better than the mean for all (R²)."
MOST = 1500  # points of the picture
BESIDE = ("photos", "model", "attributes")


def probes(opened: OpenRun) -> None:
    """Choose a number; see how well each space foretells it for listings that the probe has not seen."""
    st.header("What the photos know", anchor=False)
    numbers = {item.name: item.label for item in opened.view.attributes if item.shown_as == "number"}
    if "photos" not in opened.run.spaces:
        why = "the run was made without photos" if opened.view.has_photos else "this market has no photos"
        st.markdown(f"There is no photo space to ask: {why}.")
        return
    if not numbers:
        st.markdown("This market has no number, such as a price or an area, that photos could be asked for.")
        return
    st.session_state["probe"] = chosen("probe", list(numbers), "") or None
    st.selectbox(
        "Can photos tell …",
        list(numbers),
        key="probe",
        index=None,
        format_func=numbers.__getitem__,
        placeholder="Choose a number",
        on_change=keep,
        args=("probe", "probe"),
        width=340,
        help="A simple model learns the number from the photos of some listings and tells it for the others",
    )
    question = st.session_state["probe"]
    if question is None:
        st.caption("Some listings teach a simple model, the others test it. It is measured when you choose.")
        return
    with st.spinner("Asking photos and attributes …"):
        found = probed(opened, question)
    table = scores(found.table)
    charts.show_table(
        table,
        width=560,
        alt=f"How well {numbers[question]} is told from each space",
    )
    st.caption(SCORE_HELP)
    item = next(one for one in opened.view.attributes if one.name == question)
    plot(predictions(opened, found, question), numbers[question], opened.view.unit(item))


@st.cache_resource(show_spinner=False, max_entries=32, hash_funcs=BY_RUN)
def probed(opened: OpenRun, question: str) -> Probes:
    """What is told of a question; kept for all sessions.

    Raises:
        VibesError: something that it needs is not installed.
    """
    with needs("Asking"):
        return probe_run(opened.run, [question])


def scores(table: pd.DataFrame) -> pd.DataFrame:
    """One line a space, photos first, then chance: Told from, Score, 95 % interval, Listings."""
    by = table.set_index("space")
    lines = []
    for space in (name for name in BESIDE if name in by.index):
        row = by.loc[space]
        told = {"attributes": "The other attributes alone", "photos": "Photos alone"}.get(
            space, label_of(space)
        )
        lines.append(
            (
                told,
                f"{row['value']:.2f}",
                f"{row['low']:.2f} to {row['high']:.2f}",
                f"{int(row['listings']):,}",
            )
        )
    lines.append(("Chance: the mean for all", "0.00", formats.MISSING, formats.MISSING))
    return pd.DataFrame(lines, columns=["Told from", "Score", "95 % interval", "Listings"])


def predictions(opened: OpenRun, found: Probes, question: str) -> pd.DataFrame:
    """True and foretold values of photos and attributes, in the attribute's own unit: Told from, True, Told."""
    frame = found.predictions[found.predictions["space"].isin(["photos", "attributes"])]
    truth, told = frame["truth"].astype(float).to_numpy(), frame["predicted"].astype(float).to_numpy()
    rows = frame["listing_id"].map(opened.view.market.listing_row).to_numpy()
    real = opened.view.market.listings[question].to_numpy(float, na_value=np.nan)[rows]
    if len(real) and (real > 0).all() and np.allclose(truth, np.log(real), atol=1e-4):
        truth, told = real, np.exp(told)  # numbers over several orders are asked for by their logarithm
    names = frame["space"].map({"photos": "Photos alone", "attributes": "The other attributes alone"})
    return pd.DataFrame({"Told from": names.to_numpy(), "True": truth, "Told": told})


def plot(frame: pd.DataFrame, label: str, unit: str) -> None:
    """True against told, with the line on which both are the same."""
    shown = frame.groupby("Told from", group_keys=False)[frame.columns.tolist()].apply(
        lambda part: part.sample(min(len(part), MOST), random_state=0)
    )
    low, high = np.nanquantile(frame[["True", "Told"]].to_numpy(), [0.005, 0.995])
    for column, name in zip(st.columns(2), ("Photos alone", "The other attributes alone"), strict=True):
        mine = shown[shown["Told from"] == name]
        if len(mine):
            with column:
                st.markdown(f"**{name}**")
                charts.show_chart(
                    _chart(mine, f"{label}, {unit}" if unit else label, float(low), float(high)),
                    key=f"probe-{name.split()[0].lower()}",
                    alt=f"{label}, true against told from {name.lower()}",
                    height=340,
                )
    st.caption("Each dot is a listing; on the dashed line, what was told is true.")


def _chart(mine: pd.DataFrame, said: str, low: float, high: float) -> go.Figure:
    """A dot for each listing; those beyond the axes lie on their ends."""
    figure = go.Figure()
    figure.add_scatter(
        x=mine["True"].clip(low, high).tolist(),
        y=mine["Told"].clip(low, high).tolist(),
        mode="markers",
        marker={"color": charts.SERIES[0], "size": 6, "opacity": 0.5},
        customdata=mine[["True", "Told"]].to_numpy().tolist(),
        hovertemplate="True: %{customdata[0]:,.4~r}<br>Told: %{customdata[1]:,.4~r}<extra></extra>",
    )
    figure.add_scatter(
        x=[low, high],
        y=[low, high],
        mode="lines",
        line={"color": charts.GRAY, "dash": "dash", "width": 1.5},
        hoverinfo="skip",
    )
    pad = 0.03 * (high - low)
    ends = {"range": [low - pad, high + pad], "tickformat": "~s", "nticks": 5}
    figure.update_layout(xaxis=ends, yaxis=ends, hovermode="closest", margin={"l": 64})
    figure.update_yaxes(title="Told")
    charts.axis_title(figure, f"True: {said}")
    return figure
