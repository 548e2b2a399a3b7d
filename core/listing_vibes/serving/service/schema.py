"""The bodies of requests and answers, as the OpenAPI document tells them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, create_model

from listing_vibes.defaults import K
from listing_vibes.errors import printable
from listing_vibes.run.histories import Event
from listing_vibes.run.rules import Rules, Texts, declared
from listing_vibes.serving.live.posted import Duration, Id
from listing_vibes.serving.service.budget import checked_cells, read_photos
from listing_vibes.serving.service.requests import Embed, Recommend, Similar
from listing_vibes.words import cut

#: The two forms of an event of a history, which pydantic counts as parts of a field's name.
FORMS = ("PostedEvent", "str")
MOST_LISTINGS, MOST_EVENTS, MOST_PHOTOS, MOST_RULES, MOST_NAMED = 1000, 1000, 30, 20, 1000
Count = Annotated[int, Field(ge=1, le=MOST_LISTINGS, description="how many listings")]


class Forbidding(BaseModel):
    """Unknown keys are refused."""

    model_config = ConfigDict(extra="forbid")


#: In a body numbers are numbers and flags are flags; in an address all is text.
POSTED = ConfigDict(extra="forbid", strict=True, validate_by_name=False, validate_by_alias=True)


class PostedEvent(Forbidding):
    """One event of a history."""

    model_config = POSTED

    listing_id: str
    action: str | None = None
    duration_s: Duration | None = None


class Nothing(Forbidding):
    """No parameters: an unknown one is refused."""


if TYPE_CHECKING:
    LimitedRules = Rules
else:  # the rules, each of which may be given so many times
    LimitedRules = create_model(
        "LimitedRules",
        __base__=Rules,
        **{
            rule.field: (
                Texts,
                Field(rule.default, alias=rule.name, description=rule.description, max_length=MOST_RULES),
            )
            for rule in declared()
            if rule.is_texts
        },
    )


class ListQuery(LimitedRules):
    """What a list is asked by; unknown names are refused."""

    model_config = ConfigDict(extra="forbid", validate_by_name=False, validate_by_alias=True)

    k: Count = K
    at: str | int | None = Field(
        None,
        description="candidates are live then: a date, now, or a position; default: after the last event known",
    )

    @property
    def rules(self) -> Rules:
        """As the maker of lists takes them."""
        return Rules(**{name: getattr(self, name) for name in Rules.model_fields})


class ExplainedQuery(ListQuery):
    """Lists that may say why each listing is there."""

    why: bool = Field(False, description="also why each listing is there; such requests wait for one another")
    why_ms: Annotated[int, Field(ge=1, le=10_000)] = Field(
        200, description="milliseconds for list and reasons; what is not done then is null"
    )

    @property
    def seconds(self) -> float | None:
        """For the reasons; None where they are not asked for."""
        return self.why_ms / 1000 if self.why else None


class SimilarQuery(ExplainedQuery):
    """The listings nearest to one."""

    space: str | None = Field(None, description="model, photos or attributes; default: the run's first")

    def request(self, listing: str) -> Similar:
        """What is asked."""
        return Similar(listing, self.rules, self.space, self.at, self.seconds)


class RecommendQuery(ExplainedQuery):
    """Listings for a user."""

    with_: str | None = Field(
        None,
        alias="with",
        description="added to the model: recency, neighbours, ids, joined by +; empty: nothing; default: what the service adds, "
        "else what lists add unasked: nothing, recency, attribute neighbors or both",
    )

    def request(self, user: str) -> Recommend:
        """What is asked."""
        return Recommend(user, [], self.rules, self.at, self.with_, self.seconds)


class PostedHistory(RecommendQuery):
    """A history, oldest event first; listings that the run does not know are left out and named in the answer."""

    model_config = POSTED

    history: Annotated[list[PostedEvent | str], Field(max_length=MOST_EVENTS)] = Field(
        description="events, or ids of listings; empty: popular and recent listings"
    )
    user_id: Id | None = Field(
        None, description="whose it is, where what is shown is kept; the list goes by the history alone"
    )
    # An address would be too long for so many.
    block: Texts = Field((), max_length=MOST_NAMED, description="listings that are in no list")

    def request_of_history(self) -> Recommend:
        """What is asked."""
        events = [
            Event(one) if isinstance(one, str) else Event(one.listing_id, one.action, one.duration_s)
            for one in self.history
        ]
        return Recommend(None, events, self.rules, self.at, self.with_, self.seconds, self.user_id)


class PostedListing(Forbidding):
    """A listing that the market does not have (yet)."""

    model_config = POSTED

    attributes: dict[str, Any] = Field(
        default_factory=dict,
        description="values by the name of an attribute; a place is latitude and longitude",
    )
    photos: Annotated[list[str], Field(max_length=MOST_PHOTOS)] = Field(
        default_factory=list, description="image files in base64, the cover first"
    )
    spaces: list[str] | None = Field(
        None,
        description="model, photos, attributes; default: all of the run but attributes, which take longer",
    )
    k: Annotated[int, Field(ge=0, le=MOST_LISTINGS)] = Field(0, description="also so many neighbours a space")

    def request(self) -> Embed:
        """What is asked; takes as long as reading the headers of its photos.

        Raises:
            VibesError: a photo is no base64, an attribute no value, or it is more than one listing may cost.
        """
        return Embed(checked_cells(self.attributes), read_photos(self.photos), self.spaces, self.k)


class WithoutPart(BaseModel):
    """What the score is lower without an attribute or a photo, and the place without it."""

    adds: float
    place_without: int | None = Field(description="null: nothing is known without it")


class WithoutEvent(WithoutPart):
    """An event of the history, by its number from 1."""

    event: int
    listing_id: str
    action: str | None


class WithoutAttribute(WithoutPart):
    """An attribute of the listing."""

    name: str


class WithoutPhoto(WithoutPart):
    """A photo of the listing by its place, 0 is the cover; -1: all of them."""

    photo: int


class Why(BaseModel):
    """What carried a listing, that which adds most first; attributes and photos are null where the time was up."""

    listing_id: str
    place: int = Field(description="among all listings that may be in the list, by what `counts` names")
    score: float = Field(description="of the model alone")
    counts: str = Field(description="what places count: model, and what is added to it")
    events: list[WithoutEvent]
    attributes: list[WithoutAttribute] | None
    photos: list[WithoutPhoto] | None


class AlikeAttribute(BaseModel):
    """An attribute, and how much lower the similarity is where both listings lack it."""

    name: str
    adds: float


class AlikePhoto(BaseModel):
    """A photo of one of the two by its place, and how much lower the similarity is without it."""

    listing_id: str
    photo: int
    adds: float


class WhyAlike(BaseModel):
    """What makes a listing like the one that was asked about, in the space of the list."""

    listing_id: str
    space: str
    place: int = Field(description="among all live listings by similarity in the space")
    score: float = Field(description="cosine in the space")
    attributes: list[AlikeAttribute]
    photos: list[AlikePhoto]
    note: str = Field("", description="why no part is told; empty: some are")


class FoundListing(BaseModel):
    """A listing and its cosine."""

    listing_id: str
    score: float
    rule: str | None = Field(
        None,
        description="what put it there but its score: pinned, or the last rule given up to fill the list: without at_most, "
        "without same, without where",
    )
    why: Why | WhyAlike | None = None


class Results(BaseModel):
    """Listings, best first."""

    results: list[FoundListing]
    fallback: bool = Field(
        False,
        description="there was no history to go by: these are popular and recent listings, under the same rules but `same`, with their "
        "recent events as score; left out where it is not so",
    )
    market_changed: bool = Field(
        False,
        description="the market is another than that which the run was made from; left out where it is not",
    )
    scorer: str | None = Field(
        None,
        description="what scored the list where it is not the model: untrained neighbors, in a run without one, or popular and recent "
        "listings, without a history",
    )
    nothing: str | None = Field(
        None,
        description="where there are no results, why, and what to do; options by their names at the command line",
    )
    request_id: str | None = Field(
        None,
        description="where what is shown is kept: events with it tell what became of the list; also a header",
    )


class Recommendations(Results):
    """Listings, best first."""

    unknown: list[str] = Field(description="listings of the history that the run does not know")


class Embeddings(BaseModel):
    """A listing's vectors by space, L2-normalised; a space in which it has nothing is left out."""

    vectors: dict[str, list[float]]
    similar: dict[str, list[FoundListing]]
    broken: dict[int, str] = Field(description="by the number of a photo why it was left out")


