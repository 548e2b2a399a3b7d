"""What the link of a page asks for and does not get, above the page: a link of another market, or one with a slip."""

from collections.abc import Iterator
from contextlib import contextmanager

import streamlit as st

from listing_vibes_app.server.params import take_in_vain
from listing_vibes_app.view.formats import plain


@contextmanager
def asked_in_vain() -> Iterator[None]:
    """Draw a page within; what its link asked for in vain is told above it once the page has read its link."""
    take_in_vain()  # of a run of the page that was broken off, or of a click
    above = st.container()
    yield
    for sentence in take_in_vain():
        above.info(plain(sentence), icon=":material/link_off:")
