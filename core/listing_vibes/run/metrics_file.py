"""`metrics.json` of a run, taken apart: pages and reports may rely on the types of what they show."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StrictFloat, StrictInt, StrictStr

from listing_vibes.scoring.ranking_names import current_name, current_names

Number = Annotated[StrictFloat | StrictInt, Field(allow_inf_nan=False)]
Count = Annotated[StrictInt, Field(ge=0, lt=10**15)]


class Estimate(BaseModel):
    """One figure with its interval; of a difference also what a test says of it."""

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
    """Return the document with the current names of rankings, where every part that is shown has its type.

    Raises:
        ValueError: one has not.
    """
    Metrics.model_validate(content)
    found: dict[str, Any] = content
    is_current = all(name == current_name(name) for name in found["results"])
    return found if is_current else _with_current_names(found)


def _current_note(note: str) -> str:
    return current_name(note) if note.startswith("model ") else note.partition("; model alone")[0]


def _with_current_names(stored: dict[str, Any]) -> dict[str, Any]:
    """Return a document from before the names of rankings changed with the names that they have now."""
    names = current_names(list(stored["results"]))

    def results(part: dict[str, Any]) -> dict[str, Any]:
        return {name: part[old] for name, old in names.items() if old in part}

    def differences(part: dict[str, Any]) -> dict[str, Any]:
        pairs = {pair: pair.split(" - ") for pair in part}
        return {" - ".join(map(current_name, names)): part[pair] for pair, names in pairs.items()}

    found = stored | {
        "results": results(stored["results"]),
        "differences": differences(stored.get("differences", {})),
        "slices": {
            key: one | {"results": results(one.get("results", {}))}
            for key, one in stored.get("slices", {}).items()
        },
        "stability": [
            row | {"scorer": name}
            for row in stored.get("stability", [])
            for name, old in names.items()
            if old == row.get("scorer")
        ],
        "notes": {current_name(name): _current_note(note) for name, note in stored.get("notes", {}).items()},
    }
    if new_by := stored.get("new_by"):
        found["new_by"] = new_by | {
            "results": results(new_by.get("results", {})),
            "differences": differences(new_by.get("differences", {})),
        }
    return found
