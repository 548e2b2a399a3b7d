"""The rules of a list, each declared once: commands, service, batches, links, pages and the guide's table derive from `Rules`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from numbers import Integral
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from listing_vibes.defaults import K
from listing_vibes.errors import VibesError
from listing_vibes.market.documents import first_problem

#: What put a listing into a list, by the code that `listing_vibes.run.recommender.Lists` gives; the first is its score.
RULED = ("", "pinned", "without at_most", "without same", "without where")
PINNED = 1


@dataclass(frozen=True)
class Written:
    """How a rule is written elsewhere than in Python and JSON.

    Attributes:
        parameter: its name in the address of a page; empty: its name.
        label: of its field on a page, with an `example`; empty: it has no field of text.
    """

    parameter: str = ""
    label: str = ""
    example: str = ""


#: A rule of several texts. In JSON and addresses these come as lists.
Texts = Annotated[tuple[str, ...], Field(strict=False)]


class Rules(BaseModel):
    """The rules of a list."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_by_name=True, validate_by_alias=True)

    k: int = Field(default=K, gt=0, description="how many listings")
    live_only: Annotated[bool | None, Written(parameter="live")] = Field(
        default=None,
        description="only listings live at the moment; default: for users, not for similar listings",
    )
    drop_seen: Annotated[bool | None, Written(parameter="seen")] = Field(
        default=None, description="nothing of the user's history; default: so"
    )
    #: A missing value is a value of its own.
    same: Annotated[Texts, Written()] = Field(
        default=(),
        description="only listings equal in this attribute to the listing, or to the newest one of the history, e.g. the town",
    )
    #: Listings without a value are free.
    at_most: Annotated[Annotated[int, Field(ge=1)] | None, Written(parameter="most")] = Field(
        default=None,
        description="at most so many with one value of an attribute (`seller`), e.g. of one host",
    )
    seller: Annotated[str | None, Written(parameter="per")] = Field(
        default=None, description="the attribute that at_most counts by"
    )
    diversity: Annotated[float, Written(parameter="variety")] = Field(
        default=0.0,
        ge=0,
        lt=1,
        description="0 by score alone .. 1 by unlikeness (maximal marginal relevance)",
    )
    where: Annotated[Texts, Written(label="Only where", example="price<=100; rooms=2|3")] = Field(
        default=(),
        description="only listings that fulfil it: price<=100 (or <, >=, >), rooms=2|3, pets=yes",
    )
    pin: Annotated[Texts, Written(label="First", example="ids of listings")] = Field(
        default=(),
        description="stands first, several in their order, as far as the other rules let them into the list",
    )
    block: Annotated[Texts, Written(label="Never", example="ids of listings")] = Field(
        default=(), description="is in no list"
    )
    unlike: Annotated[Texts, Written(label="Not like", example="ids of listings")] = Field(
        default=(),
        alias="not",
        description="is in no list either, and what is like it falls, by 0.3 standard deviations of the scores for each one of "
        "the likeness",
    )
    boost: Annotated[Texts, Written(label="Boost", example="fresh 0.5 14d")] = Field(
        default=(),
        description="'fresh 0.5 14d' or 'near 48.14,11.58 0.5 2km': what is new or near gains 0.5 standard deviations of the "
        "scores, half of it after 14 days (12h: hours) or 2 km (500m) away",
    )
    dial: Annotated[Texts, Written()] = Field(
        default=(),
        description="'lighter 1.5 photos +A +B -C': what is like A and B and unlike C gains; in model, photos or attributes, below "
        "0 the other way",
    )
    fill: Annotated[bool, Written()] = Field(
        default=False,
        description="where too few remain, fill up by score: without at_most, then also without same, then also without where",
    )

    @classmethod
    def of(cls, given: Rules | Mapping[str, Any] | None) -> Rules:
        """Rules as they are given: whole, by their keys, or none; one attribute or condition needs no list.

        Raises:
            VibesError: an unknown rule, a value out of range, or no mapping at all.
        """
        if isinstance(given, Rules):
            return given
        if not isinstance(given, Mapping | None):
            raise VibesError(
                f"The rules are {given!r}; give a mapping, such as {{'where': 'price<=100'}}, or `Rules`."
            )
        several = {name for rule in declared() if rule.is_texts for name in (rule.field, rule.name)}
        try:
            return cls.model_validate(
                {
                    name: (value,) if name in several and isinstance(value, str) else value
                    for name, value in (given or {}).items()
                }
            )
        except ValidationError as error:
            raise VibesError(f"The rules: {first_problem(error, cls)}") from error

    def length(self, k: int | None) -> int:
        """How many a list of these rules has at most, where `k` is asked for beside them.

        Raises:
            VibesError: `k` is no whole number from 1.
        """
        if k is None:
            return self.k
        if isinstance(k, bool) or not isinstance(k, Integral) or k < 1:
            raise VibesError(f"k is {k!r}; give how many listings, a whole number from 1.")
        return int(k)

    @property
    def ask_attributes(self) -> bool:
        """Whether the market's listings have to be looked at."""
        return bool(self.same or self.seller or self.where or self.boost)

    @property
    def ask_moment(self) -> bool:
        """Whether lists differ from moment to moment."""
        return bool(self.live_only or self.boost)

    @property
    def moves_scores(self) -> bool:
        """Whether the rules add to scores or take from them, so that these are no cosines."""
        return bool(self.boost or self.dial or self.unlike)

    @property
    def says(self) -> bool:
        """Whether an answer says of its listings what put them there, one of `RULED`."""
        return bool(self.pin or self.fill)

    def without(self, *names: str) -> Rules:
        """The same without some of `at_most`, `same` and `where`, and no more pinned, diverse or filled up."""
        gone: dict[str, Any] = dict.fromkeys(names, ())
        if "at_most" in names:
            gone |= {"at_most": None, "seller": None}
        return self.model_copy(update=gone | {"pin": (), "diversity": 0.0, "fill": False})

    def decided(self, for_users: bool) -> Rules:
        """The same rules with what was left open decided: users get live listings that they have not seen.

        Raises:
            VibesError: a number without the attribute that it counts by, or the other way round.
        """
        if (self.at_most is None) != (self.seller is None):
            raise VibesError("At most so many of what? Give a number and an attribute, such as 2 host_id.")
        usual = {"live_only": for_users, "drop_seen": for_users}
        return self.model_copy(update={name: u for name, u in usual.items() if getattr(self, name) is None})


@dataclass(frozen=True)
class Declared:
    """A rule as it is declared in `Rules`."""

    field: str  # in Python
    name: str  # in JSON
    default: Any
    description: str
    written: Written

    @property
    def is_texts(self) -> bool:
        """Whether it may be given several times."""
        return isinstance(self.default, tuple)

    @property
    def parameter(self) -> str:
        """The name in the address of a page."""
        return self.written.parameter or self.name


@cache
def declared() -> tuple[Declared, ...]:
    """Return all rules but the length of the list."""
    results = []
    for field, info in Rules.model_fields.items():
        for written in info.metadata:
            if isinstance(written, Written):
                name, default = info.alias or field, info.get_default()
                results.append(Declared(field, name, default, info.description or "", written))
    return tuple(results)
