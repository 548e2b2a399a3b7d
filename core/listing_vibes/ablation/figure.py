"""The figure of an ablation: recall@30 of every variant with its interval, in the order of the grid."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from listing_vibes.ablation.table import Measured, figures_of, variant_results
from listing_vibes.errors import needs
from listing_vibes.evaluation.intervals import SIGNIFICANT
from listing_vibes.market.caches import user_cache
from listing_vibes.market.durable import atomic_path
from listing_vibes.tables import write_p

ROW, TITLE_ROWS = 0.26, 1.4  # inches per variant; rows of the title of a question
BETTER, WORSE, PLAIN = "#0b7a75", "#b5452c", "#5f6b76"
XLABEL = (
    "recall@30: mean over users and seeds, 95 % interval over users, rings: single seeds;\n"
    "filled: differs from its reference, p < .05 after Holm, green above, red below"
)


def save_figure(table: pd.DataFrame, measured: Sequence[Measured], path: Path, headline: str) -> list[Path]:
    """Write the figure to `path` with the suffixes .png and .svg; the same table gives the same bytes.

    A dot is the mean over seeds with its 95 % interval over users, a small ring one seed. Filled dots differ from
    their reference (p < .05 after Holm), green above it, red below.

    Raises:
        VibesError: matplotlib is not installed, or the files cannot be written.
    """
    with needs("The figure"):
        # Otherwise matplotlib writes its font cache into the home folder.
        os.environ.setdefault("MPLCONFIGDIR", str(user_cache() / "matplotlib"))
        import matplotlib
    from matplotlib.figure import Figure

    heights, titles = _place_rows(measured)
    last = max(heights.values())
    figure = Figure(figsize=(9.5, 1.3 + ROW * (last + 1)), dpi=150)
    axes = figure.add_subplot()
    figures = figures_of(table)
    for name, height in heights.items():
        seeds = variant_results(table, name)["recall@30"]["seeds"]
        _draw_variant(axes, height, figures.loc[name], [*seeds.values()])
    axes.set_yticks(list(heights.values()), list(heights))
    title: dict[str, Any] = {
        "transform": axes.get_yaxis_transform(),
        "ha": "right",
        "va": "center",
        "weight": "bold",
    }
    for question, height in titles.items():
        axes.text(-0.01, height, question, **title)
    axes.set_ylim(last + 0.8, -0.8 - TITLE_ROWS / 2)
    axes.set_xlim(left=0)
    axes.set_xlabel(XLABEL)
    axes.set_title(headline, loc="left", fontsize=10)
    axes.grid(axis="x", color="#e3e6e8", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(axis="y", length=0)
    axes.spines[["top", "right", "left"]].set_visible(False)
    written = []
    # Otherwise the file contains the date and random ids.
    with matplotlib.rc_context({"svg.hashsalt": "vibes", "svg.fonttype": "none"}):
        for ending, metadata in ((".png", {"Software": None}), (".svg", {"Date": None})):
            target = path.with_suffix(ending)
            with atomic_path(target) as temporary:
                figure.savefig(temporary, format=ending[1:], metadata=metadata, bbox_inches="tight")
            written.append(target)
    return written


def _place_rows(measured: Sequence[Measured]) -> tuple[dict[str, float], dict[str, float]]:
    """Return the vertical positions of the variants, and of the question above each group."""
    heights: dict[str, float] = {}
    titles: dict[str, float] = {}
    height, question = 0.0, ""
    for variant in measured:
        if variant.question != question:
            question = variant.question
            height += TITLE_ROWS if heights else 0
            titles[question] = height - 1
        heights[variant.name] = height
        height += 1
    return heights, titles


def _draw_variant(axes: Any, height: float, row: Mapping[str, Any], seeds: list[float]) -> None:
    has_difference = not pd.isna(row["difference"])
    is_significant = has_difference and row["p_value"] < SIGNIFICANT
    color = PLAIN if not is_significant else BETTER if row["difference"] > 0 else WORSE
    if not pd.isna(row["low"]):
        axes.plot([row["low"], row["high"]], [height] * 2, color=color, linewidth=1.8, solid_capstyle="round")
    if len(seeds) > 1:
        axes.plot(seeds, [height] * len(seeds), "o", mfc="none", mec=color, ms=3.5, mew=0.7, alpha=0.7)
    fill = color if is_significant else "white"
    axes.plot([row["value"]], [height], "o", mfc=fill, mec=color, ms=6.5, mew=1.5)
    text = {"va": "center", "fontsize": 8, "color": color, "transform": axes.get_yaxis_transform()}
    axes.text(1.01, height, f"{row['value']:.3f}".replace("0.", ".", 1), **text)
    if has_difference:
        difference = f"{row['difference']:+.3f}  p {write_p(row['p_value'])}  to {row['reference']}"
        axes.text(1.07, height, difference, **text)
