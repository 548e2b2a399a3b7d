"""The shape of a market's photo boxes."""

import statistics
import warnings

from PIL import Image

from listing_vibes.insight.market_view import MarketView

#: Width to height of a photo box, by its CSS aspect ratio.
BOXES = {"2 / 3": 2 / 3, "1 / 1": 1.0, "4 / 3": 4 / 3, "3 / 2": 3 / 2}
SAMPLE = 40  # covers in the sample


def photo_box(view: MarketView) -> str:
    """Return the CSS aspect ratio of a market's photo boxes: the one in `BOXES` nearest to the median of sampled covers."""
    covers = list(view.market.cover.values())
    shapes = []
    for name in covers[:: max(1, len(covers) // SAMPLE)]:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", Image.DecompressionBombWarning)
                with Image.open(view.market.path / name) as image:  # reads the header only
                    shapes.append(image.width / image.height)
        except (OSError, ValueError, Image.DecompressionBombError):
            continue  # skip a broken file
    middle = statistics.median(shapes) if shapes else 4 / 3
    return min(BOXES, key=lambda box: abs(BOXES[box] - middle))
