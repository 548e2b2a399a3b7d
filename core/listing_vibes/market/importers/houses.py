"""Houses for sale with four photos each (Ahmed & Moustafa 2016, arXiv 1609.08399); no events."""

from pathlib import Path

import pandas as pd

from listing_vibes.market.columns import Columns as C
from listing_vibes.market.config import AttributeConfig, MarketConfig
from listing_vibes.market.importers import Importer
from listing_vibes.market.raw import source_table
from listing_vibes.market.writer import write_market

ATTRIBUTES = {
    "price_usd": AttributeConfig(kind="number", label="Price", unit="$"),
    "area_sqft": AttributeConfig(kind="number", label="Area", unit="sq ft"),
    "bedrooms": AttributeConfig(kind="number", label="Bedrooms"),
    "bathrooms": AttributeConfig(kind="number", label="Bathrooms"),
    "zipcode": AttributeConfig(kind="category", label="ZIP code"),  # its digits are a name, not an amount
}
ROOMS = ("frontal", "kitchen", "bedroom", "bathroom")  # the front of the house is the cover


class Houses(Importer):
    """Write the market of `houses.csv` and `photos.csv` in the folder `path`, photo files included."""

    def write(self, path: Path, target: Path) -> None:
        houses = source_table(path, "houses", ("item_id", *ATTRIBUTES))
        shots = source_table(path, "photos", ("item_id", "path", "room"))
        listings = houses[["item_id", *ATTRIBUTES]].set_axis([C.LISTING, *ATTRIBUTES], axis=1)
        rank = {room: position for position, room in enumerate(ROOMS)}
        photos = pd.DataFrame(
            {
                C.LISTING: shots["item_id"],
                C.POSITION: shots["room"].map(rank).fillna(len(ROOMS)).astype("int32"),
                C.PATH: shots["path"],
                "room": shots["room"],
            }
        )
        config = MarketConfig(name="Houses for sale", currency="$", attributes=ATTRIBUTES)
        write_market(target, config, listings, photos, photo_root=path)
