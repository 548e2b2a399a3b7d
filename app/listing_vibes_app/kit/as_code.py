"""The export menu of a page: its lists as Python, CSV and Parquet, and the link for a notebook."""

import io
import json
from collections.abc import Callable, Sequence
from typing import Protocol
from urllib.parse import urlencode

import pandas as pd
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from listing_vibes.market.io import spreadsheet_csv
from listing_vibes.run.run import Run
from listing_vibes_app.server.runs import OpenRun
from listing_vibes_app.view.formats import plain

Table = Callable[[Run], pd.DataFrame]


class Listed(Protocol):
    """A list that can be written as Python, to a file and as a link, as `Selection`."""

    @property
    def label(self) -> str:
        """Name of the list among those of its page."""
        ...

    @property
    def kind(self) -> str:
        """Kind of the list in the name of its file."""
        ...

    def python(self, run: str) -> str:
        """Return the Python that creates the list."""
        ...

    def table(self, run: Run) -> pd.DataFrame:
        """Return the rows of the file."""
        ...


def export_menu() -> DeltaGenerator:
    """Draw the button that opens the menu; return its container."""
    return st.popover("Export", icon=":material/download:", width=130)


def show_python(code: str, title: str = "Python") -> None:
    """Show code to copy."""
    st.caption(title)
    # No syntax highlighting, because the contrast of Streamlit's colors is too low.
    st.code(code, language=None, wrap_lines=True)


def as_code(opened: OpenRun, selections: Sequence[Listed], runs: Sequence[OpenRun] = ()) -> DeltaGenerator:
    """Draw the menu with each list as Python, CSV and Parquet; `runs` gives the run of each list if they differ."""
    owners = list(runs) or [opened] * len(selections)
    several = len(selections) > 1
    menu = export_menu()
    with menu:
        for number, (item, owner) in enumerate(zip(selections, owners, strict=True)):

            def csv(table: Table = item.table, owner: OpenRun = owner) -> bytes:
                return spreadsheet_csv(table(owner.run))

            def parquet(table: Table = item.table, owner: OpenRun = owner) -> bytes:
                stream = io.BytesIO()
                table(owner.run).to_parquet(stream)
                return stream.getvalue()

            label = plain(item.label) if several else "These rows"
            show_python(item.python(str(owner.run.path)), f"Python, {label}" if several else "Python")
            for kind, content in (("CSV", csv), ("Parquet", parquet)):
                file = f"{owner.name}-{item.kind}.{kind.lower()}"
                download(f"{label} as {kind}", content, file, key=f"as-code-{number}-{kind.lower()}")
        url = f"{(st.context.url or '').partition('?')[0]}?{urlencode(st.query_params.to_dict())}"
        call = f"selection(Run.open({literal(str(opened.run.path))}), {literal(url)})"
        show_python(f"from listing_vibes import Run, selection\n\n{call}", "This link in a notebook")
    return menu


def download(
    label: str, content: str | Callable[[], bytes | str], name: str, key: str, mime: str | None = None
) -> None:
    """Draw a button that downloads a file; the content is computed on click."""
    st.download_button(label, content, name, mime, icon=":material/download:", on_click="ignore", key=key)


def literal(value: object) -> str:
    """Write a value as Python."""
    return json.dumps(value, ensure_ascii=False)
