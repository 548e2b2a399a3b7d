"""Compare: the queries on which rankings differ, the ablation, two runs side by side, and probes of the photos."""

import streamlit as st

from listing_vibes.ablation.table import read_ablation
from listing_vibes_app.app_pages.compare.ablation import show_ablation
from listing_vibes_app.app_pages.compare.probes import show_probes
from listing_vibes_app.app_pages.compare.queries import show_queries
from listing_vibes_app.app_pages.compare.runs import two_runs
from listing_vibes_app.kit.controls import switch
from listing_vibes_app.kit.empty import empty, to_similar
from listing_vibes_app.server.runs import OpenRun, current_run

PARTS = {
    "queries": "Where they differ",
    "ablation": "Each part's worth",
    "runs": "Two runs",
    "photos": "What photos know",
}


def page() -> None:
    """Draw the page."""
    opened = current_run()
    st.title("Compare", anchor=False)
    parts = {name: label for name, label in PARTS.items() if name != "photos" or opened.view.has_photos}
    match switch("Compare", "part", parts, "queries", label_visibility="collapsed"):
        case "runs":
            two_runs(opened)
        case "ablation":
            parts_of_the_method(opened)
        case "photos":
            show_probes(opened)
        case _:
            show_queries(opened)


def parts_of_the_method(opened: OpenRun) -> None:
    """Show the ablation, or how to create one."""
    table = read_ablation(opened.run.path / "ablation.parquet")
    if table is not None:
        show_ablation(table)
        return
    why = "An ablation trains variants of the model, each with one part changed, and measures what each part is worth. "
    why += (
        "Make one with vibes ablate." if opened.view.has_events else "This market has no events to train on."
    )
    empty("There is no ablation", why)
    to_similar()


page()
