"""The ablation as a picture: every variant with its interval, and whether it differs from its reference."""

from typing import Any

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from listing_vibes.ablation.table import ALL
from listing_vibes.evaluation.intervals import SIGNIFICANT
from listing_vibes.report.text import NAMES
from listing_vibes.words import percent
from listing_vibes_app.kit import charts
from listing_vibes_app.kit.measures import RECALL_HELP, interval
from listing_vibes_app.kit.switch import switch
from listing_vibes_app.server.params import chosen, keep
from listing_vibes_app.server.runs import OpenRun
from listing_vibes_app.view.formats import MISSING, count, words

METRICS = {
    "recall": ("Recall", RECALL_HELP.replace("our 30", "the first k")),
    "ndcg": ("NDCG", "As recall, but a place near the top counts more."),
    "mrr": ("MRR", "One divided by the place of the listing that was touched next, on average."),
    "coverage": ("Coverage", "The share of all listings that were in anybody's list."),
}
VERDICTS = ("better", "worse", "not told apart", "no reference")
SYMBOLS = ("triangle-up", "triangle-down", "circle", "square")
COLOURS = (charts.SERIES[5], charts.SERIES[3], charts.GRAY, charts.SERIES[0])


def ablation(opened: OpenRun, table: pd.DataFrame) -> None:
    """Controls, the picture and the table behind it."""
    metrics = [name for name in METRICS if name in set(table["metric"])]
    with st.container(horizontal=True, vertical_alignment="bottom", key="labelled-ablation"):
        metric = switch(
            "Measure",
            "metric",
            {name: METRICS[name][0] for name in metrics},
            metrics[0],
            help=" · ".join(f"**{METRICS[name][0]}**: {METRICS[name][1]}" for name in metrics),
        )
        mine = table[table["metric"] == metric]
        cutoffs = [str(k) for k in sorted(mine["k"].dropna().astype(int).unique())]
        usual = "30" if "30" in cutoffs else next(iter(cutoffs), None)
        k = usual
        if usual is not None and len(cutoffs) > 1:
            help = "How long a list is looked at"
            k = switch("Within the first", "k", dict(zip(cutoffs, cutoffs, strict=True)), usual, help=help)
        slices = sorted(dict.fromkeys(mine["slice"]), key=lambda name: name != ALL)
        part = slices[0]
        if len(slices) > 1:
            st.session_state["slice"] = chosen("slice", slices, part)
            part = st.selectbox(
                "Queries",
                slices,
                key="slice",
                format_func=lambda name: "All" if name == ALL else words(name),
                on_change=keep,
                args=("slice", "slice", ALL),
                width=240,
            )
    shown = rows_of(table, metric, k, part)
    name = METRICS[metric][0] + (f"@{k}" if k and metric != "mrr" else "")
    queries = int(shown["queries"].iloc[0])
    seeds = table["seed"].dropna().nunique()
    st.caption(
        f"{name} on {count(queries, 'test query', 'test queries')}, mean over users"
        + (f" and {count(int(seeds), 'training')} each" if seeds > 1 else "")
        + ". ▲ and ▼ differ from what they are compared with (p < .05 after Holm's correction)."
    )
    charts.show_chart(
        picture(shown, name),
        key="ablation",
        alt=f"{name} of every variant with 95 percent intervals",
        height=charts.rows_height(len(shown), legend=True),
    )
    with st.expander("The figures behind it"):
        charts.show_table(
            figures(shown),
            alt=f"{name} of every variant with its interval and difference",
        )


def rows_of(table: pd.DataFrame, metric: str, k: str | None, part: str) -> pd.DataFrame:
    """One line a variant, in the order of the grid: the mean over seeds, and a verdict against its reference."""
    found = table[(table["metric"] == metric) & (table["slice"] == part) & table["seed"].isna()]
    found = found[found["k"].isna()] if k is None else found[found["k"] == int(k)]
    return found.assign(verdict=[_verdict(row) for row in found.to_dict("records")]).reset_index(drop=True)


def _verdict(row: dict[str, Any]) -> str:
    if pd.isna(row["difference"]) or pd.isna(row["p_value"]):
        return VERDICTS[3]
    if row["p_value"] >= SIGNIFICANT:
        return VERDICTS[2]
    return VERDICTS[0] if row["difference"] > 0 else VERDICTS[1]


def figures(shown: pd.DataFrame) -> pd.DataFrame:
    """The table behind the picture, in words."""
    lines = []
    for row in shown.to_dict("records"):
        paired = not pd.isna(row["difference"])
        lines.append(
            {
                "Variant": variant_name(row["variant"]),
                "Value": percent(row["value"]),
                "95 % interval": interval(
                    *(None if pd.isna(row[end]) else row[end] for end in ("low", "high"))
                ),
                "Compared with": variant_name(row["reference"])
                if isinstance(row["reference"], str)
                else MISSING,
                "Difference": f"{100 * row['difference']:+.1f} points" if paired else MISSING,
                "p": ("< .001" if row["p_value"] < 0.001 else f"{row['p_value']:.3f}") if paired else MISSING,
                "Verdict": row["verdict"] if paired else MISSING,
            }
        )
    return pd.DataFrame(lines)


def picture(shown: pd.DataFrame, name: str) -> go.Figure:
    """A sign and its interval for each variant."""
    kinds = [charts.Kind(*one) for one in zip(VERDICTS, COLOURS, SYMBOLS, strict=True)]
    names = [variant_name(variant) for variant in shown["variant"]]
    hover = []
    for variant, row in zip(names, shown.to_dict("records"), strict=True):
        ends = (None if pd.isna(row[end]) else row[end] for end in ("low", "high"))
        told = (
            f"<b>{charts.escaped(variant)}</b><br>{name} {percent(row['value'])}<br>95 %: {interval(*ends)}"
        )
        if not pd.isna(row["difference"]):
            told += f"<br>Against {charts.escaped(variant_name(row['reference']))}: {100 * row['difference']:+.1f} points"
            told += f", {p_value(row['p_value'])}"
        hover.append(told)
    table = shown.assign(kind=shown["verdict"], row=range(len(shown)))
    figure = charts.intervals(table, kinds, "row", hover)
    charts.row_axis(figure, names)
    charts.axis_title(figure, f"{name} with its 95 % interval")
    figure.update_layout(showlegend=shown["verdict"].nunique() > 1)
    return figure


def variant_name(name: str) -> str:
    """What the screen calls a variant: a method as everywhere, a part of the grid by its own words."""
    return NAMES.get(name, words(name))


def p_value(value: float) -> str:
    """`p < .001`, `p = 0.042`."""
    return "p < .001" if value < 0.001 else f"p = {value:.3f}"
