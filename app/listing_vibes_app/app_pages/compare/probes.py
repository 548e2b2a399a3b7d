"""Probes: how well a number is predicted from photos, compared with the other attributes and with chance."""

import pandas as pd
import streamlit as st

from listing_vibes.errors import needs
from listing_vibes.insight.probes import probe_run
from listing_vibes_app.kit.controls import select
from listing_vibes_app.kit.spaces import label_of, missing_spaces
from listing_vibes_app.server.runs import BY_RUN, OpenRun
from listing_vibes_app.view.formats import MISSING, count

SCORE_HELP = (
    "The share of the variance that is predicted: 1 is perfect, 0 is no better than the mean for all (R²)."
)
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
        result = _probe(opened, question).set_index("space")
    alt = f"How well {numbers[question]} is predicted from each space"
    st.dataframe(scores(result), hide_index=True, width=520, alt=alt)
    known = count(int(result.at["photos", "listings"]), "listing")
    st.caption(f"{SCORE_HELP} Predicted for the {known} with photos.")


@st.cache_resource(show_spinner=False, max_entries=32, hash_funcs=BY_RUN)
def _probe(opened: OpenRun, question: str) -> pd.DataFrame:
    with needs("Predicting from photos"):
        return probe_run(opened.run, question)


def scores(by: pd.DataFrame) -> pd.DataFrame:
    """Return a row for each space of `by`, photos first, then chance: Predicted from, Score, 95 % interval."""
    lines = [
        (
            NAMES.get(space, label_of(space)),
            f"{row['value']:z.2f}",
            f"{row['low']:z.2f} to {row['high']:z.2f}",
        )
        for space in ("photos", "model", "attributes")
        if space in by.index
        for row in [by.loc[space]]
    ]
    lines.append(("Chance: the mean for all", "0.00", MISSING))
    return pd.DataFrame(lines, columns=["Predicted from", "Score", "95 % interval"])
