"""What importers of three tables at an address are told."""

from pathlib import Path
from typing import ClassVar

from listing_vibes.market.importers import Importer


class ThreeTables(Importer):
    """A source whose address holds the tables themselves, each to be named where it is not called as the market calls it.

    Args:
        listings, photos, events: which of the source's is this table; None: the one of that name.
        photo_root: where paths of photos start.
    """

    address: ClassVar[bool] = True

    def __init__(
        self,
        listings: str | None = None,
        photos: str | None = None,
        events: str | None = None,
        photo_root: Path | str | None = None,
    ) -> None:
        self.told = {"listings": listings, "photos": photos, "events": events}
        self.photo_root = None if photo_root is None else str(photo_root)