class Health(BaseModel):
    """What is served."""

    status: str
    run: str
    market: str
    listings: int
    spaces: list[str]
    model: bool
    generation: int = Field(description="refreshes that the run has behind it")
    market_changed: bool = Field(description="the market is another than that which the run was made from")
    opened: float = Field(description="when this state was opened, Unix time")
    problem: str = Field(description="why a newer state could not be opened; empty: none")
    worker: int = Field(description="the process that answers, of those of the service")


class Problem(BaseModel):
    """Why there is no answer, in one sentence."""

    error: str


class Accepted(BaseModel):
    """What became of posted events."""

    accepted: int
    repeated: list[str] = Field(description="ids of events that were taken before, and are not again")
    unknown: list[str] = Field(
        description="listings that the run does not have (yet); a refresh waits for them"
    )


class RefusedEvent(BaseModel):
    """An event that is none, by its place from 0, and why."""

    event: int
    error: str


class RefusedEvents(Problem):
    """Why nothing was taken."""

    events: list[RefusedEvent] = Field(default_factory=list)


def sentence(problems: Sequence[Any]) -> str:
    """The first problem that FastAPI found in a request."""
    problem = problems[0]
    place = [str(part) for part in problem["loc"] if part not in ("body", "query", "path", *FORMS)]
    name = printable(".".join(place))[:100].strip() or "A field without a name"
    if problem["type"] == "missing" and place:
        return f"{name} is missing; give it."
    if problem["type"] == "extra_forbidden":
        return f"{name} is unknown; remove it or correct its spelling."
    if problem["type"] == "json_invalid":
        return (
            f"The body is no JSON ({problem.get('ctx', {}).get('error', problem['msg'])}); mend that place."
        )
    if not place:
        return "The body is no JSON object; send one, with the header content-type: application/json."
    return f"{name} is {_shown(problem['input'])}; {problem['msg'][:1].lower()}{problem['msg'][1:]}."


def _shown(value: Any) -> str:
    try:
        text = printable(repr(value))
    except ValueError:  # Python writes out no number of more than 4,300 digits
        return "a number of too many digits"
    return cut(text, 60)
