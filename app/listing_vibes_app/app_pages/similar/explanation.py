"""Why two listings are alike: their photos that match best, and the attributes that count most, side by side."""

import streamlit as st

from listing_vibes.insight.occlusion import PHOTOS
from listing_vibes.insight.similarity import LINES, SIGNS, SimilarityExplanation, explain_similarity
from listing_vibes_app.kit.why import WhyLine, why_dialog, why_pairs, why_table
from listing_vibes_app.server.params import link
from listing_vibes_app.server.photos import LARGE, SMALL, photo_url
from listing_vibes_app.server.runs import BY_RUN, OpenRun
from listing_vibes_app.view.formats import plain

HELP = (
    "How much an attribute counts: how much lower the similarity would be with the value of other listings of the market in its "
    "place, as a share of all attributes. ✓ the same · ≈ close."
)


def why_similar(opened: OpenRun, row: int, space: str) -> None:
    """Open the explanation that the URL names, if any."""
    other = link().read("why", opened.view.market.listing_row.get)
    if other is not None and other != row:
        why_dialog("Why are these two alike?", lambda: _show(opened, (row, other), space))


@st.cache_data(show_spinner=False, max_entries=64, hash_funcs=BY_RUN)
def _explain(opened: OpenRun, listings: tuple[str, str], space: str) -> SimilarityExplanation:
    return explain_similarity(opened.run, *listings, space)


def _show(opened: OpenRun, rows: tuple[int, int], space: str) -> None:
    view = opened.view
    with st.spinner("Comparing the two …"):
        result = _explain(opened, (view.ids[rows[0]], view.ids[rows[1]]), space)
    st.markdown(f"**{plain(result.headline)}**")
    sides = [view.title(row) for row in rows]
    pairs = [(pair["photo"], pair["other"]) for pair in result.photos]
    if not pairs and all(view.photos(row) for row in rows):
        pairs = [(0, 0)]
    why_pairs(
        sides,
        [
            [
                photo_url(opened.name, view, row, position, LARGE if not at else SMALL)
                for row, position in zip(rows, pair, strict=True)
            ]
            for at, pair in enumerate(pairs)
        ],
    )
    if result.note:
        st.caption(plain(result.note))
    total = sum(abs(line.adds) for line in result.attributes)
    lines = [line for line in result.attributes if line.match != "unknown" and line.name != PHOTOS][:LINES]
    parts = [
        WhyLine(
            line.label,
            [line.this, line.that, f"{SIGNS[line.match]} {line.difference}".strip()],
            abs(line.adds) / total,
        )
        for line in lines
        if total
    ]
    why_table(["Attribute", *sides, ""], parts, HELP)
