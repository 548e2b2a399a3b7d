"""The curve of a draft's audience by its price, whose point is dragged to another price."""

import math
from typing import Any

import pandas as pd

from listing_vibes.insight.audience import audience_share
from listing_vibes.market.attribute_types import Attribute
from listing_vibes_app.app_pages.cold.draft import draft_of, start_row
from listing_vibes_app.kit.component import component
from listing_vibes_app.server.runs import OpenRun

TICKS = 5  # labels of the axis of prices
_component = component(__file__, '<div class="curve"></div>')


def show_curve(opened: OpenRun, item: Attribute, prices: pd.DataFrame, cells: dict[str, Any]) -> None:
    """Show the audience by `prices` (see `price_curve`) with its band, the price with most users as a ring, and the price of the
    draft `cells` as a point to drag.
    """
    view, row, now = opened.view, start_row(opened), cells.get(item.name)
    ends = {
        end: prices[end].fillna(prices["audience"]) for end in ("low", "high")
    }  # no interval over one user
    points = [
        {
            "price": (price := float(f"{line['price']:.9g}")),
            "draft": draft_of({**cells, item.name: price}),
            "share": line["audience"],
            "low": line["low"],
            "high": line["high"],
            "text": f"{view.write(item, line['price'])}: {audience_share(line['audience'])}",
        }
        for line in prices.assign(**ends).to_dict("records")
    ]
    top = max(max(point["high"] for point in points), 0.01)
    ticks = even_ticks(float(prices["price"].min()), float(prices["price"].max()))
    data = {
        "points": points,
        "best": int(prices["audience"].argmax()),
        "now": None if now is None else int((prices["price"] - now).abs().argmin()),
        "top": top,
        "ticks": [(tick, view.write(item, tick)) for tick in ticks],
        "shares": [(share, f"{100 * share:g}%") for share in even_ticks(0, top, 4)],
        "label": f"{item.label} of the draft",
        "like": "" if row is None else view.ids[row],
    }
    _component(key="price-curve", data=data, height=256)


def even_ticks(low: float, high: float, most: int = TICKS) -> list[float]:
    """Return about `most` round numbers from `low` to `high`, equally far apart."""
    least = max(high - low, 1e-9) / most
    power = 10.0 ** math.floor(math.log10(least))
    step = next(times * power for times in (1, 2, 5, 10) if times * power >= least * (1 - 1e-9))
    steps = range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1)
    return [float(f"{number * step:.9g}") for number in steps]
