"""Sources and downloads of a simulated history: listings to add, personas, users, files."""

from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import urlencode

import numpy as np
import streamlit as st

from listing_vibes.insight.map.cluster_names import ListingValues
from listing_vibes.insight.personas import Persona, personas
from listing_vibes.insight.selection.page_lists import HISTORY_FILE
from listing_vibes.insight.selection.url_parameters import as_text, document
from listing_vibes.insight.taste import different_listings, listing_values, taste, taste_in_words
from listing_vibes.run.histories import events_at, read_history, to_events
from listing_vibes.words import capitalize, percent
from listing_vibes_app.app_pages.simulate.history_cards import Simulated, choice, mark
from listing_vibes_app.kit.as_code import download
from listing_vibes_app.kit.controls import SEEDS, any_user, page_of, search_box, shuffle_button
from listing_vibes_app.kit.gallery import gallery, listing_card, matches_line
from listing_vibes_app.kit.notices import empty
from listing_vibes_app.server.boundary import describe_error
from listing_vibes_app.server.params import link, set_params
from listing_vibes_app.server.runs import BY_RUN, OpenRun, rows_of, search_index
from listing_vibes_app.view.formats import count, plain

PAGE = 12
CLICKS = 3  # listings with which a taste is seen
IN_ROW = 3  # personas; a fixed number, so that elements below do not move while they load
STRIP = 3  # photos of a persona
WORDS = {1: "one", 2: "two"}
LEAST = 3  # events of a random user


def add_listings(opened: OpenRun, name: str, target: str, history: Simulated, examples: bool) -> None:
    """Draw a search and a grid of listings that a click adds to the history `name`."""
    with st.container(horizontal=True, vertical_alignment="bottom", key="labelled-adding"):
        query = search_box("q", "Search", "Words from a title or an attribute", clears=("page", "sample"))
        shuffle_button(q=None)
    if query:
        with st.spinner("Searching …"):
            rows, complete = search_index(opened).find(query)
        if not len(rows):
            why = "No listing has any of these words. Try other or shorter words."
            empty(f"No listing matches “{query}”", why, "Show any listings", lambda: set_params(q=None))
            return
        line = matches_line(len(rows), query, complete)
    else:
        rows = np.random.default_rng(link().number("sample", 1, 1, SEEDS)).permutation(len(opened.view))
        line = "Listings in a random order"
    shown = page_of(rows, PAGE, line).tolist()
    chosen = {event.listing for event in history.known}
    marks = [[mark("held", "in the history")] if opened.view.ids[row] in chosen else [] for row in shown]
    label = f"Listings to add to {target}"
    choice(
        opened,
        shown,
        key="adding",
        name=name,
        target=target,
        label=label,
        marks=marks,
        strip=True,
        examples=examples,
    )


def first_picks(opened: OpenRun, name: str, target: str, history: Simulated) -> None:
    """Show very different listings, the first of which a click adds to the history `name`."""
    with st.spinner("Looking for different listings …"):
        chosen = {event.listing for event in history.known}
        rows = rows_of(opened, [listing for listing in _different(opened) if listing not in chosen])
    if not rows:
        return
    left = CLICKS - len(history)
    st.header(f"Pick {'three that you like' if left == CLICKS else f'{WORDS[left]} more'}", anchor=False)
    label = "Very different listings"
    choice(
        opened,
        rows,
        key="picks",
        name=name,
        target=target,
        label=label,
        strip=True,
        bare=True,
        examples=False,
    )


@st.cache_resource(show_spinner=False, max_entries=8, hash_funcs=BY_RUN)
def _different(opened: OpenRun) -> list[str]:
    return different_listings(opened.run)


@st.cache_resource(show_spinner=False, max_entries=8, hash_funcs=BY_RUN)
def _values(opened: OpenRun) -> ListingValues:
    return listing_values(opened.run)


def show_taste(opened: OpenRun, history: Simulated) -> None:
    """Say in a sentence what most listings of a history have in common and few others have."""
    unwanted = set(opened.view.market.config.unwanted)
    liked = [event.listing for event in history.known if event.action not in unwanted]
    traits = taste(opened.run, liked, _values(opened))
    if traits:
        help = " · ".join(
            f"{trait.piece}: {percent(trait.inside)} of these, {percent(trait.outside)} of all listings"
            for trait in traits
        )
        st.markdown(f"**The taste**: {plain(taste_in_words(traits))}.", help=plain(help))


