"""The types of attributes: one class in one file says how a type is read, shown and encoded for a model."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
import pandas as pd
from pydantic import AfterValidator

from listing_vibes.market.attribute_types._sample import Claim, Sample
from listing_vibes.market.attribute_types._traits import Coded, coded_values
from listing_vibes.market.attribute_types._vocabulary import AttributeVocabulary, Tokens, ids_of
from listing_vibes.market.values import SEPARATOR, as_ids, with_point
from listing_vibes.registry import Registry

__all__ = [
    "ATTRIBUTE_TYPES", "Attribute", "AttributeType", "AttributeVocabulary", "Claim", "Coded", "Sample", "Shown", "Tokens", "TypeName",
    "ids_of", "infer_type", "type_of",
]  # fmt: skip

#: The forms in which screens show, edit, filter and color a value; a type takes the one that suits it.
Shown = Literal["category", "number", "flag", "text", "multi", "place"]


class AttributeType(ABC):
    """What the values of one type of attribute are: `multi.py` in this folder is the type "multi".

    A model sees numbers only (`tokenize`): an id from the attribute's vocabulary, a set of them, or a bin of a
    piecewise-linear encoding; `listing_vibes.features.tokens.tabular` makes tokens of them, and the embedding, the attributes
    space, exports and explanations know nothing but tokens.
    """

    #: A listing has one value, which rules can ask to be the same.
    one_value: ClassVar[bool] = True
    #: The value fits into a cell of a table; stores filter by it, and probes may ask for it.
    short: ClassVar[bool] = True
    #: An amount: probes ask for it by default, and a number that predicts how many events a listing has is a leak.
    amount: ClassVar[bool] = False
    #: Words that people wrote, in which ratings may stand.
    written: ClassVar[bool] = False
    #: Each value is also embedded by the sentence encoders; takes the first of `keys`.
    sentences: ClassVar[bool] = False
    #: The values tell groups of listings apart (`traits`).
    has_traits: ClassVar[bool] = True
    #: The attribute is a column of its own in the listings table.
    own_column: ClassVar[bool] = True
    #: A cell of a file may hold several values with a separator between them that `market.toml` may name.
    separated: ClassVar[bool] = False
    #: What a condition on the attribute takes, in words.
    takes: ClassVar[str] = "words"
    #: How many different keys the attribute's tokens have.
    keys: ClassVar[int] = 1
    #: The tokens have bins of a piecewise-linear encoding, as many as the vocabulary has ids.
    binned: ClassVar[bool] = False
    #: How screens show it.
    shown_as: ClassVar[Shown] = "category"
    #: By what a column without a type in `market.toml` is inferred to have this one; see `infer_type`.
    claims: ClassVar[tuple[Claim, ...]] = ()

    # A market's table.

    def columns(self, name: str) -> tuple[str, ...]:
        """Return the columns of the listings table that hold the attribute `name`."""
        return (name,)

    def read(self, column: pd.Series, separator: str = SEPARATOR) -> tuple[pd.Series, np.ndarray, str]:
        """Read a column of a file as the market holds it.

        Returns:
            the values (N,), missing where there is none; bad (N,) bool, the cells that are an issue;
            and the issue, such as that they are no numbers.
        """
        words = as_ids(column)
        return words.where(words != ""), np.zeros(len(column), bool), ""

    def parse(self, value: Any, label: str, column: str) -> Any:
        """Parse one value that a user typed, as the market holds it in `column`; never called for a missing one.

        Raises:
            VibesError: it cannot be read.
        """
        return str(value).strip()

    def wanted(self, part: str) -> Any:
        """Parse what a condition on the attribute asks for.

        Raises:
            VibesError: it cannot be read.
        """
        return part

    def meets(self, column: pd.Series, values: Sequence[Any]) -> np.ndarray:
        """Return (L,) bool: where the cell is one of the `values`, as `wanted` gives them; a missing one is none."""
        words = column.astype("string").str.casefold()
        return words.isin([value.casefold() for value in values]).to_numpy(bool, na_value=False)

    def missing(self, listings: pd.DataFrame, name: str) -> np.ndarray:
        """Return (L,) bool: which listings have no value."""
        return listings[list(self.columns(name))].isna().any(axis=1).to_numpy()

    def distinct(self, listings: pd.DataFrame, name: str) -> int:
        """Return how many different values there are."""
        return int(listings[name].nunique())

    # Words.

    def words(self, listings: pd.DataFrame, name: str) -> list[str]:
        """Return each listing's value in words, "" where it is missing; what word-piece tokenization reads."""
        return ["" if pd.isna(value) else str(value) for value in listings[name]]

    def traits(self, label: str, known: pd.Series) -> Coded:
        """Return the values that are there as the numbers of what groups of listings are told apart by."""
        return coded_values(label, known)

    # A model.

    @abstractmethod
    def fit(self, listings: pd.DataFrame, name: str, bins: int, min_count: int) -> AttributeVocabulary:
        """Fit what the values become on the training period's `listings`.

        Args:
            bins: how many bins of a number are asked for.
            min_count: listings that must have a value for it to be known.
        """

    def outgrown(self, entry: AttributeVocabulary, listings: pd.DataFrame) -> float:
        """Return the share of values beyond what `entry` can tell apart, where that is most of them; else 0.

        An attribute that a model knows from another market then needs to be fitted again.
        """
        return 0.0

    @abstractmethod
    def tokenize(
        self, entry: AttributeVocabulary, listings: pd.DataFrame, use_words: bool = True
    ) -> list[Tokens]:
        """Return the tokens of all `listings`, slot by slot; what is missing has none.

        Args:
            use_words: whether what is embedded as sentences also has a token of its words.
        """


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


def infer_type(name: str, column: pd.Series) -> str | None:
    """Infer the type of an attribute from its name and values; None for an empty column, dates or bare identifiers.

    Of all types' claims the strongest that holds decides.
    """
    sample = Sample(name, column)
    if sample.present.empty or pd.api.types.is_datetime64_any_dtype(column.dtype):
        return None
    claims = ((claim, name) for name in ATTRIBUTE_TYPES for claim in ATTRIBUTE_TYPES[name].claims)
    ordered = sorted(claims, key=lambda pair: -pair[0].strength)
    return next((name for claim, name in ordered if claim.holds(sample)), None)


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
        """Return a value that a user typed, with a decimal comma as the table has it, for its type to parse."""
        return with_point(value) if self.decimal == "," and isinstance(value, str) else value
