"""Inside Airbnb snapshots, as the publisher writes them: a review (reviewer, listing, date) is an event.

A snapshot shows what was known on its day, so most of its columns would leak the future to a query of an
earlier day: the superhost badge follows from ratings, rates of response are measured over the months before, nights `_ntm` are averaged
over the calendar of the coming year. Only the columns of `ATTRIBUTES` reach the model; all others, including new ones of later
snapshots, are excluded.
"""

import re
from pathlib import Path

import pandas as pd

from listing_vibes.market.columns import Columns as C
from listing_vibes.market.config import AttributeConfig, MarketConfig
from listing_vibes.market.importers import Importer
from listing_vibes.market.tables import moments_or_text, source_table
from listing_vibes.market.values import to_set
from listing_vibes.market.writer import write_market
from listing_vibes.words import plain_text

ATTRIBUTES = {
    "name": AttributeConfig(kind="text", label="Name"),
    "room_type": AttributeConfig(kind="category", label="Room type"),
    "property_type": AttributeConfig(kind="category", label="Property type"),
    "neighbourhood_cleansed": AttributeConfig(kind="category", label="Neighbourhood"),
    "neighbourhood_group_cleansed": AttributeConfig(kind="category", label="District"),
    "host_id": AttributeConfig(kind="category", label="Host"),  # a seller is known before the first event
    "accommodates": AttributeConfig(kind="number", label="Guests"),
    "bedrooms": AttributeConfig(kind="number", label="Bedrooms"),
    "beds": AttributeConfig(kind="number", label="Beds"),
    "bathrooms": AttributeConfig(kind="number", label="Bathrooms"),
    "bathroom_shared": AttributeConfig(kind="flag", label="Shared bathroom"),
    "price": AttributeConfig(kind="number", label="Price per night", unit="$"),
    "minimum_nights": AttributeConfig(kind="number", label="Minimum stay", unit="nights"),
    "maximum_nights": AttributeConfig(kind="number", label="Maximum stay", unit="nights"),
    "instant_bookable": AttributeConfig(kind="flag", label="Instantly bookable"),
    "amenities": AttributeConfig(kind="multi", label="Amenities"),
    "description": AttributeConfig(kind="text", label="Description"),
}
PLACE = AttributeConfig(kind="place", label="Location")
#: Columns that describe a person rather than a listing are not copied at all.
PEOPLE = re.compile(r"^host_(name|about|url|thumbnail_url|picture_url)$")
REQUIRED = ("id", "name", "host_id", "room_type", "price")

_RATING = re.compile(r"(?:^|(?<!\s)\s*+·)\s*+★\s*+(?:\d+(?:[.,]\d+)?|New)(?=\s*(?:·|$))")


class InsideAirbnb(Importer):
    """Write the market of `listings.csv[.gz]` and `reviews.csv[.gz]` in the folder `path`; there are no photo files."""

    def write(self, path: Path, target: Path) -> None:
        raw = source_table(path, "listings", REQUIRED)
        reviews = source_table(path, "reviews", ("listing_id", "reviewer_id", "date"))
        listings, content = _listings(raw), {C.LISTING, C.LATITUDE, C.LONGITUDE, *ATTRIBUTES}
        attributes = {
            name: ATTRIBUTES[name] for name in ATTRIBUTES if name in listings and listings[name].notna().any()
        }
        if {C.LATITUDE, C.LONGITUDE} <= set(listings.columns):
            attributes[C.PLACE] = PLACE
        events = reviews[["reviewer_id", "listing_id", "date"]].set_axis(
            [C.USER, C.LISTING, C.TIMESTAMP], axis=1
        )
        events[C.TIMESTAMP] = moments_or_text(events[C.TIMESTAMP])
        symbol = raw["price"].dropna().str.extract(r"^\s*([^\d\s.,+-]+)")[0].mode()
        config = MarketConfig(
            name=f"Homes of {path.resolve().name} (Inside Airbnb)",
            currency=symbol.iloc[0] if len(symbol) else "",
            title="name",
            attributes=attributes,
            excluded=[name for name in listings if name not in content],
        )
        write_market(target, config, listings, events=events)


def _listings(raw: pd.DataFrame) -> pd.DataFrame:
    listings = pd.DataFrame({C.LISTING: raw["id"]})
    for name in ATTRIBUTES:
        if name in raw.columns:
            listings[name] = raw[name]
    listings["name"] = raw["name"].map(without_rating, na_action="ignore")
    # Snapshots of 2023 and early 2024 have these values only in the name.
    words = raw["name"].str.extract(r"(?:^|·)\s*(?:(\d+) bedrooms?|(Studio))\s*(?=·|$)")
    _fill(listings, "bedrooms", pd.to_numeric(words[0], errors="coerce").where(words[1].isna(), 0.0))
    if "bathrooms_text" in raw.columns:
        counts, listings["bathroom_shared"] = bathrooms(raw["bathrooms_text"])
        _fill(listings, "bathrooms", counts)
    if "description" in raw.columns:
        listings["description"] = raw["description"].map(plain_text, na_action="ignore")
    if "amenities" in raw.columns:
        # a set that is empty for all listings was not collected
        sets = raw["amenities"].map(to_set, na_action="ignore").astype(object)
        listings["amenities"] = sets if sets.map(bool, na_action="ignore").any() else None
    for name in raw.columns:
        if name not in listings and name != "id" and not PEOPLE.match(name):
            listings[name] = raw[name]
    return listings


def _fill(listings: pd.DataFrame, name: str, values: pd.Series) -> None:
    """Fill the empty cells of a column of numbers in text, which may be missing."""
    texts = values.astype("str").where(values.notna())
    listings[name] = listings[name].fillna(texts) if name in listings else texts


def without_rating(name: str) -> str:
    """Return a listing's name without its rating: "Home in Albany · ★4.40 · 2 beds" becomes "Home in Albany · 2 beds"."""
    cut = _RATING.sub("", name)
    return cut.strip(" ·") if cut != name else name


def bathrooms(texts: pd.Series) -> tuple[pd.Series, pd.Series]:
    """Return the number of bathrooms in "1.5 shared baths", with "Half-bath" as 0.5, and whether they are shared."""
    lowered = texts.str.lower()
    counts = pd.to_numeric(lowered.str.extract(r"^\s*(\d+(?:\.\d+)?)")[0], errors="coerce")
    counts = counts.where(~lowered.str.contains("half-bath", regex=False, na=False), 0.5)
    shared = lowered.str.contains("shared", regex=False).astype("boolean")
    return counts, shared.where(texts.notna())
