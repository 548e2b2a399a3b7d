"""The details of the first page: recall@30 by method, the gain of each ingredient, monitoring, and warnings about the data."""

from collections.abc import Sequence
from typing import Any

import pandas as pd
import streamlit as st

from listing_vibes.ablation.table import LABELS, Rung, ladder, read_ablation
from listing_vibes.insight.evidence import Bar
from listing_vibes.insight.quality import not_measured, quality_evidence
from listing_vibes.market.profile import MarketProfile, profile
from listing_vibes.scoring.ranking_metrics import CEILING
from listing_vibes.serving.monitor_checks import Monitored
from listing_vibes.words import percent
from listing_vibes_app.kit.evidence import show_bars
from listing_vibes_app.server.boundary import boundary
from listing_vibes_app.server.runs import BY_RUN, OpenRun
from listing_vibes_app.view.formats import count, plain

PROTOCOLS = {
    "temporal": "Trained on earlier events, tested on later ones.",
    "leave-one-out": "Each user's last event is predicted from those before (leave-one-out).",
}
#: Steps that are not the model.
KINDS: dict[str, Any] = {LABELS["best id model"]: "other", LABELS["oracle"]: "plain"}
MEANINGS = {
    "Ids alone": "the best of the methods that know listings by their ids only",
    "Attributes": "the model with what a listing says about itself",
    "+ actions": "and what a user did, and for how long",
    "+ photos": "and how the listing looks",
    CEILING: "knows the simulated tastes: nothing could predict more",
}


def show_details(opened: OpenRun) -> None:
    """Show the evaluation, the ablation, the last monitoring and the data warnings."""
    with boundary():
        st.header("How good are the recommendations?", anchor=False)
        evidence = quality_evidence(opened.run)
        if evidence is not None:
            protocol = PROTOCOLS.get((opened.run.metrics or {}).get("protocol", ""), "")
            st.markdown(plain(f"{evidence.headline}. {evidence.sentence}"))
            show_bars("quality", evidence.bars, f"{evidence.picture} Of {evidence.population}. {protocol}")
        else:
            st.markdown(plain(not_measured(opened.run)))
    with boundary():
        table = read_ablation(opened.run.path / "ablation.parquet")
        if table is not None and (steps := ladder(table)):
            show_stair(steps)
    with boundary():
        show_monitoring(opened)
    with boundary():
        show_warnings(opened)


def show_stair(steps: Sequence[Rung]) -> None:
    """Show the gain of each ingredient, from ids alone to the ceiling of a simulated market."""
    st.header("What does each ingredient add?", anchor=False)
    bars = [
        Bar(
            label=step.label,
            value=step.value,
            low=step.low,
            high=step.high,
            kind=KINDS.get(step.label, "model"),
            note=gain(step),
        )
        for step in steps
    ]
    show_bars(
        "stair", bars, "Recall@30 in the ablation, and the difference to the step before. Line: 95% interval."
    )
    st.caption(" · ".join(f"**{step.label}**: {MEANINGS[step.label]}" for step in steps) + ".")


def gain(step: Rung) -> str:
    """Return the difference of a step to the previous one: `+7.4 points`, or that it is not significant."""
    if step.gain is None:
        return ""
    points = f"{100 * step.gain:+.1f}".replace("-", "−")
    return f"{points} points" if step.is_significant else f"{points}, not significant"


def show_monitoring(opened: OpenRun) -> None:
    """Show the last result of `vibes monitor`: the crossed thresholds, and the other checks in an expander."""
    monitored = Monitored.load(opened.run.path)
    if monitored is None:
        return
    st.header("Monitoring", anchor=False)
    st.markdown(f"**{plain(monitored.verdict)}**" if monitored.crossed else plain(monitored.verdict))
    for check in monitored.crossed:
        st.markdown(f"- {plain(check.sentence)} Look at: {plain(check.hint)}")
    if monitored.quiet:
        with st.expander("All other checks"):
            for check in monitored.quiet:
                st.markdown(f"- {plain(check.sentence)}")
    behind = opened.run.version - monitored.version
    since = (
        f"{behind} {'refresh' if behind == 1 else 'refreshes'} ago"
        if behind > 0
        else "of the current version"
    )
    st.caption(f"Checked {monitored.checked_at} UTC, {since}.")


def show_warnings(opened: OpenRun) -> None:
    """Show warnings about the data; last on the page, because counting takes longest."""
    st.header("Data warnings", anchor=False)
    with st.spinner("Counting …"):
        result = _profile(opened)
    labels = {item.name: item.label for item in result.attributes}
    lines = [
        f"{labels.get(name, name)} {why}. If so, the measures are too high; exclude it in market.toml."
        for name, why in result.leaks.items()
    ]
    lines += result.notes
    if result.issues:
        number = count(len(result.issues), "kind")
        lines.append(f"{number} of issue in the tables and photos; vibes check lists each with file and row.")
    st.markdown(
        "\n".join(f"- {plain(line)}" for line in lines) or "No column looks like a leak, and all can be read."
    )
    items = sorted(result.attributes, key=lambda item: -item.missing)
    table = {
        "Attribute": [item.label for item in items],
        "Missing": [percent(item.missing, 0, bounds=("under ", "over ")) for item in items],
        "Distinct values": [item.distinct for item in items],
    }
    st.dataframe(
        pd.DataFrame(table),
        hide_index=True,
        width="content",
        alt="Missing and distinct values of each attribute",
    )


@st.cache_resource(show_spinner=False, max_entries=8, hash_funcs=BY_RUN)
def _profile(opened: OpenRun) -> MarketProfile:
    return profile(opened.view.market, most_photos=1_000)
