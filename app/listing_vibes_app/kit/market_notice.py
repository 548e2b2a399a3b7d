"""What every page says above itself where the run's market changed."""

import streamlit as st

from listing_vibes.errors import VibesError
from listing_vibes.run.market_state import changed_sentence
from listing_vibes_app.server.runs import current_run
from listing_vibes_app.view.formats import plain


def market_notice() -> None:
    """Show that the market of the current run changed since the run was made."""
    try:
        run = current_run().run
    except VibesError:  # the page itself says why there is none
        return
    if run.market_changed:
        st.warning(plain(changed_sentence(run)), icon=":material/history:")
