"""The dialog "Why?": pairs of photos, and a table with a bar of how much each line counts; plain HTML, which opens at once."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape

import streamlit as st

from listing_vibes_app.server.boundary import boundary
from listing_vibes_app.server.params import set_params

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
