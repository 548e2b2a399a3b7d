"""Where a simulated history starts: nothing, a persona, a user of the market, or a saved file."""

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
import streamlit as st

from listing_vibes.insight.personas import Persona, personas
from listing_vibes.run.histories import read_history
from listing_vibes_app.app_pages.simulate.history import from_frame
from listing_vibes_app.server.boundary import told
from listing_vibes_app.server.params import set_params
from listing_vibes_app.server.runs import BY_RUN, OpenRun
from listing_vibes_app.view.formats import count, plain

IN_ROW = 3  # personas
LEAST = 3  # events of a user drawn by chance
PROBLEM = "simulate-problem"


@st.cache_resource(show_spinner=False, max_entries=8, hash_funcs=BY_RUN)
def _personas(opened: OpenRun) -> list[Persona]:
    return personas(opened.run)


def start_from(opened: OpenRun, name: str, target: str) -> None:
    """Ways to fill the history that the address keeps as `name`."""
    with st.spinner("Looking for typical users …"):
        found = _personas(opened)
    if found:
        of_users = found[0].user is not None
        source = "groups of users with like histories" if of_users else "groups of like listings"
        st.markdown(f"**A persona**, found in this market: {count(len(found), source, source)}.")
        # Not as many in a row as fit: they load as narrow boxes, and the rows below would move once they break.
        for start in range(0, len(found), IN_ROW):
            for column, number in zip(st.columns(IN_ROW), range(start, len(found)), strict=False):
                persona = found[number]
                column.button(
                    plain(persona.name),
                    key=f"persona-{number}",
                    help=plain(_origin(opened, persona)),
                    on_click=fill,
                    args=(name, from_frame(persona.history)),
                    width="stretch",
                )
    left, right = st.columns(2, gap="large")
    with left:
        if opened.view.has_events:
            from_user(opened, name)
        else:
            st.caption("There is no user to start from: this market has no events.")
    with right, st.container(key="uploader-history"):
        st.file_uploader(
            "A saved history" if target == "the history" else f"A saved history, for {target}",
            type=["json", "csv"],
            max_upload_size=5,
            key="simulate-file",
            help="A file that Save and share made, or any that vibes recommend --history reads",
            on_change=_from_file,
            args=(name,),
        )
    problem = st.session_state.pop(PROBLEM, "")
    if problem:
        st.warning(plain(problem), icon=":material/error:")


def fill(name: str, text: str) -> None:
    """Make `text` the history."""
    set_params(**{name: text or None})


def from_user(opened: OpenRun, name: str) -> None:
    """A user by id, or one drawn by chance."""
    with st.container(horizontal=True, vertical_alignment="bottom", key="labelled-user"):
        st.text_input(
            "A real user",
            key="simulate-user",
            icon=":material/person:",
            placeholder="User id",
            on_change=_from_typed,
            args=(opened, name),
            width=240,
        )
        st.button("Any user", icon=":material/casino:", on_click=_from_any, args=(opened, name))


def user_history(opened: OpenRun, user: int) -> pd.DataFrame:
    """All events of a user, oldest first."""
    from listing_vibes_app.view.history import history_frame

    return history_frame(opened.view, user, int(np.diff(opened.view.log.start)[user]))


def _origin(opened: OpenRun, persona: Persona) -> str:
    events = count(len(persona.history), "listing")
    if persona.user is None:
        return f"The {events} in the middle of a group of {count(persona.members, 'listing')}"
    who = opened.view.user_name(opened.view.user_row[persona.user])
    return f"The last {events} of {who}, the most typical of {count(persona.members, 'user')}"


def _from_typed(opened: OpenRun, name: str) -> None:
    typed = str(st.session_state["simulate-user"]).strip()
    number = opened.view.user_row.get(typed)
    if number is not None:
        st.session_state["simulate-user"] = ""
        fill(name, from_frame(user_history(opened, number)))
    elif typed:
        st.session_state[PROBLEM] = f"There is no user “{typed}” in this market. The page Users lists them."


def _from_any(opened: OpenRun, name: str) -> None:
    length = np.diff(opened.view.log.start)
    enough = np.flatnonzero(length >= min(LEAST, int(length.max())))
    fill(name, from_frame(user_history(opened, int(np.random.default_rng().choice(enough)))))


def _from_file(name: str) -> None:
    given = st.session_state["simulate-file"]
    if given is None:
        return
    content = given.getvalue()
    with TemporaryDirectory(prefix="vibes-") as folder:
        path = Path(folder) / f"history{Path(given.name).suffix.lower()}"
        path.write_bytes(content)
        try:
            fill(name, from_frame(read_history(path)))
        except UnicodeDecodeError:
            st.session_state[PROBLEM] = f"{given.name} is no text; give the file that Save and share made."
        except Exception as error:
            st.session_state[PROBLEM] = told(error).replace(str(path), given.name)
