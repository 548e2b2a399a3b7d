"""Cards of a simulated history, each to change, move or remove, and cards of listings to add to it."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from urllib.parse import quote

import numpy as np

from listing_vibes.insight.selection.histories import MOST, token
from listing_vibes.run.histories import Event
from listing_vibes.widgets.scripts import GALLERY, GALLERY_HTML
from listing_vibes_app.app_pages.simulate.history import Simulated
from listing_vibes_app.kit.cards import listing_card
from listing_vibes_app.kit.component import component
from listing_vibes_app.kit.examples import HIGH, example_marks
from listing_vibes_app.server.runs import OpenRun
from listing_vibes_app.view.formats import words
from listing_vibes_app.view.photo_box import BOXES

SIGNS = {"new": "+", "up": "↑", "down": "↓", "both": "=", "held": "✓"}
_component = component(__file__, f'<p class="spoken" aria-live="polite"></p>{GALLERY_HTML}', *GALLERY[:-1])


@dataclass(frozen=True)
class Mark:
    """A short word on a card, with a sign."""

    kind: str  # one of `SIGNS`
    text: str
    sign: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "sign", SIGNS[self.kind])


def mark(move: str) -> list[Mark]:
    """The mark of a move such as `up 3`; none where nothing moved."""
    return [Mark(move.split()[0], move)] if move else []


def history_strip(opened: OpenRun, name: str, history: Simulated, label: str, spoken: str = "") -> None:
    """The events of the history that the address keeps as `name`, oldest first."""
    market = opened.view.market
    ids = opened.view.market.listing_row
    cards = [
        _card(opened, ids[event.listing], token(event), step=f"Event {number}")
        | {"at": at, "token": history.text.split(",")[at], "facts": []}
        | {"first": number == 1, "last": number == len(history.events)}
        for number, (at, event) in enumerate(history.events, start=1)
    ]
    actions = [{"token": quote(action, safe=""), "label": words(action)} for action in market.known_actions]
    durations = tells_durations(opened)
    least = 150 if BOXES[opened.box] < 1 else 170
    height = 136 + 34 * bool(actions) + 34 * durations
    if opened.view.has_photos:
        height += round(least / BOXES[opened.box])
    _show(
        opened,
        f"history-{name}",
        cards,
        kind="history",
        layout="strip",
        name=name,
        label=label,
        actions=actions,
        durations=durations,
        least=least,
        height=height,
        dials=False,
        spoken=spoken,
    )


def choice(
    opened: OpenRun,
    listings: Sequence[int],
    *,
    key: str,
    name: str,
    target: str,
    label: str,
    marks: Sequence[Iterable[Mark]] = (),
    scores: Sequence[str] = (),
    score_help: str = "",
    strip: bool = False,
    spoken: str = "",
    dials: bool = True,
) -> None:
    """Listings (rows of the market) that a click adds to the history `name`, which people know as `target`; of recommended ones,
    which have scores, another click says "not this".

    `scores` are lines beneath them, and `score_help` says what these mean. With `dials` they are examples of one that is being
    made, by a click.
    """
    cards = []
    for place, row in enumerate(listings):
        event = token(Event(opened.view.ids[row]))
        score = scores[place] if scores else ""
        shown = list(marks[place]) if marks else []
        more = {"marks": [asdict(one) for one in shown], "unwanted": ""}
        if unwanted := opened.view.market.config.unwanted if scores and not strip else []:
            more["unwanted"] = token(Event(opened.view.ids[row], unwanted[0]))
        cards.append(_card(opened, row, event, score=score) | more)
    least = 150 if BOXES[opened.box] < 1 else 170
    height = 190 + 18 * len(opened.view.headline)
    if opened.view.has_photos:
        height += round(least / BOXES[opened.box])
    _show(
        opened,
        key,
        cards,
        kind="choice",
        layout="strip" if strip else "grid",
        name=name,
        target=target,
        label=label,
        least=least,
        height=height if strip else None,
        dials=dials,
        spoken=spoken,
        scoreHelp=score_help,
    )


def tells_durations(opened: OpenRun) -> bool:
    """Whether the market's events say how long they took."""
    return opened.view.has_events and bool(np.isfinite(opened.view.log.duration).any())


def _card(opened: OpenRun, row: int, event: str, **more: str) -> dict:
    return asdict(listing_card(opened, row, **more)) | {"token": event, "marks": [], "at": -1}


def _show(
    opened: OpenRun, key: str, cards: list[dict], *, height: int | None, dials: bool, **data: object
) -> None:
    marks = example_marks() if dials else None
    height = None if height is None else height + HIGH * (marks is not None)
    whole = {
        "actions": [],
        "durations": False,
        "target": "",
        "scoreHelp": "",
        **data,
        "cards": cards,
        "photos": opened.view.has_photos,
        "box": opened.box,
        "most": MOST,
        "dividers": False,
        "examples": marks,
    }
    _component(key=key, data=whole, height="content" if height is None else height)
