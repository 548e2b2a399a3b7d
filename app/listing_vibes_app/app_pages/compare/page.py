"""Compare: the ablation, two runs side by side, the queries on which rankings differ, and probes of the photos."""

from html import escape

import streamlit as st

from listing_vibes.report.page import report_html
from listing_vibes_app.app_pages.compare.ablation import show_ablation
from listing_vibes_app.app_pages.compare.probes import show_probes
from listing_vibes_app.app_pages.compare.queries import show_queries
from listing_vibes_app.app_pages.compare.runs import two_runs
from listing_vibes_app.kit.controls import switch
from listing_vibes_app.kit.empty import empty, to_similar
from listing_vibes_app.kit.measures import load_ablation
from listing_vibes_app.server.boundary import describe_error
from listing_vibes_app.server.runs import OpenRun, current_run

PARTS = {
    "ablation": "Each part's worth",
    "runs": "Two runs",
    "queries": "Where they differ",
    "photos": "What photos know",
}


def page() -> None:
    """Draw the page."""
    opened = current_run()
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        st.title("Compare", anchor=False, width="content")
        st.download_button(
            "Report for others",
            lambda: _report(opened),
            f"{opened.name}-report.html",
            "text/html",
            icon=":material/description:",
            on_click="ignore",
            help="One file with figures, photos, method and limits; it opens in any browser and prints",
            key="report",
        )
    match switch("Compare", "part", PARTS, "ablation", label_visibility="collapsed"):
        case "runs":
            two_runs(opened)
        case "queries":
            show_queries(opened)
        case "photos":
            show_probes(opened)
        case _:
            parts_of_the_method(opened)


def _report(opened: OpenRun) -> bytes:
    """Return the report, or a page with the error if it cannot be created."""
    try:
        return report_html(opened.run).encode()
    except Exception as error:
        return f"<!doctype html><meta charset=utf-8><p>{escape(describe_error(error))}</p>".encode()


def parts_of_the_method(opened: OpenRun) -> None:
    """Show the ablation, or how to create one."""
    table = load_ablation(opened)
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
