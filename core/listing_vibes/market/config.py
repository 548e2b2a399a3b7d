"""`market.toml`: the name of a market and the meaning of its columns."""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import tomli_w
from pydantic import Field, field_validator, model_validator

from listing_vibes.market.attribute_types import TypeName, type_of
from listing_vibes.market.documents import Forbidding, read_toml, validate, write_text

#: The default action for "not this"; users can give it before the first event has it.
HIDE = "hide"
#: Reserved names of vectors: spaces, and other arrays of a run.
BUILT_IN = ("model", "photos", "attributes", "text", "listing_id")


class AttributeConfig(Forbidding):
    """One attribute: its type, label, unit, and the separators of sets or decimals in a cell."""

    kind: TypeName | None = None  # None: inferred from the values
    label: str = ""
    unit: str = ""
    separator: str = ""  # of a `multi`; "" = |
    decimal: Literal["", ".", ","] = ""  # decimal mark of a `number`; "": a point
    same_as: str = ""  # its name in other markets and in models trained on them; "" = the same

    @model_validator(mode="after")
    def _check_options(self) -> "AttributeConfig":
        if self.decimal and self.kind not in (None, "number"):
            raise ValueError(f"decimal goes with kind 'number', not '{self.kind}'; leave it out")
        if self.separator and self.kind is not None and not type_of(self.kind).separated:
            raise ValueError(f"separator goes with kind 'multi', not '{self.kind}'; leave it out")
        return self


class PrivacyConfig(Forbidding):
    """Privacy: `users` says whether user ids are shown as they are, see `listing_vibes.market.display_names`."""

    users: Literal["plain", "hashed"] = "plain"


class VectorsConfig(Forbidding):
    """Vectors of the listings from another encoder: an `.npy` file of the market, or a column of `listings`."""

    path: str = ""  # of an array with one row for each listing, in table order
    column: str = ""  # of lists of numbers
    tokens: bool = False  # whether the model reads them too

    @model_validator(mode="after")
    def _check_source(self) -> "VectorsConfig":
        if bool(self.path) == bool(self.column):
            raise ValueError("give either path or column")
        return self


class MarketConfig(Forbidding):
    """The content of `market.toml`; unknown keys are an error."""

    name: str = ""
    note: str = ""  # one sentence shown with the market, e.g. that its events are simulated
    currency: str = ""
    title: str | None = None  # the attribute that names a listing on the screen
    attributes: dict[str, AttributeConfig] = Field(default_factory=dict)
    actions: list[str] = Field(default_factory=list)  # weakest first
    unwanted: list[str] = Field(default_factory=lambda: [HIDE])  # actions that say "not this"
    excluded: list[str] = Field(default_factory=list)  # columns that never reach the model
    vectors: dict[str, VectorsConfig] = Field(default_factory=dict)  # by the name of the space
    privacy: PrivacyConfig = PrivacyConfig()

    @field_validator("attributes", mode="before")
    @classmethod
    def _name_types(cls, attributes: Any) -> Any:
        """Read the name of a type, as in `attributes={"price": "number"}`, as the attribute's settings."""
        if not isinstance(attributes, Mapping):
            return attributes
        return {
            str(name): {"kind": item} if isinstance(item, str) else item for name, item in attributes.items()
        }

    @field_validator("vectors")
    @classmethod
    def _check_names(cls, vectors: dict[str, VectorsConfig]) -> dict[str, VectorsConfig]:
        for name in vectors:
            if name in BUILT_IN or not re.fullmatch(r"[a-z][a-z0-9_]*", name):
                raise ValueError(
                    f"'{name}' cannot be the name of a space; use small letters, digits and _, such as clip"
                )
        return vectors

    @field_validator("actions", "unwanted", "excluded")
    @classmethod
    def _check_repeated(cls, names: list[str]) -> list[str]:
        if repeated := [name for name in names if names.count(name) > 1]:
            raise ValueError(f"'{repeated[0]}' is listed twice; remove one")
        return names

    @field_validator("attributes")
    @classmethod
    def _check_shared(cls, attributes: dict[str, AttributeConfig]) -> dict[str, AttributeConfig]:
        existing = set(attributes)
        for name, setting in attributes.items():
            if setting.same_as in existing - {name}:
                raise ValueError(
                    f"'{name}' is the same_as '{setting.same_as}', which is already taken; choose another name"
                )
            existing |= {setting.same_as} - {""}
        return attributes

    @property
    def unread(self) -> set[str]:
        """Columns of the listings that are not attributes: excluded ones, and those of vectors."""
        return {*self.excluded, *(vector.column for vector in self.vectors.values() if vector.column)}

    def shared_name(self, attribute: str) -> str:
        """Return the name of an attribute in other markets."""
        setting = self.attributes.get(attribute)
        return attribute if setting is None else setting.same_as or attribute

    @classmethod
    def load(cls, path: Path) -> "MarketConfig":
        """Read `market.toml`; a missing file is an empty configuration.

        Raises:
            VibesError: invalid TOML, an unknown key or a value of a wrong type; a folder or a broken link, which must not count as
                a missing file: its exclusions and privacy settings would be lost.
        """
        if not os.path.lexists(path):
            return cls()
        return validate(cls, read_toml(path, "correct or remove it"), path)

    def save(self, path: Path) -> None:
        """Write the configuration as TOML, atomically."""
        content = self.model_dump(exclude_none=True, exclude_defaults=True)
        write_text(path, tomli_w.dumps(content))