def start_from(opened: OpenRun, name: str, target: str) -> None:
    """Draw ways to fill the history `name`: personas, users and files."""
    with st.spinner("Looking for typical users …"):
        result = _personas(opened)
    if result:
        st.markdown("**Start from a persona**, the most typical user of a group")
    for start in range(0, len(result), IN_ROW):
        for column, number in zip(st.columns(IN_ROW), range(start, len(result)), strict=False):
            persona = result[number]
            rows = rows_of(opened, [event.listing for event in persona.history[-STRIP:]])
            events = count(len(persona.history), "listing")
            who = plain(opened.view.user_name(opened.run.user_number[persona.user]))
            with column, st.container(border=True):
                cards = [listing_card(opened, row, facts=[], title="", href="", photos=[]) for row in rows]
                if opened.view.has_photos:
                    key, label = f"persona-photos-{number}", f"History of {persona.name}"
                    gallery(opened, cards, key=key, label=label, least=80)
                st.button(
                    plain(persona.name),
                    key=f"persona-{number}",
                    help=f"The last {events} of {who}, the most typical of {count(persona.members, 'user')}",
                    on_click=lambda persona=persona: set_params(**{name: as_text(persona.history)}),
                    width="stretch",
                )
    left, right = st.columns(2, gap="large")
    with left:
        if opened.view.has_events:
            _from_user(opened, name)
        else:
            st.caption("There is no user to start from: this market has no events.")
    with right, st.container(key="uploader-history"):
        st.file_uploader(
            "A saved history" if target == "the history" else f"A saved history, for {target}",
            type=["json", "csv"],
            max_upload_size=5,
            key="simulate-file",
            help="A file that Save and share made, or any that vibes recommend --history reads",
            on_change=lambda: _from_file(name),
        )


@st.cache_resource(show_spinner=False, max_entries=8, hash_funcs=BY_RUN)
def _personas(opened: OpenRun) -> list[Persona]:
    return personas(opened.run)


def _from_user(opened: OpenRun, name: str) -> None:
    view = opened.view
    length = np.diff(view.log.start)

    def fill(user: int) -> None:
        rows = np.arange(view.log.start[user], view.log.start[user + 1])
        set_params(**{name: as_text(events_at(opened.run, rows))})

    def type_user() -> None:
        typed = str(st.session_state["simulate-user"]).strip()
        if (number := opened.run.user_number.get(typed)) is not None:
            st.session_state["simulate-user"] = ""
            fill(number)
        elif typed:
            _warn(f"There is no user “{typed}” in this market. The page Users lists them.")

    with st.container(horizontal=True, vertical_alignment="bottom", key="labelled-user"):
        st.text_input(
            "A real user", key="simulate-user", placeholder="User id", on_change=type_user, width=240
        )
        any_user(opened, fill, min(LEAST, int(length.max())))


def _from_file(name: str) -> None:
    given = st.session_state["simulate-file"]
    if given is None:
        return
    with TemporaryDirectory(prefix="vibes-") as folder:
        path = Path(folder) / f"history{Path(given.name).suffix.lower()}"
        path.write_bytes(given.getvalue())
        try:
            set_params(**{name: as_text(to_events(read_history(path))) or None})
        except UnicodeDecodeError:
            _warn(f"{given.name} is not a text file; give the file that Save and share made.")
        except Exception as error:
            _warn(describe_error(error).replace(str(path), given.name))


def _warn(sentence: str) -> None:
    st.toast(plain(sentence), icon=":material/error:", duration="long")


def save_history(histories: dict[str, Simulated]) -> None:
    """Draw a button with the link to the page and a file of each history; `histories` by their names on the page."""
    filled = {target: history for target, history in histories.items() if history.events}
    with st.popover("Save and share", icon=":material/ios_share:", disabled=not filled):
        st.markdown("**A link to this view**")
        query = urlencode(st.query_params.to_dict())
        st.code(f"{st.context.url or ''}?{query}", language=None, wrap_lines=True)
        st.markdown("**A file**, which `vibes recommend --history` reads")
        for target, history in filled.items():
            name = HISTORY_FILE if len(histories) == 1 else f"history-{target[-1].lower()}.json"
            label, content = f"{capitalize(target)} as JSON", document(history.known)
            download(label, content, name, f"save-{target}", "application/json")
