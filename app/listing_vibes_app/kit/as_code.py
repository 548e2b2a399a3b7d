"""What stands on the screen as code: the Python and the command that give exactly these rows, and the link in a notebook."""

import json
from collections.abc import Sequence
from functools import partial
from typing import Protocol
from urllib.parse import urlencode

import streamlit as st

from listing_vibes.insight.selection.selection import Selection
from listing_vibes.market.spreadsheet import spreadsheet_csv
from listing_vibes_app.server.runs import OpenRun
from listing_vibes_app.view.formats import plain


class Written(Protocol):
    """What can be said as code."""

    @property
    def label(self) -> str:
        """What tells it from others on its page."""
        ...

    def python(self, run: str) -> str:
        """Lines of Python."""
        ...

    def command(self, run: str) -> str:
        """A command."""
        ...


def as_code(
    opened: OpenRun,
    selections: Sequence[Written],
    runs: Sequence[OpenRun] = (),
    key: str = "as-code",
    link: bool = True,
) -> None:
    """A disclosure with each list as Python and as command.

    Args:
        runs: whose each list is, where they are of several; else all are of `opened`.
        link: whether the page's address gives the same in a notebook.
    """
    owners = list(runs) or [opened] * len(selections)
    # In one colour: those that Streamlit gives the words of a language are too pale to be read by everybody.
    with st.expander("As code", icon=":material/code:", key=key):
        for number, (one, owner) in enumerate(zip(selections, owners, strict=True)):
            folder = str(owner.run.path)
            if len(selections) > 1:
                st.markdown(f"**{plain(one.label)}**")
            st.caption("Python" if not one.label or len(selections) == 1 else f"Python, {plain(one.label)}")
            st.code(one.python(folder), language=None, wrap_lines=True)
            st.caption("Command")
            st.code(one.command(folder), language=None, wrap_lines=True)
            if isinstance(one, Selection):
                name = plain(one.label) if len(selections) > 1 and one.label else "These rows"
                st.download_button(
                    f"{name} as CSV",
                    partial(_csv, one, owner),
                    f"{owner.name}-{one.kind}.csv",
                    "text/csv",
                    icon=":material/table:",
                    on_click="ignore",
                    key=f"{key}-{number}-csv",
                )
        if not link:
            return
        st.caption("This link in a notebook")
        url = f"{(st.context.url or '').partition('?')[0]}?{urlencode(st.query_params.to_dict())}"
        st.code(
            f"from listing_vibes import Run, selection\n\nselection(Run.open({_text(str(opened.run.path))}), {_text(url)})",
            language=None,
            wrap_lines=True,
        )


def _text(value: str) -> str:
    """As Python writes it, in the quotes of the lines above it."""
    return json.dumps(value, ensure_ascii=False)


def _csv(selection: Selection, owner: OpenRun) -> bytes:
    """The rows with all attributes."""
    return spreadsheet_csv(selection.table(owner.run))
