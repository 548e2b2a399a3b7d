"""Compare: the queries on which rankings differ, the ablation, two runs side by side, and probes of the photos."""

import streamlit as st

from listing_vibes.errors import needs
from listing_vibes.insight.page_evidence import photos_evidence
from listing_vibes.insight.quality import ablation_evidence
from listing_vibes_app.app_pages.compare.queries import show_queries
from listing_vibes_app.app_pages.compare.two_runs import two_runs
from listing_vibes_app.kit.controls import switch
from listing_vibes_app.kit.evidence import show_evidence
from listing_vibes_app.kit.notices import empty, to_similar
from listing_vibes_app.kit.spaces import missing_spaces
from listing_vibes_app.server.runs import OpenRun, current_run, run_paths

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
    is_shown = {
        "photos": opened.view.has_photos,
        "runs": len(run_paths()) > 1 or st.query_params.get("part") == "runs",
    }
    parts = {name: label for name, label in PARTS.items() if is_shown.get(name, True)}
    match switch("Compare", "part", parts, "queries", label_visibility="collapsed"):
        case "runs":
            two_runs(opened)
        case "ablation":
            parts_of_the_method(opened)
        case "photos":
            photos_and_numbers(opened)
        case _:
            show_queries(opened)


def parts_of_the_method(opened: OpenRun) -> None:
    """Show the ablation, or how to create one."""
    evidence = ablation_evidence(opened.run)
    if evidence is not None:
        show_evidence(opened, evidence)
        return
    why = "An ablation trains variants of the model, each with one part changed, and measures what each part is worth. "
    why += (
        "Make one with vibes ablate." if opened.view.has_events else "This market has no events to train on."
    )
    empty("There is no ablation", why)
    to_similar()


def photos_and_numbers(opened: OpenRun) -> None:
    """Show how well each number is predicted from photos alone, or why not."""
    if "photos" not in opened.run.spaces:
        st.markdown(" ".join(missing_spaces(opened)))
        return
    with st.spinner("Predicting from photos …"), needs("Predicting from photos"):
        evidence = photos_evidence(opened.run)
    show_evidence(opened, evidence)


page()
