"""MovieLens 1M with film attributes, plots and posters; events have an order and no time."""

from pathlib import Path

import pandas as pd

from listing_vibes.market.columns import Columns as C
from listing_vibes.market.config import AttributeConfig, MarketConfig
from listing_vibes.market.importers import Importer
from listing_vibes.market.tables import source_table
from listing_vibes.market.values import to_sets
from listing_vibes.market.writer import write_market

ATTRIBUTES = {
    "title": AttributeConfig(kind="text", label="Title"),
    "year": AttributeConfig(kind="number", label="Year"),
    "genres": AttributeConfig(kind="multi", label="Genres"),
    "rated": AttributeConfig(kind="category", label="Rated"),
    "runtime": AttributeConfig(kind="number", label="Running time", unit="min"),
    "director": AttributeConfig(kind="multi", label="Director"),
    "writer": AttributeConfig(kind="multi", label="Writer"),
    "actors": AttributeConfig(kind="multi", label="Actors"),
    "language": AttributeConfig(kind="multi", label="Language"),
    "country": AttributeConfig(kind="multi", label="Country"),
    "production": AttributeConfig(kind="multi", label="Production"),
    "plot": AttributeConfig(kind="text", label="Plot"),
}
#: Identifiers, duplicates of a used column, and the full date, of which the year is used.
EXCLUDED = ("imdb_id", "ml_title", "genre", "released")
PEOPLE = ("director", "writer", "actors")
MOST_PEOPLE = 5
SPELLINGS = {"NOT RATED": "Not Rated", "UNRATED": "Unrated", "APPROVED": "Approved", "PASSED": "Passed"}


class MovieLens(Importer):
    """Write the market of `items.csv`, `events.csv.gz` and `photos.csv` in the folder `path`, posters included.

    The `split` column of the events (leave-one-out) is not copied: it follows from `position`.
    """

    def write(self, path: Path, target: Path) -> None:
        used = [name for name in ATTRIBUTES if name != "genres"]
        items = source_table(path, "items", ("item_id", "ml_genres", *used, *EXCLUDED))
        history = source_table(path, "events", ("user_id", "item_id", "position"))
        shots = source_table(path, "photos", ("item_id", "path"))
        listings = _listings(items)
        photos = pd.DataFrame({C.LISTING: shots["item_id"], C.PATH: shots["path"]})
        photos.insert(1, C.POSITION, photos.groupby(C.LISTING).cumcount().astype("int32"))
        events = history[["user_id", "item_id", "position"]].set_axis([C.USER, C.LISTING, C.POSITION], axis=1)
        config = MarketConfig(
            name="MovieLens 1M", title="title", attributes=ATTRIBUTES, excluded=list(EXCLUDED)
        )
        write_market(target, config, listings, photos, events, photo_root=path)


def _listings(items: pd.DataFrame) -> pd.DataFrame:
    listings = pd.DataFrame({C.LISTING: items["item_id"], "title": items["title"]})
    listings["year"] = items["year"].str.slice(0, 4)  # a series has 1990–1991
    listings["genres"] = parted(items["ml_genres"], "|")
    listings["rated"] = items["rated"].replace(SPELLINGS)
    listings["runtime"] = items["runtime"].str.removesuffix(" min")
    for name in (*PEOPLE, "language", "country", "production"):
        words = items[name].str.replace(r"\([^()]*\)", "", regex=True)  # "(screenplay by)"
        listings[name] = parted(words, ", ", MOST_PEOPLE if name in PEOPLE else None)
    listings["plot"] = items["plot"]
    return listings.join(items[list(EXCLUDED)])


def parted(column: pd.Series, separator: str, most: int | None = None) -> pd.Series:
    """Split sets written as text: the first `most` members, each once; empty cells stay missing."""
    sets = to_sets(column, separator)
    return pd.Series([members and members[:most] for members in sets], column.index, dtype=object)
