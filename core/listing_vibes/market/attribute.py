"""One attribute of a market's listings."""

from dataclasses import dataclass
from typing import Any

from listing_vibes.market.attribute_types import Shown, type_of
from listing_vibes.market.values import with_point


@dataclass(frozen=True)
class Attribute:
    """One attribute of a listing, as the model and the screen know it."""

    name: str
    kind: str
    label: str
    unit: str = ""
    decimal: str = ""  # "," where a comma parts the decimals in the table as it was read

    @property
    def shown_as(self) -> Shown:
        """In which form screens show and edit it; see `listing_vibes.market.attribute_types.AttributeType`."""
        return type_of(self.kind).shown_as

    def typed(self, value: Any) -> Any:
        """A value as somebody typed it, as the table writes it too, for its kind to read."""
        return with_point(value) if self.decimal == "," and isinstance(value, str) else value
