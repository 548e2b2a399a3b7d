"""Why a listing is recommended: a sentence with the photos that carry it, and the figures in the dialog "Why?"."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import streamlit as st

from listing_vibes.insight.explain import LEAST as LEAST_SAID
from listing_vibes.insight.explain import Explanation, explain
from listing_vibes.insight.selection.page_lists import Selection
from listing_vibes.insight.selection.url_parameters import as_rows
from listing_vibes_app.kit.gallery import page_url
from listing_vibes_app.server.boundary import boundary
from listing_vibes_app.server.params import link, set_params
from listing_vibes_app.server.photos import LARGE, SMALL, cover_url, photo_url
from listing_vibes_app.server.runs import BY_RUN, OpenRun
from listing_vibes_app.view.formats import ordinal, plain, words

STYLE = """<style>
.why { width: 100%; border-collapse: collapse; font-size: .92rem; table-layout: fixed }
.why th, .why td { padding: .5rem .6rem .5rem 0; text-align: left; vertical-align: middle; overflow-wrap: anywhere; border: 0; border-bottom: 1px solid color-mix(in srgb, currentColor 15%, transparent) }
.why th { font-weight: 600; font-size: .82rem; opacity: .75; overflow-wrap: normal }
.why th span { display: -webkit-box; -webkit-line-clamp: 2; -webkit-box-orient: vertical; overflow: hidden }
.why td:first-child { font-weight: 600 } .why td:first-child span { display: flex; align-items: center }
.why :is(th, td):last-child { width: 22%; padding-right: 0 }
.why img { height: 44px; aspect-ratio: 4 / 3; object-fit: cover; border-radius: 4px; vertical-align: middle; margin-right: .5rem; flex: none }
.why .track { display: block; height: .7rem; border-radius: 3px; background: color-mix(in srgb, currentColor 10%, transparent) }
.why .bar { display: block; height: 100%; border-radius: 3px; background: color-mix(in srgb, currentColor 40%, #2b9ea3) }
.why-pairs { display: grid; grid-template-columns: repeat(2, minmax(0, 20rem)); gap: .4rem 1rem }
.why-pairs img { width: 100%; max-height: 230px; object-fit: contain; object-position: left; aspect-ratio: 4 / 3; border-radius: 6px; display: block }
.why-pairs p { margin: 0; font-size: .85rem; opacity: .8 }
.why-more { display: flex; gap: 1.2rem; margin-top: .6rem; font-size: .8rem }
.why-more img { height: 60px; border-radius: 4px; margin-right: 3px }
.because { display: flex; gap: .9rem; align-items: center; padding: .5rem .7rem; border-radius: 8px; background: color-mix(in srgb, currentColor 5%, transparent) }
.because span { display: flex; gap: 4px; flex: none } .because span:empty { display: none }
.because img { height: 64px; max-width: 86px; object-fit: cover; border-radius: 4px }
.because p { margin: 0; font-size: 1.05rem; line-height: 1.4 }
@media (max-width: 640px) { .because { flex-wrap: wrap } .why { font-size: .8rem } .why th { font-size: .74rem } .why th:first-child { width: 25% } .why :is(th, td):last-child { width: 14% } .why td:first-child span { display: block } .why img { display: block } .why-pairs { gap: .3rem } .why-more { flex-wrap: wrap } }
</style>"""


@dataclass(frozen=True)
class WhyLine:
    """A line of the table: its name, its cells, and its share of the sum (0 to 1)."""

    name: str
    cells: Sequence[str]
    share: float
    photo: str | None = None


def why_dialog(title: str, draw: Callable[[], None]) -> None:
    """Open a dialog, which closing removes from the URL."""

    @st.dialog(title, width="large", on_dismiss=lambda: set_params(why=None))
    def show() -> None:
        with boundary():
            draw()

    show()


def why_pairs(titles: Sequence[str], pairs: Sequence[Sequence[str]]) -> None:
    """Show pairs of photos (URLs), the first one large with the `titles`."""
    if not pairs:
        return
    large = "".join(
        f'<div><img src="{escape(url)}" alt="{escape(title)}"><p>{escape(title)}</p></div>'
        for url, title in zip(pairs[0], titles, strict=True)
    )
    more = "".join(
        "<span>" + "".join(f'<img src="{escape(url)}" alt="">' for url in pair) + "</span>"
        for pair in pairs[1:]
    )
    st.html(f'{STYLE}<div class="why-pairs">{large}</div><div class="why-more">{more}</div>')


def why_table(heads: Sequence[str], parts: Sequence[WhyLine], help: str) -> None:
    """Show a table of parts with a bar for the share of each; the longest fills its cell."""
    if not parts:
        return
    most = max(max(part.share for part in parts), 1e-9)
    rows = "".join(
        f"<tr><td><span>{_image(part.photo)}{escape(part.name)}</span></td>{''.join(f'<td>{escape(cell)}</td>' for cell in part.cells)}"
        f'<td><span class="track" role="img" aria-label="{part.share:.0%}" title="{part.share:.0%}"><span class="bar" style="width: {100 * part.share / most:.0f}%">'
        f"</span></span></td></tr>"
        for part in parts
    )
    head = "".join(f"<th><span>{escape(name)}</span></th>" for name in heads)
    st.html(
        f'{STYLE}<table class="why"><thead><tr>{head}<th>Counts for</th></tr></thead><tbody>{rows}</tbody></table>'
    )
    st.caption(help)


def _image(photo: str | None) -> str:
    return f'<img src="{escape(photo)}" alt="">' if photo else ""


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
