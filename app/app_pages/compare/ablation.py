"""The ablation as a picture: every variant with its interval, and whether it differs from its reference."""

from typing import Any

import altair as alt
import pandas as pd
import streamlit as st

from app.kit.figures import INK, RECALL_HELP, SURE, interval, percent
from app.server.params import chosen, keep
from app.server.runs import OpenRun
from app.view.formats import MISSING, count, words
from core.ablation.table import ALL, COLUMNS
from core.errors import VibesError
from core.market.io import read_table

FILE = "ablation.parquet"
METRICS = {
    "recall": ("Recall", RECALL_HELP.replace("our 30", "the first k")),
    "ndcg": ("NDCG", "As recall, but a place near the top counts more."),
    "mrr": ("MRR", "One divided by the place of the listing that was touched next, on average."),
    "coverage": ("Coverage", "The share of all listings that were in anybody's list."),
}
VERDICTS = ("better", "worse", "not told apart", "no reference")
SHAPES = ("triangle-up", "triangle-down", "circle", "square")
COLOURS = {
    "light": ("#0b6e4f", "#a8431d", "#5a6468", "#0f5f66"),
    "dark": ("#8ad9a6", "#f0a184", "#a7b1b3", "#6cc7bf"),
}


def load_ablation(opened: OpenRun) -> pd.DataFrame | None:
    """The run's ablation, None where it has none.

    Raises:
        VibesError: the file is damaged.
    """
    path = opened.run.path / FILE
    return _load(str(path), path.stat().st_mtime_ns, opened) if path.is_file() else None


@st.cache_resource(show_spinner=False, max_entries=8)
def _load(path: str, stamp: int, _opened: OpenRun) -> pd.DataFrame:
    table = read_table(_opened.run.path / FILE)
    missing = [name for name in COLUMNS if name not in table.columns]
    if missing or table.empty:
        what = f"lacks the column {missing[0]}" if missing else "is empty"
        raise VibesError(f"{path} {what}; make it again with vibes ablate.")
    return table


def ablation(opened: OpenRun, table: pd.DataFrame) -> None:
    """Controls, the picture and the table behind it."""
    metrics = [name for name in METRICS if name in set(table["metric"])]
    metric = chosen("metric", metrics, metrics[0])
    mine = table[table["metric"] == metric]
    cutoffs = [str(k) for k in sorted(mine["k"].dropna().astype(int).unique())]
    k = chosen("k", cutoffs, "30" if "30" in cutoffs else cutoffs[0]) if cutoffs else None
    slices = list(dict.fromkeys(mine["slice"]))
    slices.sort(key=lambda name: name != ALL)
    part = chosen("slice", slices, slices[0])
    st.session_state.update({"metric": metric, "cutoff": k, "slice": part})
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.segmented_control(
            "Measure",
            metrics,
            key="metric",
            format_func=lambda name: METRICS[name][0],
            required=True,
            on_change=keep,
            args=("metric", "metric", metrics[0]),
            help=" · ".join(f"**{METRICS[name][0]}**: {METRICS[name][1]}" for name in metrics),
        )
        if len(cutoffs) > 1:
            st.segmented_control(
                "Within the first",
                cutoffs,
                key="cutoff",
                required=True,
                on_change=keep,
                args=("cutoff", "k", "30"),
                help="How long a list is looked at",
            )
        if len(slices) > 1:
            st.selectbox(
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
    st.altair_chart(picture(shown, name), width="stretch", height=34 * len(shown) + 130)
    with st.expander("The figures behind it"):
        st.table(
            figures(shown),
            hide_index=True,
            border="horizontal",
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
    if row["p_value"] >= SURE:
        return VERDICTS[2]
    return VERDICTS[0] if row["difference"] > 0 else VERDICTS[1]


def figures(shown: pd.DataFrame) -> pd.DataFrame:
    """The table behind the picture, in words."""
    lines = []
    for row in shown.to_dict("records"):
        paired = not pd.isna(row["difference"])
        lines.append(
            {
                "Variant": words(row["variant"]),
                "Value": percent(row["value"]),
                "95 % interval": interval(
                    *(None if pd.isna(row[end]) else row[end] for end in ("low", "high"))
                ),
                "Compared with": words(row["reference"]) if isinstance(row["reference"], str) else MISSING,
                "Difference": f"{100 * row['difference']:+.1f} points" if paired else MISSING,
                "p": ("< .001" if row["p_value"] < 0.001 else f"{row['p_value']:.3f}") if paired else MISSING,
                "Verdict": row["verdict"] if paired else MISSING,
            }
        )
    return pd.DataFrame(lines)


def picture(shown: pd.DataFrame, name: str) -> alt.LayerChart:
    """A sign and its interval for each variant."""
    theme = st.context.theme.type or "light"
    wide = shown.assign(
        Variant=[words(variant) for variant in shown["variant"]], k=shown["k"].astype("float")
    ).drop(columns=["seed"])
    domain = [verdict for verdict in VERDICTS if verdict in set(wide["verdict"])]
    colours = dict(zip(VERDICTS, COLOURS[theme], strict=True))
    shapes = dict(zip(VERDICTS, SHAPES, strict=True))
    base = alt.Chart(wide).encode(
        y=alt.Y(
            "Variant:N",
            sort=wide["Variant"].tolist(),
            title=None,
            scale=alt.Scale(paddingOuter=0.4),
            axis=alt.Axis(labelLimit=260, labelOverlap=False, ticks=False, domain=False),
        ),
        color=alt.Color(
            "verdict:N",
            title=None,
            scale=alt.Scale(domain=domain, range=[colours[one] for one in domain]),
            legend=alt.Legend(orient="top", labelFontSize=13) if len(domain) > 1 else None,
        ),
        tooltip=[
            alt.Tooltip("Variant:N"),
            alt.Tooltip("value:Q", format=".1%", title=name),
            alt.Tooltip("reference:N", title="Compared with"),
            alt.Tooltip("difference:Q", format="+.1%", title="Difference"),
            alt.Tooltip("p_value:Q", format=".3f", title="p"),
        ],
    )
    axis = alt.Axis(format="%", tickCount=6, domain=False, titleAnchor="end")  # as in figures.py
    line = base.mark_rule(strokeWidth=2).encode(
        x=alt.X("low:Q", title=f"{name} with its 95 % interval", axis=axis, scale=alt.Scale(zero=True)),
        x2="high:Q",
    )
    dot = base.mark_point(filled=True, size=110, opacity=1).encode(
        x="value:Q",
        shape=alt.Shape(
            "verdict:N", title=None, scale=alt.Scale(domain=domain, range=[shapes[one] for one in domain])
        ),
    )
    ink = INK[theme]
    chart: alt.LayerChart = (line + dot).properties(
        description=f"{name} of every variant with 95 percent intervals"
    )
    return chart.configure_axis(
        labelColor=ink, titleColor=ink, labelFontSize=13, titleFontSize=13
    ).configure_legend(labelColor=ink)
