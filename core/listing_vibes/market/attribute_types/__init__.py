"""The types of attributes: one class in one file defines how a type is parsed, displayed and encoded for a model."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
import pandas as pd
from pydantic import AfterValidator

from listing_vibes.market.attribute_types._inference import (
    has_semicolons,
    infer_type,
    is_identifier,
    unparsed_cells,
)
from listing_vibes.market.attribute_types._vocabulary import AttributeVocabulary, Coded, Tokens, coded_values
from listing_vibes.market.values import SEPARATOR, as_ids, with_point
from listing_vibes.registry import Registry

__all__ = [
    "ATTRIBUTE_TYPES", "Attribute", "AttributeType", "AttributeVocabulary", "Coded", "Shown", "Tokens", "TypeName",
    "has_semicolons", "infer_type", "is_identifier", "type_of", "unparsed_cells",
]  # fmt: skip

#: The forms in which screens display, edit, filter and color a value; each type has one.
Shown = Literal["category", "number", "flag", "text", "multi", "place"]


class AttributeType(ABC):
    """A type of attribute: `multi.py` in this folder defines the type "multi".

    A model sees numbers only (`tokenize`): an id from the attribute's vocabulary, a set of ids, or a bin of a
    piecewise-linear encoding. `listing_vibes.features.tokens.tabular` makes tokens of them, and the embedding, the attributes
    space, exports and explanations use only tokens.
    """

    #: A listing has one value, so that rules can require equal values.
    single_valued: ClassVar[bool] = True
    #: The value fits into a table cell, so that stores can filter by it and probes can use it.
    short: ClassVar[bool] = True
    #: An amount: conditions compare it by <, <=, >= and >; a default target of probes; one that predicts how many events a listing
    #: has is a leak.
    amount: ClassVar[bool] = False
    #: Written text, which may contain ratings.
    written: ClassVar[bool] = False
    #: The sentence encoders also embed each value; this uses the first of `keys`.
    sentences: ClassVar[bool] = False
    #: Groups of listings are described by the values (`traits`).
    has_traits: ClassVar[bool] = True
    #: The attribute is one column of the listings table.
    has_column: ClassVar[bool] = True
    #: A cell of a file may hold several values; `market.toml` may name their separator.
    separated: ClassVar[bool] = False
    #: What a condition on the attribute accepts, in words.
    takes: ClassVar[str] = "words"
    #: The number of different keys of the attribute's tokens.
    keys: ClassVar[int] = 1
    #: The tokens have bins of a piecewise-linear encoding, one for each id of the vocabulary.
    binned: ClassVar[bool] = False
    #: How screens display it.
    shown_as: ClassVar[Shown] = "category"

    # A market's table.

    def columns(self, name: str) -> tuple[str, ...]:
        """Return the columns of the listings table that hold the attribute `name`."""
        return (name,)

    def read(self, column: pd.Series, separator: str = SEPARATOR) -> tuple[pd.Series, np.ndarray, str]:
        """Parse a column of a file: return its values (N,), bad (N,) bool, the cells with an issue, and the issue ("is not a number")."""
        words = as_ids(column)
        return words.where(words != ""), np.zeros(len(column), bool), ""

    def parse(self, value: Any, label: str, column: str) -> Any:
        """Parse one value that a user typed, for the market's `column`; raise a `VibesError` where it is invalid."""
        return str(value).strip()

    def parse_condition(self, part: str) -> Any:
        """Parse the value in a condition on the attribute; raises as `parse`."""
        return self.parse(part, "", "")

    def meets(self, column: pd.Series, values: Sequence[Any]) -> np.ndarray:
        """Return (L,) bool: where the cell is one of the `values`, as parsed by `parse_condition`; False where it is missing."""
        words = column.astype("string").str.casefold()
        return np.asarray(words.isin([value.casefold() for value in values]).to_numpy(bool, na_value=False))

    def missing(self, listings: pd.DataFrame, name: str) -> np.ndarray:
        """Return (L,) bool: which listings have no value."""
        return np.asarray(listings[list(self.columns(name))].isna().any(axis=1).to_numpy())

    def distinct(self, listings: pd.DataFrame, name: str) -> int:
        """Return the number of distinct values."""
        return int(listings[name].nunique())

    # Words.

    def words(self, listings: pd.DataFrame, name: str) -> list[str]:
        """Return each listing's value in words, "" where it is missing; the input of word-piece tokenization."""
        return ["" if pd.isna(value) else str(value) for value in listings[name]]

    def traits(self, label: str, present: pd.Series) -> Coded:
        """Return the values that are present as numbers of traits, which describe groups of listings."""
        return coded_values(label, present)

    # A model.

    @abstractmethod
    def fit(self, listings: pd.DataFrame, name: str, bins: int, min_count: int) -> AttributeVocabulary:
        """Fit the vocabulary on the training period's `listings`: values of `min_count` listings or more, and `bins` bins of a number."""

    def outgrown(self, entry: AttributeVocabulary, listings: pd.DataFrame) -> float:
        """Return the share of values that `entry` cannot distinguish, where that is most of them; else 0.

        An attribute that a model learned on another market then has to be fitted again.
        """
        return 0.0

    @abstractmethod
    def tokenize(self, entry: AttributeVocabulary, listings: pd.DataFrame) -> list[Tokens]:
        """Return the tokens of all `listings`, slot by slot; missing values have none."""


#: All types by name.
ATTRIBUTE_TYPES: Registry[AttributeType] = Registry(
    __name__, AttributeType, "type of attribute", group="listing_vibes.attributes"
)

#: The name of a type, in pydantic models.
TypeName = Annotated[str, AfterValidator(ATTRIBUTE_TYPES.known)]


@cache
def type_of(name: str) -> AttributeType:
    """Return the type called `name`."""
    return ATTRIBUTE_TYPES[name]()


@dataclass(frozen=True)
class Attribute:
    """One attribute of a listing, for models and screens."""

    name: str
    kind: str
    label: str
    unit: str = ""
    decimal: str = ""  # "," where the table's numbers have a decimal comma

    @property
    def shown_as(self) -> Shown:
        """The form in which screens display and edit it; see `listing_vibes.market.attribute_types.AttributeType`."""
        return type_of(self.kind).shown_as

    def typed(self, value: Any) -> Any:
        """Return a value that a user typed, with the decimal comma of the table, for its type to parse."""
        return with_point(value) if self.decimal == "," and isinstance(value, str) else value
