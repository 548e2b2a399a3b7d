"""Parameters and bodies of requests, and bodies of responses."""

from typing import Annotated, Any, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from listing_vibes.defaults import K
from listing_vibes.market.documents import Forbidding
from listing_vibes.market.values import id_text
from listing_vibes.run.histories import Event
from listing_vibes.run.rules import Rules, Texts
from listing_vibes.serving.events import MAX_TEXT, Duration, Id, PostedEvent

MAX_LISTINGS, MAX_EVENTS, MAX_PHOTOS, MAX_POSTED = 1000, 1000, 30, 1000
#: Maximum number of values of one rule, and of `block`.
MAX_RULES, MAX_BLOCKED = 20, 1000
#: Maximum number of characters of a rule, such as a condition with many values, and of a moment.
MAX_RULE, MAX_MOMENT = 10_000, 64
#: JSON bodies have typed values; in a URL everything is text.
BODY = ConfigDict(
    extra="forbid", strict=True, validate_by_name=False, validate_by_alias=True, str_max_length=MAX_TEXT
)
MAX_BASE64 = 32 * 2**20  # the most characters of a photo, those of the largest body
Name = Annotated[str, Field(max_length=MAX_TEXT)]


class NoParameters(Forbidding):
    """No parameters: an unknown one is refused."""


class ListQuery(Rules):
    """Parameters of lists: the rules and general options."""

    model_config = ConfigDict(
        extra="forbid", validate_by_name=False, validate_by_alias=True, str_max_length=MAX_RULE
    )

    k: Annotated[int, Field(ge=1, le=MAX_LISTINGS, description="how many listings")] = K
    at: Annotated[str, Field(max_length=MAX_MOMENT)] | int | None = Field(
        None,
        description="moment at which candidates are active: a date, now, or a position; default: after the last event",
    )
    explain: bool = Field(False, description="also explain each listing; such requests wait for one another")
    explain_ms: Annotated[int, Field(ge=1, le=10_000)] = Field(
        200, description="milliseconds for list and explanations; listings beyond this time have none"
    )

    @model_validator(mode="after")
    def _limit_rules(self) -> Self:
        for name in Rules.model_fields:
            value, limit = getattr(self, name), MAX_BLOCKED if name == "block" else MAX_RULES
            if isinstance(value, tuple) and len(value) > limit:
                raise ValueError(f"{name} is given {len(value)} times; give it {limit} times at most")
        return self

    @property
    def rules(self) -> Rules:
        """Return the rules only."""
        return Rules(**{name: getattr(self, name) for name in Rules.model_fields})


class SimilarQuery(ListQuery):
    """Parameters of similar listings."""

    space: Name | None = Field(None, description="model, photos or attributes; default: the run's first")


class RecommendQuery(ListQuery):
    """Parameters of recommendations."""

    blend: Name | None = Field(
        None,
        description="blended into the model: recency, neighbors, ids, joined by +; nothing: the model only; default: the service's "
        "blend, else the run's default ranking",
    )


class HistoryEvent(BaseModel):
    """One event of a history."""

    model_config = BODY

    listing_id: Id
    action: str | None = None
    duration_s: Duration | None = None


class PostedHistory(RecommendQuery):
    """A history, oldest event first; listings that are not in the run are left out and returned in `unknown`."""

    model_config = BODY | ConfigDict(str_max_length=MAX_RULE)

    history: Annotated[list[HistoryEvent | Id], Field(max_length=MAX_EVENTS)] = Field(
        description="events, or ids of listings; empty: popular and recent listings"
    )
    user_id: Id | None = Field(
        None, description="user of the recorded impression; the list depends on the history only"
    )
    block: Texts = Field((), description="listings to exclude")

    @property
    def events(self) -> list[Event]:
        """Return the events of the history."""
        return [
            Event(id_text(item) or "")
            if isinstance(item, str)
            else Event(id_text(item.listing_id) or "", item.action, item.duration_s)
            for item in self.history
        ]


class PostedListing(BaseModel):
    """A listing that is not in the market."""

    model_config = BODY

    attributes: dict[str, Any] = Field(
        default_factory=dict,
        description="values by the name of an attribute; a location is latitude and longitude",
    )
    photos: Annotated[list[Annotated[str, Field(max_length=MAX_BASE64)]], Field(max_length=MAX_PHOTOS)] = (
        Field(default_factory=list, description="image files in base64, the cover first")
    )
    spaces: Annotated[list[str], Field(max_length=MAX_RULES)] | None = Field(
        None,
        description="model, photos, attributes; default: all spaces of the run except attributes, which take longer",
    )
    k: Annotated[int, Field(ge=0, le=MAX_LISTINGS)] = Field(
        0, description="number of neighbors to return in each space"
    )


#: One event or a list of them.
PostedEvents = Annotated[
    list[PostedEvent],
    BeforeValidator(
        lambda body: body if isinstance(body, list) else [body],
        json_schema_input_type=PostedEvent
        | Annotated[list[PostedEvent], Field(min_length=1, max_length=MAX_POSTED)],
    ),
    Field(min_length=1, max_length=MAX_POSTED),
]


class RankedListing(BaseModel):
    """A listing of a list."""

    listing_id: str
    score: float
    rule: str | None = Field(
        None,
        description="reason for its rank other than its score: pinned, or the last rule dropped to fill the list: without at_most, "
        "without same, without where",
    )
    explanation: dict[str, Any] | None = Field(
        None, description="parts that add most to its score, as in `vibes explain --json`"
    )


class Results(BaseModel):
    """Listings, best first. Fields that do not apply are left out."""

    results: list[RankedListing]
    fallback: bool = Field(
        False,
        description="there is no history: these are popular and recent listings, under the same rules except `same`, scored by their "
        "recent events",
    )
    market_changed: bool = Field(False, description="the market changed since the run was made")
    scorer: str | None = Field(
        None,
        description="scorer of the list if it is not the model: untrained neighbors in a run without a model, or popular and recent "
        "listings without a history",
    )
    empty_because: str | None = Field(
        None,
        description="why there are no results, and what to do; options have their command line names",
    )
    request_id: str | None = Field(
        None,
        description="id of the recorded impression, for later events on the list",
    )
    unknown: list[str] | None = Field(
        None, description="listings of a posted history that are not in the run"
    )


class Embeddings(BaseModel):
    """A listing's vectors by space, L2-normalized; a space without a vector is left out."""

    vectors: dict[str, list[float]]
    similar: dict[str, list[RankedListing]]
    broken: dict[int, str] = Field(description="reason by number of each photo that was left out")


class Health(BaseModel):
    """State of the service."""

    status: str
    run: str
    market: str
    listings: int
    spaces: list[str]
    model: bool
    version: int = Field(
        description="version of the run; each refresh and each new embedding publishes the next one"
    )
    market_changed: bool = Field(description="the market changed since the run was made")
    opened: float = Field(description="when this version was opened, Unix time")
    problem: str = Field(description="why a newer version could not be opened; empty: none")
    worker: int = Field(description="number of the worker process that answers")


class Problem(BaseModel):
    """Why a request failed, in one sentence, and a code that a client can compare."""

    error: str
    code: str
