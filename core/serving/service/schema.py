"""The bodies of requests and answers, as the OpenAPI document tells them."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from core.errors import VibesError
from core.serving.service.wishes import Embed, Event, Recommend

MOST_LISTINGS, MOST_EVENTS, MOST_PHOTOS = 1000, 1000, 30
Count = Annotated[int, Field(ge=1, le=MOST_LISTINGS, description="how many listings")]


class Forbidding(BaseModel):
    """Unknown keys are refused."""

    model_config = ConfigDict(extra="forbid")


class PostedEvent(Forbidding):
    """One event of a history."""

    listing_id: str
    action: str | None = None
    duration_s: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = None


class PostedHistory(Forbidding):
    """A history, oldest event first; listings that the run does not know are left out and named in the answer."""

    history: Annotated[list[PostedEvent], Field(min_length=1, max_length=MOST_EVENTS)]
    k: Count = 30
    at: str | int | None = Field(
        None,
        description="candidates are live then: a date, now, or a position; default: after the last event known",
    )

    def wish(self) -> Recommend:
        """What is asked."""
        events = [Event(event.listing_id, event.action, event.duration_s) for event in self.history]
        return Recommend(None, events, self.k, self.at)


class PostedListing(Forbidding):
    """A listing that the market does not have (yet)."""

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

    def wish(self) -> Embed:
        """What is asked.

        Raises:
            VibesError: a photo is no base64.
        """
        photos = []
        for number, text in enumerate(self.photos):
            try:
                photos.append(base64.b64decode(text, validate=True))
            except (binascii.Error, ValueError) as error:
                raise VibesError(
                    f"photos.{number} is no base64 ({error}); encode the file's bytes."
                ) from error
        return Embed(self.attributes, photos, self.spaces, self.k)


class FoundListing(BaseModel):
    """A listing and its cosine."""

    listing_id: str
    score: float


class Results(BaseModel):
    """Listings, best first."""

    results: list[FoundListing]


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
    opened: float = Field(description="when this state was opened, Unix time")
    problem: str = Field(description="why a newer state could not be opened; empty: none")


class Problem(BaseModel):
    """Why there is no answer, in one sentence."""

    error: str


def sentence(problems: Sequence[Any]) -> str:
    """The first problem that FastAPI found in a request."""
    problem = problems[0]
    place = [str(part) for part in problem["loc"] if part not in ("body", "query", "path")]
    name = ".".join(place)
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
    value = repr(problem["input"])
    shown = value if len(value) <= 60 else value[:59] + "…"
    return f"{name} is {shown}; {problem['msg'][:1].lower()}{problem['msg'][1:]}."
