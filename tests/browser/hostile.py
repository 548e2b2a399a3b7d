"""A market whose every word tries something: markup, pictures of other machines, marks and control characters."""

from pathlib import Path

import numpy as np
import pandas as pd

from browser.painted import paint_market
from listing_vibes.market.config import AttributeConfig, MarketConfig
from listing_vibes.market.market import Market
from listing_vibes.market.writer import write_market

HOST = "hostile.invalid"
PICTURE = f"![t](http://{HOST}/y.png)"
TAGS = f"<img src=http://{HOST}/x.png onerror=alert(1)><script>alert(2)</script>"
MARKS = "\u202eeltit\u200f \x1b[2J\x07"
FORMATS = ":red[r] :material/home: $x^2$ **b** _i_ `c` [l](javascript:alert(3)) # h"
LINKS = f"https://{HOST}/ www.{HOST} a@{HOST} %{{x}} {{{{ 7*7 }}}}"
WORD = f"{PICTURE} {TAGS} {MARKS} {FORMATS} {LINKS}"
SHORT = f'{PICTURE} "><svg onload=alert(4)>'
LISTING, USER = "<b>l'1\"</b>/../%2F&=;,*", "u<svg onload=alert(5)>/1"
ACTION = "![a](http://hostile.invalid/a.png)"
CATEGORY, FLAG, MULTI = "![c](http://hostile.invalid/c.png)", "<script>alert(6)</script>", "$m$ \u202em"


def hostile_market(path: Path, *, listings: int = 12, users: int = 6) -> Path:
    """Such a market, with photos, events and coordinates."""
    paint_market(path, listings=listings, users=users, events=6)
    opened = Market.open(path)
    rename = {name: f"{LISTING}{name}" for name in opened.listings["listing_id"]}
    rows = np.arange(listings)
    table = opened.listings.drop(columns=["room_type", "amenities", "built_year"]).assign(
        listing_id=opened.listings["listing_id"].map(rename),
        title=[f"{row} {WORD}" for row in rows],
        latitude=50 + rows / 100,
        longitude=10 + rows / 100,
    )
    table[CATEGORY] = [f"{row % 3} {SHORT}" for row in rows]
    table[FLAG] = [bool(row % 2) for row in rows]
    table[MULTI] = [[f"{row % 2} {SHORT}", "plain"] for row in rows]
    config = MarketConfig(
        name=WORD,
        note=WORD,
        currency=SHORT,
        title="title",
        attributes={
            "title": AttributeConfig(kind="text", label=WORD),
            "price": AttributeConfig(kind="number", label=WORD, unit=SHORT),
            CATEGORY: AttributeConfig(kind="category", label=WORD, unit=SHORT),
            FLAG: AttributeConfig(kind="flag", label=f"flag {WORD}"),
            MULTI: AttributeConfig(kind="multi", label=f"multi {WORD}"),
        },
        actions=["view", ACTION],
    )
    events = opened.events.assign(
        user_id=opened.events["user_id"].map(lambda user: f"{USER}{user}"),
        listing_id=opened.events["listing_id"].map(rename),
        action=opened.events["action"].map({"view": "view"}).fillna(ACTION),
    )
    photos = opened.photos.assign(listing_id=opened.photos["listing_id"].map(rename))
    write_market(path, config, pd.DataFrame(table), photos, events)
    return path
