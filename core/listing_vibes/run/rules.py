"""The rules of a list, declared once in `Rules` for commands, the service, batches, links, pages and the reference."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from numbers import Integral
from typing import Annotated, Any

import numpy as np
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from listing_vibes.defaults import K
from listing_vibes.market.documents import validate
from listing_vibes.market.market import Market
from listing_vibes.request_errors import RequestError

#: The reasons why a listing is in a list, by the codes in `listing_vibes.run.candidates.Lists`; the first one is its score.
RULED = ("", "pinned", "without at_most", "without same", "without where")
PINNED = 1


@dataclass(frozen=True)
class Declared:
    """The declaration of a rule.

    Attributes:
        parameter: its name in the URL of a page.
        label: the label of its text field on a page, with an `example`; empty without a text field.
        allows: for a rule that depends only on a listing, which listings (L,) of the market a value of it allows.
        field: its name in Python; name: in JSON.
    """

    parameter: str = ""
    label: str = ""
    example: str = ""
    allows: Callable[[Market, Any], np.ndarray] | None = None
    field: str = ""
    name: str = ""
    description: str = ""


#: The type of a rule of several texts, of which a single one need not be a list. In JSON and URLs these are lists.
Texts = Annotated[
    tuple[str, ...],
    Field(strict=False),
    BeforeValidator(lambda given: (given,) if isinstance(given, str) else given),
]


class Rules(BaseModel):
    """The rules of a list."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_by_name=True, validate_by_alias=True)

    k: int = Field(default=K, gt=0, description="how many listings")
    live_only: Annotated[bool | None, Declared(parameter="live")] = Field(
        default=None,
        description="only listings that are active at the moment; default: true for users, false for similar listings",
    )
    drop_seen: Annotated[bool | None, Declared(parameter="seen")] = Field(
        default=None, description="no listings of the user's history; default: true"
    )
    #: Missing values are equal to each other.
    same: Annotated[Texts, Declared()] = Field(
        default=(),
        description="only listings with the same value of this attribute as the query, or as the newest listing of the history, e.g. the town",
    )
    #: Listings without a value are not limited.
    at_most: Annotated[Annotated[int, Field(ge=1)] | None, Declared(parameter="most")] = Field(
        default=None,
        description="the maximum number of listings with the same value of an attribute (`seller`), e.g. of one host",
    )
    seller: Annotated[str | None, Declared(parameter="per")] = Field(
        default=None, description="the attribute of at_most"
    )
    diversity: Annotated[float, Declared(parameter="variety")] = Field(
        default=0.0,
        ge=0,
        lt=1,
        description="from 0 (score only) to below 1 (dissimilarity), by maximal marginal relevance",
    )
    where: Annotated[Texts, Declared(label="Only where", example="price<=100; rooms=2|3")] = Field(
        default=(),
        description="only listings that fulfill the condition: price<=100 (or <, >=, >), rooms=2|3, pets=yes",
    )
    pin: Annotated[Texts, Declared(label="First", example="ids of listings; rooms>=4")] = Field(
        default=(),
        description="these listings come first, in this order, if the other rules allow them; then those that fulfill a condition such "
        "as building=villa, by score",
    )
    block: Annotated[Texts, Declared(label="Never", example="ids of listings")] = Field(
        default=(), description="these listings are in no list"
    )
    owner: Annotated[Texts, Declared(label="Not of the user", example="host_id")] = Field(
        default=(),
        description="no listing with the user's id in this attribute or column, such as host_id: a user's own; for users with an id",
    )
    unlike: Annotated[Texts, Declared(label="Not like", example="ids of listings")] = Field(
        default=(),
        alias="not",
        description="these listings are in no list, and similar ones lose 0.3 standard deviations of the scores per "
        "standard deviation of similarity",
    )
    boost: Annotated[Texts, Declared(label="Boost", example="fresh 0.5 14d")] = Field(
        default=(),
        description="'fresh 0.5 14d' or 'near 48.14,11.58 0.5 2km': new or near listings gain 0.5 standard deviations of "
        "the scores, and half of it at 14 days (12h: hours) or 2 km (500m); 'building=villa 0.5': those that fulfill a condition gain it",
    )
    dial: Annotated[Texts, Declared()] = Field(
        default=(),
        description="'lighter 1.5 photos +A +B -C': listings similar to A and B and unlike C gain, in the space model, "
        "photos or attributes; a negative weight reverses it",
    )
    fill: Annotated[bool, Declared()] = Field(
        default=False,
        description="fill up short lists by score: without at_most, then also without same, then also without where",
    )

    @classmethod
    def of(cls, given: Rules | Mapping[str, Any] | None) -> Rules:
        """Return `Rules` of a mapping, of `Rules` or of None; a single attribute or condition need not be a list.

        Raises:
            VibesError: a rule is unknown, a value is out of range, or `given` is not a mapping.
        """
        if isinstance(given, Rules):
            return given
        if not isinstance(given, Mapping | None):
            raise RequestError("bad_rules", value=repr(given))
        return validate(cls, dict(given or {}), "The rules")

    def length(self, k: int | None) -> int:
        """Return the maximum length of a list: `k`, or that of the rules if `k` is None.

        Raises:
            VibesError: `k` is not an integer of at least 1.
        """
        if k is None:
            return self.k
        if isinstance(k, bool) or not isinstance(k, Integral) or k < 1:
            raise RequestError("bad_k", value=repr(k))
        return int(k)

    @property
    def needs_attributes(self) -> bool:
        """Return whether the rules depend on the attributes of listings."""
        return bool(self.same or self.seller or self.where or self.boost or self.allowing or self.owner)

    @property
    def allowing(self) -> list[tuple[Callable[[Market, Any], np.ndarray], Any]]:
        """Return the function `allows` and the value of each set rule that has one."""
        rules = [(rule.allows, getattr(self, rule.field)) for rule in declared(type(self))]
        return [(allows, value) for allows, value in rules if allows is not None and value]

    @property
    def needs_moment(self) -> bool:
        """Return whether the rules depend on the moment."""
        return bool(self.live_only or self.boost)

    @property
    def moves_scores(self) -> bool:
        """Return whether the rules change scores, so that these are not cosines."""
        return bool(self.boost or self.dial or self.unlike)

    @property
    def shows_rule(self) -> bool:
        """Return whether a response has the reason of each listing, one of `RULED`."""
        return bool(self.pin or self.fill)

    def stages(self) -> Iterator[tuple[str, Rules]]:
        """Yield the rules and, with `fill`, those of each further pass, one rule fewer and by score only; each after its reason of `RULED`."""
        yield RULED[0], self
        rules = self.model_copy(update={"pin": (), "diversity": 0.0})
        for name in ("at_most", "same", "where") if self.fill else ():
            if getattr(self, name):
                rules = rules.model_copy(update={name: type(self).model_fields[name].default})
                yield f"without {name}", rules

    def resolved(self, for_users: bool) -> Rules:
        """Return the rules with defaults for None: lists for users have active listings that are not in the history.

        Raises:
            VibesError: only one of `at_most` and `seller` is set.
        """
        if (self.at_most is None) != (self.seller is None):
            raise RequestError("half_of_at_most")
        defaults = {"live_only": for_users, "drop_seen": for_users}
        return self.model_copy(
            update={name: value for name, value in defaults.items() if getattr(self, name) is None}
        )


@cache
def declared(model: type[Rules] = Rules) -> tuple[Declared, ...]:
    """Return the declarations of all rules except `k`."""
    results = []
    for field, info in model.model_fields.items():
        for rule in info.metadata:
            if isinstance(rule, Declared):
                name = info.alias or field
                names = replace(rule, parameter=rule.parameter or name, field=field, name=name)
                results.append(replace(names, description=info.description or ""))
    return tuple(results)
