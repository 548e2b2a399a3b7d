"""The figure of an ablation: recall@30 of every variant with its interval, in the order of the grid."""

import os
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from listing_vibes.ablation.table import Measured, figures_of, variant_results
from listing_vibes.errors import needs
from listing_vibes.evaluation.intervals import SIGNIFICANT
from listing_vibes.market.caches import user_cache
from listing_vibes.market.durable import atomic_path
from listing_vibes.tables import write_p

ROW, GAP = 0.26, 1.4  # inches per row; rows between two questions
BETTER, WORSE, PLAIN = "#0b7a75", "#b5452c", "#5f6b76"
XLABEL = (
    "recall@30: mean over users and seeds, 95 % interval over users, rings: single seeds;\n"
    "filled: differs from its reference, p < .05 after Holm, green above, red below"
)


def save_figure(table: pd.DataFrame, measured: Sequence[Measured], path: Path, headline: str) -> None:
    """Write the figure to `path` with the suffixes .png and .svg; the same table gives the same bytes.

    Raises:
        VibesError: matplotlib is not installed, or the files cannot be written.
    """
    with needs("The figure"):
        # Otherwise matplotlib writes its font cache into the home folder.
        os.environ.setdefault("MPLCONFIGDIR", str(user_cache() / "matplotlib"))
        import matplotlib
    from matplotlib.figure import Figure

    questions = pd.Series([variant.question for variant in measured], [variant.name for variant in measured])
    is_first = questions != questions.shift()
    heights = pd.Series(range(len(questions)), questions.index) + GAP * (is_first.cumsum() - 1)
    figure = Figure(figsize=(9.5, 1.3 + ROW * (heights.max() + 1)), dpi=150)
    axes = figure.add_subplot()
    beside = axes.get_yaxis_transform()  # x in parts of the axes, y in rows
    for name, row in figures_of(table).loc[heights.index].iterrows():
        height, has_difference = heights[name], pd.notna(row["difference"])
        is_significant = has_difference and row["p_value"] < SIGNIFICANT
        color = PLAIN if not is_significant else BETTER if row["difference"] > 0 else WORSE
        axes.hlines(height, row["low"], row["high"], color=color, linewidth=1.8)
        seeds = [*variant_results(table, str(name))["recall@30"]["seeds"].values()]
        if len(seeds) > 1:
            axes.plot(seeds, [height] * len(seeds), "o", mfc="none", mec=color, ms=3.5, mew=0.7, alpha=0.7)
        fill = color if is_significant else "white"
        axes.plot([row["value"]], [height], "o", mfc=fill, mec=color, ms=6.5, mew=1.5)
        text = f"{row['value']:.3f}".replace("0.", ".", 1)
        if has_difference:
            text += f"   {row['difference']:+.3f}  p {write_p(row['p_value'])}  to {row['reference']}"
        axes.text(1.01, height, text, va="center", fontsize=8, color=color, transform=beside)
    for name, question in questions[is_first].items():
        axes.text(
            -0.01, heights[name] - 1, question, ha="right", va="center", weight="bold", transform=beside
        )
    axes.set_yticks(heights.to_list(), heights.index.to_list())
    axes.set_ylim(heights.max() + 0.8, -0.8 - GAP / 2)
    axes.set_xlim(left=0)
    axes.set_xlabel(XLABEL)
    axes.set_title(headline, loc="left", fontsize=10)
    axes.grid(axis="x", color="#e3e6e8", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(axis="y", length=0)
    axes.spines[["top", "right", "left"]].set_visible(False)
    # Otherwise the file contains the date and random ids.
    with matplotlib.rc_context({"svg.hashsalt": "vibes", "svg.fonttype": "none"}):
        for suffix, metadata in ((".png", {"Software": None}), (".svg", {"Date": None})):
            with atomic_path(path.with_suffix(suffix)) as temporary:
                figure.savefig(temporary, format=suffix[1:], metadata=metadata, bbox_inches="tight")
