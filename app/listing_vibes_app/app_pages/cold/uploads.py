"""Uploaded photos: looked at by our own reader before the page draws one or the model sees it."""

import io

import streamlit as st
from PIL import Image

from listing_vibes.errors import sentence_of
from listing_vibes.run.thumbs import data_address, preview
from listing_vibes_app.server.params import whole
from listing_vibes_app.view.formats import plain

MOST = 30  # photos of one listing
SMALL = 116  # pixels


@st.cache_data(show_spinner=False, max_entries=2 * MOST)
def _looked_at(content: bytes) -> tuple[str, str]:
    """A small picture of a photo as a data address, or why there is none.

    Not as a file of Streamlit's: these go with a run of the page that is broken off before it shows them, and a browser that asks
    in between keeps a broken picture, since the next run gives it the same address.
    """
    try:
        return data_address(_in_row(preview(content, 2 * SMALL))), ""
    except Exception as error:  # whatever a file does to a decoder costs that file only
        return "", sentence_of(error)


def _in_row(webp: bytes) -> bytes:
    """A picture that is no higher than wide, as all have one width: what is higher, such as a long screenshot, stands in the middle
    of a square."""
    with Image.open(io.BytesIO(webp)) as small:
        if small.height <= small.width:
            return webp
        square = Image.new("RGBA", (small.height, small.height))
        square.paste(small, ((small.height - small.width) // 2, 0))
    stream = io.BytesIO()
    square.save(stream, "WEBP", quality=80)
    return stream.getvalue()


def usable(photos: list[tuple[str, bytes]]) -> list[tuple[str, bytes]]:
    """Show the photos (name, content) that can be read, and say of the others why not; those that can, that first which the
    address names as the cover, by its place among them."""
    looked = [(name, content, *_looked_at(content)) for name, content in photos[:MOST]]
    for name, _, _, problem in looked:
        if problem:
            _left_out(f"{name} is left out: {problem}.")
    if len(photos) > MOST:
        _left_out(f"A listing has at most {MOST} photos here; the others are left out.")
    good = [(name, content) for name, content, small, _ in looked if small]
    if good:
        alt = [f"Photo {number} of the listing" for number in range(1, len(good) + 1)]
        st.image([small for _, _, small, _ in looked if small], width=SMALL, alt=alt)
    cover = whole("cover", 1, 1, max(len(good), 1)) - 1
    return [*good[cover : cover + 1], *good[:cover], *good[cover + 1 :]]


def _left_out(line: str) -> None:
    st.warning(plain(line), icon=":material/broken_image:")
