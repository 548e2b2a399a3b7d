"""Conditions on attributes, as an expression of Milvus."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from listing_vibes.errors import VibesError


@dataclass(frozen=True)
class Between:
    """A condition: the value is at least `low` and at most `high`; None leaves a side open."""

    low: float | int | None = None
    high: float | int | None = None


Value = str | bool | int | float
Condition = Value | Collection[Value] | Between  # equal to, one of, within
#: All conditions, by the name of an attribute, have to hold; a missing value fulfils none.
Filter = Mapping[str, Condition]


def refuse_unknown(filter: Filter | None, names: Collection[str]) -> None:
    """Raises:
    VibesError: a condition on an attribute that is not among the `names` that the store keeps, so that nothing met it.
    """
    unknown = [name for name in filter or {} if name not in names]
    if unknown:
        known = ", ".join(sorted(names)) or "none"
        raise VibesError(f"The store keeps no attribute '{unknown[0]}' to filter by; it has: {known}.")


def milvus_expression(filter: Filter) -> str:
    """Return the conditions in Milvus' language; values are quoted as JSON, so that none can be read as code."""
    return " and ".join(_term(name, condition) for name, condition in filter.items())


def _term(name: str, condition: Condition) -> str:
    if not name.isidentifier():
        raise VibesError(f"Milvus cannot filter by an attribute called '{name}'; use letters, digits and _.")
    if isinstance(condition, Between):
        bounds = [(">=", condition.low), ("<=", condition.high)]
        parts = [f"{name} {sign} {json.dumps(bound)}" for sign, bound in bounds if bound is not None]
        return " and ".join(parts) or f"{name} is not null"
    values = [condition] if isinstance(condition, str | bool | int | float) else list(condition)
    return f"{name} in {json.dumps(values, ensure_ascii=False)}"
