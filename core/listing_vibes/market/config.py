"""`market.toml`: what a market calls itself and what its columns mean."""

import os
import re
from pathlib import Path, PurePath
from typing import Literal

import tomli_w
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from listing_vibes.errors import VibesError
from listing_vibes.market.attribute_types import TypeName, type_of
from listing_vibes.market.documents import first_problem, read_toml, write_text

#: The action that says "not this" unless a market has others; it may be asked for before the first event has it.
HIDE = "hide"
#: Names that no vectors of a market may have: spaces, and arrays beside them.
BUILT_IN = ("model", "photos", "attributes", "text", "listing_id")


class AttributeConfig(BaseModel):
    """One attribute: its kind, the label that people read, its unit, and what parts the members of a set or the decimals of a
    number in a cell."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: TypeName | None = None  # None: inferred from the values
    label: str = ""
    unit: str = ""
    separator: str = ""  # of a `multi`; "" = |
    decimal: Literal["", ".", ","] = ""  # what parts the decimals of a `number`; "": seen from the cells
    same_as: str = ""  # what other markets, and models trained on them, call it; "" = the same

    @model_validator(mode="after")
    def _check_options(self) -> "AttributeConfig":
        if self.decimal and self.kind not in (None, "number"):
            raise ValueError(f"decimal goes with kind 'number', not '{self.kind}'; leave it out")
        if self.separator and self.kind is not None and not type_of(self.kind).separated:
            raise ValueError(f"separator goes with kind 'multi', not '{self.kind}'; leave it out")
        return self


class PrivacyConfig(BaseModel):
    """Who may see what: `users` says whether user ids are shown as they are, see `listing_vibes.market.user_names`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    users: Literal["plain", "hashed"] = "plain"


class VectorsConfig(BaseModel):
    """Vectors of the listings by another encoder: an `.npy` file of the market, or a column of `listings`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    path: str = ""  # of an array with a row a listing, in the order of the table
    column: str = ""  # of lists of numbers
    tokens: bool = False  # whether a model reads them as well

    @model_validator(mode="after")
    def _has_one_source(self) -> "VectorsConfig":
        if bool(self.path) == bool(self.column):
            raise ValueError("give either path or column")
        return self


class MarketConfig(BaseModel):
    """The content of `market.toml`; unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = ""
    note: str = ""  # one sentence shown with the market, e.g. that its events are simulated
    currency: str = ""
    photo_root: str = ""  # folder, from the market's on, that photos lie in beside the market's; only read
    title: str | None = None  # the attribute that names a listing on the screen
    attributes: dict[str, AttributeConfig] = Field(default_factory=dict)
    columns: dict[Literal["listings", "photos", "events"], dict[str, str]] = Field(
        default_factory=dict
    )  # see `column_names`
    actions: list[str] = Field(default_factory=list)  # weakest first
    unwanted: list[str] = Field(default_factory=lambda: [HIDE])  # actions that say "not this"
    excluded: list[str] = Field(default_factory=list)  # columns that never reach the model
    vectors: dict[str, VectorsConfig] = Field(default_factory=dict)  # by the name of the space
    privacy: PrivacyConfig = PrivacyConfig()

    @field_validator("vectors")
    @classmethod
    def _check_names(cls, vectors: dict[str, VectorsConfig]) -> dict[str, VectorsConfig]:
        for name in vectors:
            if name in BUILT_IN or not re.fullmatch(r"[a-z][a-z0-9_]*", name):
                raise ValueError(
                    f"'{name}' is no free name of a space; use small letters, digits and _, such as clip"
                )
        return vectors

    @field_validator("actions", "unwanted", "excluded")
    @classmethod
    def _check_repeated(cls, names: list[str]) -> list[str]:
        if repeated := [name for name in names if names.count(name) > 1]:
            raise ValueError(f"'{repeated[0]}' is there twice")
        return names

    @field_validator("columns")
    @classmethod
    def _check_mapped(cls, columns: dict[str, dict[str, str]]) -> dict[str, dict[str, str]]:
        for names in map(list, map(dict.values, columns.values())):
            if repeated := [name for name in names if names.count(name) > 1]:
                raise ValueError(f"'{repeated[0]}' stands for two columns")
        return columns

    @field_validator("photo_root")
    @classmethod
    def _check_root(cls, folder: str) -> str:
        if PurePath(folder).anchor and PurePath(folder) == PurePath(PurePath(folder).anchor):
            raise ValueError("all files of this machine lie below it; name the folder of the photos")
        return folder

    @field_validator("attributes")
    @classmethod
    def _check_shared(cls, attributes: dict[str, AttributeConfig]) -> dict[str, AttributeConfig]:
        existing = set(attributes)
        for name, setting in attributes.items():
            if setting.same_as in existing - {name}:
                raise ValueError(
                    f"'{name}' is the same_as '{setting.same_as}', which another attribute is already"
                )
            existing |= {setting.same_as} - {""}
        return attributes

    @property
    def unread(self) -> set[str]:
        """Columns of the listings that are no attributes: the excluded ones, and those of vectors."""
        return {*self.excluded, *(vector.column for vector in self.vectors.values() if vector.column)}

    def shared_name(self, attribute: str) -> str:
        """What other markets call an attribute of this one."""
        setting = self.attributes.get(attribute)
        return attribute if setting is None else setting.same_as or attribute

    @classmethod
    def load(cls, path: Path) -> "MarketConfig":
        """Read `market.toml`; a missing file is an empty configuration.

        Raises:
            VibesError: no TOML, an unknown key or a value of a wrong type; a link to nothing or a folder, which must not pass for
                a missing file: what the file excludes and hides would count.
        """
        if not os.path.lexists(path):
            return cls()
        try:
            return cls.model_validate(read_toml(path, "mend or remove it", "utf-8-sig"))
        except ValidationError as error:
            raise VibesError(f"{path}: {first_problem(error, cls)}") from error

    def save(self, path: Path) -> None:
        """Write the configuration as TOML, atomically."""
        content = self.model_dump(exclude_none=True, exclude_defaults=True)
        write_text(path, tomli_w.dumps(content))
