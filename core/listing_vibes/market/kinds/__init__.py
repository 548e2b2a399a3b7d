"""The kinds of attributes: one class in one file says how a kind is read, shown and told to a model."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import cache
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
import pandas as pd
from pydantic import AfterValidator

from listing_vibes.market.kinds._cells import Cells, Claim
from listing_vibes.market.kinds._portrait import Coded, coded_values
from listing_vibes.market.kinds._told import AttributeVocabulary, Told, ids_of
from listing_vibes.market.values import SEPARATOR, as_ids
from listing_vibes.registry import Registry

__all__ = [
    "KINDS", "AttributeVocabulary", "Cells", "Claim", "Coded", "Kind", "KindName", "Shown", "Told", "ids_of",
    "infer_kind", "kind_of",
]  # fmt: skip

#: The forms in which screens show, edit, filter and colour a value; a kind takes the one that suits it.
Shown = Literal["category", "number", "flag", "text", "multi", "place"]


class Kind(ABC):
    """What the values of one kind of attribute are: `multi.py` in this folder is the kind "multi".

    A model sees numbers only (`tell`): an id from the attribute's vocabulary, a set of them, or a bin of a
    piecewise-linear encoding; `listing_vibes.features.tokens.tabular` makes tokens of them, and the embedding, the attributes
    space, exports and explanations know nothing but tokens.
    """

    #: A listing has one value, which rules can ask to be the same.
    one_value: ClassVar[bool] = True
    #: The value fits into a cell of a table; stores filter by it, and probes may ask for it.
    short: ClassVar[bool] = True
    #: An amount: probes ask for it unasked, and a number that foretells how many events a listing has is a leak.
    amount: ClassVar[bool] = False
    #: Words that people wrote, in which ratings may stand.
    written: ClassVar[bool] = False
    #: Each value is also embedded by the sentence encoders; takes the first of `keys`.
    sentences: ClassVar[bool] = False
    #: Groups of listings are told apart by the values.
    portrayed: ClassVar[bool] = True
    #: The attribute is a column of its own in the listings table.
    own_column: ClassVar[bool] = True
    #: A cell of a file may hold several values, parted by a separator that `market.toml` may name.
    separated: ClassVar[bool] = False
    #: What a condition on the attribute takes, in words.
    takes: ClassVar[str] = "words"
    #: How many different keys the attribute's tokens have.
    keys: ClassVar[int] = 1
    #: The tokens have bins of a piecewise-linear encoding, as many as the vocabulary has ids.
    binned: ClassVar[bool] = False
    #: How screens show it.
    shown_as: ClassVar[Shown] = "category"
    #: By what a column without a kind in `market.toml` is taken for this one; see `infer_kind`.
    claims: ClassVar[tuple[Claim, ...]] = ()

    # A market's table.

    def columns(self, name: str) -> tuple[str, ...]:
        """The columns of the listings table that hold the attribute `name`."""
        return (name,)

    def read(self, column: pd.Series, separator: str = SEPARATOR) -> tuple[pd.Series, np.ndarray, str]:
        """A column of a file as the market holds it.

        Returns:
            the values (N,), missing where there is none; bad (N,) bool, the cells of which there is something to say;
            and what, such as that they are no numbers.
        """
        words = as_ids(column)
        return words.where(words != ""), np.zeros(len(column), bool), ""

    def parse(self, value: Any, label: str, column: str) -> Any:
        """One value that somebody typed, as the market holds it in `column`; never called for a missing one.

        Raises:
            VibesError: it cannot be read.
        """
        return str(value).strip()

    def wanted(self, part: str) -> Any:
        """What a condition on the attribute asks for, from how people write it; as `parse` reads it, or its words.

        Raises:
            VibesError: it cannot be read.
        """
        return part

    def meets(self, column: pd.Series, values: Sequence[Any]) -> np.ndarray:
        """(L,) bool: where the cell is one of the `values`, as `wanted` gives them; a missing one is none."""
        words = column.astype("string").str.casefold()
        return words.isin([value.casefold() for value in values]).to_numpy(bool, na_value=False)

    def missing(self, listings: pd.DataFrame, name: str) -> np.ndarray:
        """(L,) bool: which listings have no value."""
        return listings[list(self.columns(name))].isna().any(axis=1).to_numpy()

    def distinct(self, listings: pd.DataFrame, name: str) -> int:
        """How many different values there are."""
        return int(listings[name].nunique())

    # Words.

    def words(self, listings: pd.DataFrame, name: str) -> list[str]:
        """Each listing's value in words, "" where it is missing; what word-piece tokenisation reads."""
        return ["" if pd.isna(value) else str(value) for value in listings[name]]

    def portrait(self, label: str, unit: str, known: pd.Series) -> Coded:
        """The values that are there, as the numbers of what groups of listings are told apart by."""
        return coded_values(label, known)

    # A model.

    @abstractmethod
    def fit(self, listings: pd.DataFrame, name: str, bins: int, min_count: int) -> AttributeVocabulary:
        """What the values become, from the training period's `listings`.

        Args:
            bins: how many bins of a number are asked for.
            min_count: listings that must have a value for it to be known.
        """

    def outgrown(self, entry: AttributeVocabulary, listings: pd.DataFrame) -> float:
        """The share of values beyond what `entry` can tell apart, where that is most of them; else 0.

        An attribute that a model knows from another market then needs to be fitted anew.
        """
        return 0.0

    @abstractmethod
    def tell(self, entry: AttributeVocabulary, listings: pd.DataFrame, use_words: bool = True) -> list[Told]:
        """The tokens of all `listings`, slot by slot; what is missing has none.

        Args:
            use_words: whether what is embedded as sentences is also told by its words.
        """


#: All kinds by name.
KINDS: Registry[Kind] = Registry(__name__, Kind, "kind of attribute", group="listing_vibes.attributes")

#: The name of a kind, in pydantic models.
KindName = Annotated[str, AfterValidator(KINDS.known)]


@cache
def kind_of(name: str) -> Kind:
    """The kind called `name`."""
    return KINDS[name]()


def infer_kind(name: str, column: pd.Series) -> str | None:
    """The kind of an attribute from its name and values; None for an empty column, dates or bare identifiers.

    Of all kinds' claims the strongest that holds decides.
    """
    cells = Cells(name, column)
    if cells.present.empty or pd.api.types.is_datetime64_any_dtype(column.dtype):
        return None
    claims = ((claim, kind) for kind in KINDS for claim in KINDS[kind].claims)
    for claim, kind in sorted(claims, key=lambda one: -one[0].strength):
        if claim.holds(cells):
            return kind
    return None
