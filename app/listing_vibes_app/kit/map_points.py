"""The maps of an open run, shared by all sessions, their colors, and the URLs of their parts."""

from urllib.parse import quote

import streamlit as st

from listing_vibes.insight.map import space_map
from listing_vibes.insight.map.cluster_names import FILE as NAMES
from listing_vibes.insight.map.colors import Coloring
from listing_vibes.insight.map.space_map import SpaceMap, coarse_map, drawable_spaces, with_street_map
from listing_vibes.insight.map.vibe_map import FILE as MAP
from listing_vibes.insight.selection.url_parameters import has_place
from listing_vibes.market.caches import run_cache_file
from listing_vibes_app.kit.palettes import coloring
from listing_vibes_app.server.photos import base_path
from listing_vibes_app.server.runs import BY_RUN, OpenRun


def stamp(opened: OpenRun) -> str:
    """Return a text that changes with the map, the names of its groups, the embeddings or the market."""
    files = (
        run_cache_file(opened.run.path, MAP),
        opened.run.created_folder / "listings.safetensors",
        run_cache_file(opened.run.path, NAMES),
    )
    times = "-".join(f"{path.stat().st_mtime_ns:x}" if path.is_file() else "" for path in files)
    return f"{times}-{opened.view.market.fingerprint[:8]}"


def load_maps(opened: OpenRun) -> dict[str, SpaceMap] | None:
    """Return the maps of a run by space; None if they are missing or computed from other embeddings.

    Raises:
        VibesError: the file is damaged.
    """
    return _load(opened, stamp(opened)) if run_cache_file(opened.run.path, MAP).is_file() else None


@st.cache_resource(show_spinner=False, max_entries=8, hash_funcs=BY_RUN)
def _load(opened: OpenRun, key: str) -> dict[str, SpaceMap] | None:  # the key changes with the files
    return space_map.load_maps(opened.run)


def map_spaces(opened: OpenRun) -> list[str]:
    """Return the spaces with a map, drawn or coarse; the street map is among them where listings have coordinates."""
    if (maps := load_maps(opened)) is not None:
        return list(maps)
    names = drawable_spaces(opened.run)
    return [*names, space_map.LOCATION] if names and has_place(opened.view.market) else names


def drawn_map(opened: OpenRun, space: str) -> SpaceMap | None:
    """Return the map of a space, a coarse one as long as it is not drawn; None if there is none."""
    maps = load_maps(opened)
    if maps is None and space in map_spaces(opened):
        base = space_map.usual_space(drawable_spaces(opened.run))
        coarse = _coarse(opened, base if space == space_map.LOCATION else space, stamp(opened))
        maps = with_street_map({coarse.space: coarse}) if space == space_map.LOCATION else {space: coarse}
    return (maps or {}).get(space)


@st.cache_resource(show_spinner=False, max_entries=8, hash_funcs=BY_RUN)
def _coarse(opened: OpenRun, space: str, key: str) -> SpaceMap:
    return coarse_map(opened.run, space)


def colors(opened: OpenRun, drawn: SpaceMap, by: str) -> Coloring:
    """Return the colors of a map by an attribute, by groups, or by one of the counts."""
    return _colors(opened, drawn.space, stamp(opened), by, drawn)


@st.cache_resource(show_spinner=False, max_entries=32, hash_funcs=BY_RUN)
def _colors(opened: OpenRun, space: str, key: str, by: str, _drawn: SpaceMap) -> Coloring:
    return coloring(opened.view, _drawn.rows, _drawn.cluster, by)


def map_url(opened: OpenRun, space: str) -> str:
    """Return the URL of the map; the browser adds the name of a part to its path, and parameters."""
    return f"{base_path()}/points/{quote(opened.name, safe='')}/{quote(space, safe='')}?v={stamp(opened)}"
