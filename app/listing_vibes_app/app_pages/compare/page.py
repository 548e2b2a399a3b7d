"""Compare: what each part of the method is worth, two runs side by side, and the queries on which they differ."""

from html import escape
from shlex import quote

import streamlit as st

from listing_vibes.report.page import report_html
from listing_vibes_app.app_pages.compare.ablation import ablation
from listing_vibes_app.app_pages.compare.query_differences import queries_apart
from listing_vibes_app.app_pages.compare.side_by_side import two_runs
from listing_vibes_app.kit.empty import empty, to_similar
from listing_vibes_app.kit.kept_ablation import load_ablation
from listing_vibes_app.kit.switch import switch
from listing_vibes_app.server.boundary import boundary, told
from listing_vibes_app.server.runs import OpenRun, current_run

PARTS = {"ablation": "Each part's worth", "runs": "Two runs", "queries": "Where they differ"}


def page() -> None:
    """The whole page."""
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
            queries_apart(opened)
        case _:
            parts_of_the_method(opened)


def _report(opened: OpenRun) -> bytes:
    """The report; where it cannot be made, a page that says why."""
    try:
        return report_html(opened.run).encode()
    except Exception as error:
        return f"<!doctype html><meta charset=utf-8><p>{escape(told(error))}</p>".encode()


def parts_of_the_method(opened: OpenRun) -> None:
    """The ablation, or how to have one."""
    table = load_ablation(opened)
    if table is not None:
        ablation(opened, table)
        return
    if not opened.view.has_events:
        empty(
            "There is no ablation",
            "An ablation trains variants of the model. This market has no events to train on.",
        )
        to_similar()
        return
    empty(
        "There is no ablation yet",
        "It trains variants of the model, each with one part changed, and says what each part is worth. "
        "It takes several trainings:",
    )
    st.code(
        f"vibes ablate {quote(str(opened.view.market.path))} {quote(str(opened.run.path))}",
        language=None,
        wrap_lines=True,
    )


with boundary():
    page()
