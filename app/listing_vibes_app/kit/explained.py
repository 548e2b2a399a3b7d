"""Why a listing is recommended: a sentence with the photos that carry it, and the figures in the dialog "Why?"."""

from html import escape
from typing import Any

import streamlit as st

from listing_vibes.insight.explain import LEAST as LEAST_SAID
from listing_vibes.insight.explain import Explanation, explain
from listing_vibes.insight.selection.page_lists import Selection
from listing_vibes.insight.selection.url_parameters import as_rows
from listing_vibes_app.kit.gallery import page_url
from listing_vibes_app.kit.why import STYLE, WhyLine, why_dialog, why_pairs, why_table
from listing_vibes_app.server.params import link
from listing_vibes_app.server.photos import LARGE, SMALL, cover_url, photo_url
from listing_vibes_app.server.runs import BY_RUN, OpenRun
from listing_vibes_app.view.formats import ordinal, plain, words

EVENTS, PARTS = 3, 4  # most events, and most attributes and photos, in the dialog
LEAST = 0.0005  # smallest gain in the dialog
HELP = (
    "How much lower the score would be without this event, attribute or photo, and the rank that the listing would have then. "
    "Attributes and photos change only the model's part of the score."
)


def why_listed(opened: OpenRun, selections: list[Selection]) -> None:
    """Open the explanation of the listing that the URL names, if any, for the first list that it is explained for."""
    row = link().read("why", opened.view.market.listing_row.get)
    if row is not None and opened.run.has_model:
        listing = opened.view.ids[row]
        number = link().number("of", 1, 1, len(selections))
        why_dialog("Why is it listed?", lambda: _show(opened, selections[number - 1], listing))


def why_url(opened: OpenRun, page: str, listing: str, number: int = 1) -> str:
    """Return the URL of the explanation of a listing in the list `number` of the page; empty without a model."""
    if not opened.run.has_model:
        return ""
    of = {} if number == 1 else {"of": number}
    return page_url(opened, page, **{**st.query_params.to_dict(), "why": listing, **of})


@st.cache_data(show_spinner=False, max_entries=256, hash_funcs=BY_RUN)
def explain_listed(opened: OpenRun, selection: Selection, listing: str) -> Explanation:
    """Return why a listing is in a list for a user or a history."""
    query = as_rows(selection.history) if selection.history else selection.query
    return explain(opened.run, query, listing, selection.at, selection.rules, selection.blend)[0]


def because(opened: OpenRun, selection: Selection, listing: str, head: str) -> None:
    """Show in a sentence why a listing is recommended, with the listing and the one of the history that carries it."""
    with st.spinner("Leaving out one part at a time …"):
        result = explain_listed(opened, selection, listing)
    if result.sentence:
        images = "".join(
            f'<img src="{escape(url)}" alt="{escape(title)}">' for url, title in _pair(opened, result, SMALL)
        )
        text = f"<p><b>{escape(head)}</b> {escape(result.sentence)}</p>"
        st.html(f'{STYLE}<div class="because"><span>{images}</span>{text}</div>')


def _pair(opened: OpenRun, result: Explanation, size: int) -> list[tuple[str, str]]:
    """Return URL and title of a photo of the event and of the listing that carry an explanation; none where one is missing.

    The listing has its cover, or the photo that the sentence names.
    """
    view, shown = opened.view, []
    best: dict[str, Any] = max(_parts_of(result), key=lambda part: part["adds"], default={"adds": 0.0})
    named = max(best.get("photo", 0), 0) if best["adds"] >= LEAST_SAID else 0
    for listing in filter(None, [result.carrier, result.listing]):
        row = view.market.listing_row[listing]
        url = cover_url(opened.name, view, row, size)
        if listing == result.listing and named:
            url = photo_url(opened.name, view, row, named, size)
        if url is not None:
            shown.append((url, view.title(row)))
    return shown if len(shown) == 2 else []


def _parts_of(result: Explanation) -> list[dict[str, Any]]:
    return [*(result.attributes or []), *(result.photos or [])]


def _show(opened: OpenRun, selection: Selection, listing: str) -> None:
    view = opened.view
    with st.spinner("Leaving out one part at a time …"):
        result = explain_listed(opened, selection, listing)
    if result.sentence:
        st.markdown(f"**{plain(result.sentence)}**")
    pair = _pair(opened, result, LARGE)
    why_pairs([title for _, title in pair], [[url for url, _ in pair]] if pair else [])
    labels = {item.name: item.label for item in view.attributes}
    lines = []
    for part in [
        *result.events[:EVENTS],
        *sorted(_parts_of(result), key=lambda part: -part["adds"])[:PARTS],
    ]:
        if part["adds"] < LEAST:
            continue
        without, photo = part["rank_without"], None
        if "event" in part:
            row = view.market.listing_row[part["listing_id"]]
            action = f", {words(part['action']).lower()}" if part["action"] else ""
            name = f"{view.title(row)} (event {part['event']:,}{action})"
            photo = cover_url(opened.name, view, row, SMALL)
        elif "name" in part:
            name = labels.get(part["name"], words(part["name"]))
        else:
            row = view.market.listing_row[listing]
            name = f"Its {ordinal(part['photo'] + 1)} photo"
            photo = photo_url(opened.name, view, row, max(part["photo"], 0), SMALL)
        cells = [f"{part['adds']:+.3f}", "" if without is None else ordinal(without)]
        lines.append(WhyLine(name, cells, part["adds"], photo))
    why_table(["", "Adds", "Rank without it"], lines, HELP)
    parts = " + ".join(f"{words(name).lower()} {value:.3f}" for name, value in result.parts.items())
    whole = f" = {parts.replace('+ -', '− ')}" if len(result.parts) > 1 else ""
    st.caption(
        f"Rank {result.rank:,} by {plain(result.ranking)}, with the score {result.score:.3f}{plain(whole)}."
    )
