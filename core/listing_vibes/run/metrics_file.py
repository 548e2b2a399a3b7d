"""The schema of `metrics.json`, which pages and reports rely on."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, Field, StrictFloat, StrictInt, StrictStr

Number = Annotated[StrictFloat | StrictInt, Field(allow_inf_nan=False)]
Count = Annotated[StrictInt, Field(ge=0, lt=10**15)]


class Estimate(BaseModel):
    """A value with its confidence interval and, for a difference, its p-values."""

    value: Number | None
    low: Number | None = None
    high: Number | None = None
    p_value: Number | None = None
    p_holm: Number | None = None


Results = dict[str, dict[str, Estimate]]


class Slice(BaseModel):
    """The results on a part of the queries, or among candidates with a new value of an attribute."""

    queries: Count = 0
    users: Count = 0
    results: Results = {}
    differences: Results = {}
    attribute: StrictStr = ""


class Metrics(Slice):
    """The document; other keys are not shown."""

    results: Results
    protocol: StrictStr = ""
    history_hidden: bool = False
    slices: dict[str, Slice] = {}
    stability: list[dict[str, Number | StrictStr | None]] = []
    notes: dict[str, StrictStr] = {}
    new_by: Slice | None = None


def parse_metrics(content: Any) -> dict[str, Any]:
    """Return the document after validating it.

    Raises:
        ValueError: a value has the wrong type.
    """
    Metrics.model_validate(content)
    return dict(content)
