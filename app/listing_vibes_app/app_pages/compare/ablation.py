"""The ablation: every variant with its interval, and whether the difference to its reference is significant."""

import pandas as pd
import streamlit as st

from listing_vibes.ablation.table import ALL, figures_of, variant_name
from listing_vibes.tables import write_p
from listing_vibes.words import percent
from listing_vibes_app.kit import charts
from listing_vibes_app.kit.controls import select, switch
from listing_vibes_app.view.formats import MISSING, count, words

METRICS = {
    "recall": ("Recall", charts.RECALL_HELP.replace("our 30", "the first k")),
    "ndcg": ("NDCG", "As recall, but a rank near the top counts more."),
    "mrr": ("MRR", "One divided by the rank of the next listing, on average."),
    "coverage": ("Coverage", "The share of all listings that were in any list."),
}
#: Symbol and color of each verdict.
VERDICTS = {
    "better": ("triangle-up", charts.SERIES[5]),
    "worse": ("triangle-down", charts.SERIES[3]),
    "not significant": ("circle", charts.GRAY),
    "no reference": ("square", charts.SERIES[0]),
}


def show_ablation(table: pd.DataFrame) -> None:
    """Draw the controls, the chart and the table of its data."""
    labels = {name: label for name, (label, _) in METRICS.items() if name in set(table["metric"])}
    with st.container(horizontal=True, vertical_alignment="bottom", key="labelled-ablation"):
        help = " · ".join(f"**{label}**: {meaning}" for label, meaning in METRICS.values())
        metric = switch("Measure", "metric", labels, next(iter(labels)), help=help)
        mine = table[table["metric"] == metric]
        cutoffs = [str(k) for k in sorted(mine["k"].dropna().astype(int).unique())]
        k = "30" if "30" in cutoffs else next(iter(cutoffs), "")
        if len(cutoffs) > 1:
            k = switch("Within the first", "k", dict(zip(cutoffs, cutoffs, strict=True)), k)
        slices = {ALL: "All"} | {name: words(name) for name in dict.fromkeys(mine["slice"]) if name != ALL}
        part = ALL
        if len(slices) > 1:
            part = select("Queries", "slice", slices, ALL, width=240)
    shown = figures_of(table, metric, int(k) if k else None, part).reset_index()
    name = METRICS[metric][0] + (f"@{k}" if k and metric != "mrr" else "")
    queries, seeds = int(shown["queries"].iloc[0]), table["seed"].dropna().nunique()
    st.caption(
        f"{name} on {count(queries, 'test query', 'test queries')}, mean over users"
        + (f" and {count(int(seeds), 'training')} each" if seeds > 1 else "")
        + ". ▲ and ▼ differ from what they are compared with (p < .05 after Holm's correction)."
    )
    lines = figures(shown)
    hover = [
        f"Against {line['Compared with']}: {line['Difference']}, p {line['p']}"
        for line in lines.to_dict("records")
    ]
    styles = {verdict: (color, symbol) for verdict, (symbol, color) in VERDICTS.items()}
    named = shown.assign(kind=shown["verdict"], name=lines["Variant"])
    figure = charts.intervals(named, name, styles, hover=hover)
    figure.update_layout(showlegend=shown["verdict"].nunique() > 1)
    alt = f"{name} of every variant with 95 percent intervals"
    height = charts.rows_height(len(shown), legend=True)
    charts.show_chart(figure, key="ablation", alt=alt, height=height)
    charts.show_figures(lines, f"{name} of every variant with its interval and difference")


def figures(shown: pd.DataFrame) -> pd.DataFrame:
    """Return the data of the chart as text."""
    lines = []
    for row in shown.to_dict("records"):
        line = {"Variant": variant_name(row["variant"]), "Value": percent(row["value"])}
        line["95 % interval"] = charts.interval(row["low"], row["high"])
        line |= dict.fromkeys(("Compared with", "Difference", "p", "Verdict"), MISSING)
        if not pd.isna(row["difference"]):
            line["Compared with"] = variant_name(row["reference"])
            line["Difference"] = f"{100 * row['difference']:+.1f} points"
            line["p"], line["Verdict"] = write_p(row["p_value"]), row["verdict"]
        lines.append(line)
    return pd.DataFrame(lines)
