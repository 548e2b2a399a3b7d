"""The neighbours of a listing: as cards that say what they share, lined up, or the spaces side by side."""

import numpy as np
import streamlit as st

from listing_vibes.insight.selection.filters import NAMES
from listing_vibes.insight.selection.selection import Selection
from listing_vibes.run.rules import Rules
from listing_vibes_app.app_pages.similar.differences import same_and_different
from listing_vibes_app.app_pages.similar.filter_bar import clear
from listing_vibes_app.app_pages.similar.lineup import lineup
from listing_vibes_app.kit.as_code import as_code
from listing_vibes_app.kit.cards import address, album, listing_card
from listing_vibes_app.kit.empty import empty
from listing_vibes_app.kit.examples import PARAMS
from listing_vibes_app.kit.gallery import Card, gallery
from listing_vibes_app.kit.list_options import RULES, clear_rules, put_there
from listing_vibes_app.kit.measures import MOVED, SIMILAR
from listing_vibes_app.kit.spaces import label_of
from listing_vibes_app.server.runs import OpenRun, known_rows
from listing_vibes_app.view.formats import count

KEPT = ("space", "k", "view", *NAMES, *RULES, *PARAMS)


def kept() -> dict[str, str | None]:
    """What a link to a neighbour keeps of the URL."""
    return {name: st.query_params.get(name) for name in KEPT}


def asked(opened: OpenRun, row: int, space: str, k: int, rules: Rules) -> Selection:
    """What gives the `k` listings nearest to one in a space, under the rules, of which the filters are some."""
    return Selection("similar", opened.view.ids[row], k, label_of(space), space, rules=rules)


def one_space(opened: OpenRun, row: int, selection: Selection, rules: Rules, how: str) -> list[int]:
    """The neighbours in a space, as `cards` or as `lineup`; their rows."""
    near = selection.frame(opened.run)
    rows = known_rows(opened, near["listing_id"])
    if not rows:
        nothing(rules)
        return []
    what = "Score" if rules.moves_scores else "Similarity"
    scores = [f"{what} {near['score'][at]:.2f}{put_there(near, at)}" for at, _ in rows]
    others = [other for _, other in rows]
    if how == "lineup":
        lineup(opened, row, others, scores)
        as_code(opened, [selection])
        return others
    gallery(
        [_card(opened, row, other, score) for other, score in zip(others, scores, strict=True)],
        key="neighbours",
        box=opened.box,
        label=f"{count(len(others), 'neighbour')} by {selection.label.lower()}, the most alike first",
        photos=opened.view.has_photos,
        score_help=MOVED if rules.moves_scores else SIMILAR,
        examples=True,
    )
    as_code(opened, [selection])
    return others


def side_by_side(opened: OpenRun, row: int, spaces: list[str], k: int, rules: Rules) -> list[int]:
    """The neighbours in each space, in columns, with those that are in several marked; their rows, each once."""
    place = opened.run.listing_row[opened.view.ids[row]]
    selections = {
        space: asked(opened, row, space, k, rules)
        for space in spaces
        if np.any(opened.run.vectors(space)[place])
    }
    lists = {
        space: known_rows(opened, one.frame(opened.run)["listing_id"]) for space, one in selections.items()
    }
    if not any(lists.values()):
        nothing(rules)
        return []
    where: dict[int, list[str]] = {}
    for space, rows in lists.items():
        for _, other in rows:
            where.setdefault(other, []).append(space)
    st.markdown(overlap(list(where.values()), list(lists)))
    for column, (space, rows) in zip(st.columns(len(spaces), gap="medium"), lists.items(), strict=False):
        with column:
            st.subheader(label_of(space), anchor=False)
            cards = []
            for _, other in rows:
                elsewhere = [label_of(name).lower() for name in where[other] if name != space]
                badge = f"also by {' and '.join(elsewhere)}" if elsewhere else ""
                tone = "hit" if elsewhere else ""
                cards.append(
                    listing_card(
                        opened, other, params=kept(), badge=badge, tone=tone, photos=album(opened, other)
                    )
                )
            gallery(
                cards,
                key=f"neighbours-{space}",
                box=opened.box,
                label=f"{count(len(cards), 'neighbour')} by {label_of(space).lower()}, the most alike first",
                photos=opened.view.has_photos,
                least=150,
                examples=True,
            )
    as_code(opened, list(selections.values()))
    return list(where)


def overlap(where: list[list[str]], spaces: list[str]) -> str:
    """How many neighbours the spaces have in common; `where` are the spaces of each neighbour."""
    if len(spaces) < 2:
        return "Only one space knows this listing."
    parts = []
    if len(spaces) > 2:
        parts.append(f"**{sum(len(one) == len(spaces) for one in where)}** are in all {len(spaces)}")
    for number, first in enumerate(spaces):
        for second in spaces[number + 1 :]:
            shared = sum(first in one and second in one for one in where)
            parts.append(f"**{shared}** are by {label_of(first).lower()} and {label_of(second).lower()}")
    return "In common: " + ", ".join(parts) + "."


def nothing(rules: Rules) -> None:
    """Why there is no neighbour."""
    if rules == Rules():
        empty("There are no neighbours", "No other listing has anything in this space.")
    else:
        empty(
            "No neighbour passes the filters and the rules",
            "Take one away, or choose another space.",
            icon=":material/filter_list_off:",
            action="No filters",
            on_click=_clear_all,
            key="clear-filters",
        )


def _clear_all() -> None:
    clear()
    clear_rules(users=False)


def _card(opened: OpenRun, row: int, other: int, score: str) -> Card:
    same, differs = same_and_different(opened.view, row, other)
    ids = opened.view.ids
    params = {**kept(), "listing": ids[row], "why": ids[other]}
    return listing_card(
        opened,
        other,
        params=kept(),
        photos=album(opened, other),
        facts=opened.view.facts(
            other, opened.view.headline[:1]
        ),  # the others are told as the same or as different
        score=score,
        same=same,
        differs=differs,
        why=address(opened, "similar", **params),
    )
