"""What stands on the screen as code: the Python and the command that give exactly these rows, and the link in a notebook."""

from collections.abc import Sequence
from urllib.parse import urlencode

import streamlit as st

from app.server.runs import OpenRun
from app.view.formats import plain
from core.insight.selection.selection import Selection


def as_code(
    opened: OpenRun, selections: Sequence[Selection], runs: Sequence[OpenRun] = (), key: str = "as-code"
) -> None:
    """A disclosure with each list as Python and as command.

    Args:
        runs: whose each list is, where they are of several; else all are of `opened`.
    """
    owners = list(runs) or [opened] * len(selections)
    with st.expander("As code", icon=":material/code:", key=key):
        for one, owner in zip(selections, owners, strict=True):
            folder = str(owner.run.path)
            if len(selections) > 1:
                st.markdown(f"**{plain(one.label)}**")
            st.caption("Python" if not one.label or len(selections) == 1 else f"Python, {plain(one.label)}")
            st.code(one.python(folder), language="python", wrap_lines=True)
            st.caption("Command")
            st.code(one.command(folder), language="bash", wrap_lines=True)
        st.caption("This link in a notebook")
        link = f"{(st.context.url or '').partition('?')[0]}?{urlencode(st.query_params.to_dict())}"
        st.code(
            f'from core import Run, selection\n\nselection(Run.open("{opened.run.path}"), "{link}")',
            language="python",
            wrap_lines=True,
        )
