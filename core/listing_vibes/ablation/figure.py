"""The figure of an ablation: recall@30 of every variant with its interval, in the order of the grid."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from listing_vibes.ablation.table import ALL, Measured
from listing_vibes.ablation.text import SIGNIFICANT, figures_of
from listing_vibes.defaults import K
from listing_vibes.errors import needs
from listing_vibes.market.caches import user_cache
from listing_vibes.market.durable import atomic_path
from listing_vibes.tables import write_p

ROW, TITLE_ROWS = 0.26, 1.4  # inches a variant; rows of air that a question's name takes
BETTER, WORSE, PLAIN = "#0b7a75", "#b5452c", "#5f6b76"
METRIC = "recall"


def save_figure(table: pd.DataFrame, measured: Sequence[Measured], path: Path, headline: str) -> list[Path]:
    """Write `path` with the endings .png and .svg; the same table gives the same bytes.

    A dot is the mean over seeds with its 95 % interval over users, a small ring one seed. Filled dots differ from
    their reference (p < .05 after Holm), green above it, red below.

    Raises:
        VibesError: matplotlib is not installed, or the files cannot be written.
    """
    with needs("The figure"):
        # Else its list of fonts is written into the home folder.
        os.environ.setdefault("MPLCONFIGDIR", str(user_cache() / "matplotlib"))
        import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    rows, titles = _places(measured)
    height = 1.3 + ROW * (max(rows.values()) + 1)
    figure = Figure(figsize=(9.5, height), dpi=150)
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    found = figures_of(table, METRIC, K)
    seeds = table[
        (table["slice"] == ALL) & (table["metric"] == METRIC) & (table["k"] == K) & table["seed"].notna()
    ]
    for one in measured:
        _draw(
            axes, rows[one.name], found.loc[one.name], seeds[seeds["variant"] == one.name]["value"].tolist()
        )
    axes.set_yticks([rows[one.name] for one in measured], [one.name for one in measured])
    for title, place in titles.items():
        axes.text(
            -0.01, place, title, transform=axes.get_yaxis_transform(), ha="right", va="center", weight="bold"
        )
    axes.set_ylim(max(rows.values()) + 0.8, -0.8 - (TITLE_ROWS if titles else 0) / 2)
    axes.set_xlim(left=0)
    axes.set_xlabel(
        "recall@30: mean over users and seeds, 95 % interval over users, rings: single seeds;\n"
        "filled: differs from its reference, p < .05 after Holm, green above, red below"
    )
    axes.set_title(headline, loc="left", fontsize=10)
    axes.grid(axis="x", color="#e3e6e8", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(axis="y", length=0)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    written = []
    # Without these two the file would hold the date and random ids.
    with matplotlib.rc_context({"svg.hashsalt": "vibes", "svg.fonttype": "none"}):
        for ending, metadata in ((".png", {"Software": None}), (".svg", {"Date": None})):
            target = path.with_suffix(ending)
            with atomic_path(target) as temporary:
                figure.savefig(temporary, format=ending[1:], metadata=metadata, bbox_inches="tight")
            written.append(target)
    return written


def _places(measured: Sequence[Measured]) -> tuple[dict[str, float], dict[str, float]]:
    """Vertical places of the variants and, above each group, of the question that it answers."""
    rows: dict[str, float] = {}
    titles: dict[str, float] = {}
    place, question = 0.0, ""
    for one in measured:
        if one.question != question:
            question = one.question
            place += TITLE_ROWS if rows else 0
            titles[question] = place - 1
        rows[one.name] = place
        place += 1
    return rows, titles


def _draw(axes: Any, place: float, row: Mapping[str, Any], seeds: list[float]) -> None:
    known = not pd.isna(row["difference"])
    clear = known and row["p_value"] < SIGNIFICANT
    colour = PLAIN if not clear else BETTER if row["difference"] > 0 else WORSE
    if not pd.isna(row["low"]):
        axes.plot(
            [row["low"], row["high"]], [place, place], color=colour, linewidth=1.8, solid_capstyle="round"
        )
    if len(seeds) > 1:
        axes.plot(seeds, [place] * len(seeds), "o", mfc="none", mec=colour, ms=3.5, mew=0.7, alpha=0.7)
    axes.plot([row["value"]], [place], "o", mfc=colour if clear else "white", mec=colour, ms=6.5, mew=1.5)
    beside = {"va": "center", "fontsize": 8, "color": colour, "transform": axes.get_yaxis_transform()}
    axes.text(1.01, place, f"{row['value']:.3f}".replace("0.", ".", 1), **beside)
    if known:
        axes.text(
            1.07,
            place,
            f"{row['difference']:+.3f}  p {write_p(row['p_value'])}  to {row['reference']}",
            **beside,
        )
