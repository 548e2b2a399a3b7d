"""The types of `metrics.json`: pages and reports rely on them."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StrictFloat, StrictInt, StrictStr

Number = Annotated[StrictFloat | StrictInt, Field(allow_inf_nan=False)]
Count = Annotated[StrictInt, Field(ge=0, lt=10**15)]


class Estimate(BaseModel):
    """One figure with its interval; of a difference also its p-values."""

    model_config = ConfigDict(extra="ignore")

    value: Number | None
    low: Number | None = None
    high: Number | None = None
    p_value: Number | None = None
    p_holm: Number | None = None


Results = dict[str, dict[str, Estimate]]


class Slice(BaseModel):
    """The results of a part of the queries."""

    queries: Count = 0
    users: Count = 0
    results: Results = {}


class NewBy(Slice):
    """The results among what is new by an attribute."""

    attribute: StrictStr = ""
    differences: Results = {}


class Metrics(BaseModel):
    """The document; what is not listed here is not shown, either."""

    protocol: StrictStr = ""
    history_hidden: bool = False
    queries: Count = 0
    users: Count = 0
    results: Results
    differences: Results = {}
    slices: dict[str, Slice] = {}
    stability: list[dict[str, Number | StrictStr | None]] = []
    notes: dict[str, StrictStr] = {}
    new_by: NewBy | None = None


def parse_metrics(content: Any) -> dict[str, Any]:
    """Return the document, where every part that is shown has its type.

    Raises:
        ValueError: one has not.
    """
    Metrics.model_validate(content)
    document: dict[str, Any] = content
    return document
