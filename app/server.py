"""The server of the explorer: the Streamlit app, its pages' shell and the routes for photos and maps, in one process.

Started by `streamlit run app/server.py -- RUN [RUN ...]`; see `app.launch`.
"""

from pathlib import Path

import streamlit as st

from app import map_points, photos, shell

app = st.App(
    Path(__file__).with_name("main.py"),
    routes=[*photos.routes(), *map_points.routes(), *shell.routes(photos.base_path())],
)
