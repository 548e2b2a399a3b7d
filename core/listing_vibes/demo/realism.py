"""How near rendered photos are to real ones: `python -m listing_vibes.demo.realism MARKET [MARKET ...]`, the real one first.

Both markets' photos are named `<home>_<room>.<suffix>`; only rooms that all markets show are compared, and every room
counts alike, so that a market of kitchens is not compared with one of bathrooms.
"""

from __future__ import annotations

import sys
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image
from scipy import ndimage

from listing_vibes.errors import VibesError
from listing_vibes.features.photos.tail import load_photo_encoder
from listing_vibes.features.photos.trainable import LITE0
from listing_vibes.features.photos.vectors import PhotoVectors, load_photo_vectors
from listing_vibes.features.units import unit_rows
from listing_vibes.market.columns import Columns as C
from listing_vibes.market.market import Market

SIZE = (320, 240)
EDGE = 0.1  # of full contrast from one pixel to the next
ALIASES = {"frontal": "front"}


def picture_statistics(path: Path) -> dict[str, float]:
    """Entropy (bits), gradient, share of edges, colour spread, contrast and brightness of one picture at `SIZE`.

    The colour spread is the first term of the colourfulness of Hasler and Süsstrunk (2003, Human Vision and Electronic
    Imaging VIII, eq. 3), on a scale of 0..1.
    """
    with Image.open(path) as opened:
        image = opened.convert("RGB").resize(SIZE, Image.Resampling.LANCZOS)
    pixels = np.asarray(image, np.float32) / 255  # (H, W, 3)
    grey = np.asarray(image.convert("L"), np.float32) / 255  # (H, W)
    # Sobel's kernels sum to 8 times the difference from one pixel to the next.
    slope = np.hypot(ndimage.sobel(grey, 0), ndimage.sobel(grey, 1)) / 8
    red_green = pixels[..., 0] - pixels[..., 1]
    yellow_blue = (pixels[..., 0] + pixels[..., 1]) / 2 - pixels[..., 2]
    return {
        "entropy": image.convert("L").entropy(),
        "gradient": float(slope.mean()),
        "edges": float((slope > EDGE).mean()),
        "colour spread": float(np.hypot(red_green.std(), yellow_blue.std())),
        "contrast": float(grey.std()),
        "brightness": float(grey.mean()),
    }


def rooms_of(market: Market) -> np.ndarray:
    """(P,) the room that each photo's name tells.

    Raises:
        VibesError: a photo is not named `<home>_<room>.<suffix>`.
    """
    stems = market.photos[C.PATH].map(lambda path: Path(path).stem)
    if strange := [stem for stem in stems if "_" not in stem]:
        raise VibesError(
            f"{market.path} has a photo named {strange[0]!r}; realism compares photos named <home>_<room>.<suffix>."
        )
    room = stems.str.rpartition("_")[2]
    return room.replace(ALIASES).to_numpy(str)


def statistics(market: Market, photos: PhotoVectors, rooms: list[str]) -> dict[str, float]:
    """Means over the photos of `rooms`, each room counting alike, and mean cosine distances inside and between homes."""
    room = rooms_of(market)
    home = market.photos[C.LISTING].map(market.listing_row).to_numpy(int)
    used = np.flatnonzero(photos.ok & np.isin(room, rooms))
    each = pd.DataFrame([picture_statistics(market.path / market.photos[C.PATH].iloc[row]) for row in used])
    found = each.groupby(room[used]).mean().mean().to_dict()
    vectors = unit_rows(np.asarray(photos.vectors, np.float32))
    inside, between = [], []
    by_room = {name: pd.Series(used[room[used] == name], home[used[room[used] == name]]) for name in rooms}
    for one, other in combinations(rooms, 2):  # different rooms of the same home
        both = by_room[one].index.intersection(by_room[other].index)
        a, b = vectors[by_room[one][both]], vectors[by_room[other][both]]
        inside.append(1 - float((a * b).sum(1).mean()))
    for name in rooms:  # the same room of different homes
        a = vectors[by_room[name].to_numpy()]
        n = len(a)
        between.append(1 - float((np.square(a.sum(0)).sum() - n) / (n * (n - 1))))
    return found | {
        "distance inside homes": float(np.mean(inside)),
        "distance between homes": float(np.mean(between)),
    }


def compare(markets: list[Market]) -> pd.DataFrame:
    """One line a statistic, one column a market, and the ratio of each further market to the first.

    Raises:
        VibesError: photos without vectors, or no room that all markets show.
    """
    shown = [set(rooms_of(market)) for market in markets]
    rooms = sorted(set.intersection(*shown))
    if not rooms:
        raise VibesError("The markets show no room in common; photos are named <home>_<room>.<suffix>.")
    encoder, columns = load_photo_encoder(LITE0).name, {}
    for market in markets:
        photos = load_photo_vectors(market.path, market.photos, encoder)
        if photos is None:
            raise VibesError(
                f"The photos of {market.path} have no vectors by {encoder}; run `vibes embed {market.path} NEW_RUN`."
            )
        columns[market.name] = statistics(market, photos, rooms)
    table = pd.DataFrame(columns)
    first = table.columns[0]
    for name in table.columns[1:]:
        table[f"{name} / {first}"] = table[name] / table[first]
    return table


def main(arguments: list[str]) -> int:
    """Print the comparison; 2 and one sentence for bad input."""
    try:
        table = compare([Market.open(Path(path)) for path in arguments])
    except VibesError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    sys.stdout.write(table.to_string(float_format="{:.3f}".format) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
