"""Probes: how well a number is predicted from photos, compared with the other attributes and with chance."""

import numpy as np
import pandas as pd
import plotly.express as px
import streamlit as st

from listing_vibes.errors import needs
from listing_vibes.insight.probes import Probes, probe_run
from listing_vibes_app.kit import charts
from listing_vibes_app.kit.controls import select
from listing_vibes_app.kit.spaces import label_of, missing_spaces
from listing_vibes_app.server.runs import BY_RUN, OpenRun
from listing_vibes_app.view.formats import MISSING

SCORE_HELP = (
    "The share of the variance that is predicted: 1 is perfect, 0 is no better than the mean for all (R²)."
)
DOTS = 3000
NAMES = {"photos": "Photos alone", "attributes": "The other attributes alone"}


def show_probes(opened: OpenRun) -> None:
    """Show how well each space predicts a chosen number for listings that the probe was not trained on."""
    numbers = {item.name: item.label for item in opened.view.attributes if item.shown_as == "number"}
    if "photos" not in opened.run.spaces or not numbers:
        reason = "This market has no number, such as a price or an area, that photos could predict."
        st.markdown(" ".join(missing_spaces(opened)) if numbers else reason)
        return
    help = "A linear model is trained on the photos of some listings and predicts the number of the others"
    main = [item.name for item in opened.view.headline if item.name in numbers]
    question = select("Can photos predict …", "probe", numbers, [*main, *numbers][0], width=340, help=help)
    with st.spinner("Predicting from photos and attributes …"):
        result = _probe(opened, question)
    table = scores(result.table)
    alt = f"How well {numbers[question]} is predicted from each space"
    st.dataframe(table, hide_index=True, width=560, alt=alt)
    st.caption(SCORE_HELP)
    item = next(item for item in opened.view.attributes if item.name == question)
    unit = opened.view.unit(item)
    show_predictions(predictions(opened, result, question), f"{item.label}, {unit}" if unit else item.label)


@st.cache_resource(show_spinner=False, max_entries=32, hash_funcs=BY_RUN)
def _probe(opened: OpenRun, question: str) -> Probes:
    with needs("Predicting from photos"):
        return probe_run(opened.run, question)


def scores(table: pd.DataFrame) -> pd.DataFrame:
    """Return a row for each space, photos first, then chance: Predicted from, Score, 95 % interval, Listings."""
    by = table.set_index("space")
    lines = [
        (
            NAMES.get(space, label_of(space)),
            f"{row['value']:.2f}",
            f"{row['low']:.2f} to {row['high']:.2f}",
            f"{row['listings']:,.0f}",
        )
        for space in ("photos", "model", "attributes")
        if space in by.index
        for row in [by.loc[space]]
    ]
    lines.append(("Chance: the mean for all", "0.00", MISSING, MISSING))
    return pd.DataFrame(lines, columns=["Predicted from", "Score", "95 % interval", "Listings"])


def predictions(opened: OpenRun, probes: Probes, question: str) -> pd.DataFrame:
    """Return true and predicted values in the attribute's own unit: Predicted from, True, Predicted."""
    frame = probes.predictions[probes.predictions["space"].isin(list(NAMES))]
    truth, predicted = (frame[name].to_numpy(float) for name in ("truth", "predicted"))
    rows = frame["listing_id"].map(opened.view.market.listing_row).to_numpy()
    values = opened.view.market.listings[question].to_numpy(float, na_value=np.nan)[rows]
    if len(values) and (values > 0).all() and np.allclose(truth, np.log(values), atol=1e-4):
        truth, predicted = (
            values,
            np.exp(predicted),
        )  # numbers over several orders are predicted by their logarithm
    spaces = frame["space"].map(NAMES).to_numpy()
    return pd.DataFrame({"Predicted from": spaces, "True": truth, "Predicted": predicted})


def show_predictions(frame: pd.DataFrame, label: str) -> None:
    """Show predicted against true values, with the line of perfect predictions."""
    low, high = np.nanquantile(frame[["True", "Predicted"]].to_numpy(), [0.005, 0.995])
    shown = frame.sample(min(len(frame), DOTS), random_state=0)
    figure = px.scatter(shown, x="True", y="Predicted", facet_col="Predicted from", opacity=0.5)
    line = {"color": charts.GRAY, "dash": "dash", "width": 1.5}
    figure.add_shape(type="line", x0=low, x1=high, y0=low, y1=high, line=line, row="all", col="all")
    figure.for_each_annotation(lambda title: title.update(text=title.text.partition("=")[2]))
    axis = {"range": [low, high], "tickformat": "~s", "nticks": 5}
    figure.update_xaxes(**axis)
    figure.update_yaxes(**axis)
    figure.update_layout(margin={"l": 64})
    alt = f"{label}, true against predicted, from photos alone and from the other attributes alone"
    charts.show_chart(figure, key="probes", alt=alt, height=360)
    st.caption(f"{label}: each dot is a listing; on the dashed line, the prediction is true.")
