"""Conditions on attributes, as rows of a table and as an expression of Milvus."""

from __future__ import annotations

import json
from collections.abc import Collection
from typing import Any

import numpy as np
import pandas as pd

from listing_vibes.errors import VibesError
from listing_vibes.search.store.protocol import Between, Condition, Filter


def refuse_unknown(filter: Filter | None, names: Collection[str]) -> None:
    """Raises:
    VibesError: a condition on an attribute that is not among the `names` that the store keeps, so that nothing met it.
    """
    unknown = [name for name in filter or {} if name not in names]
    if unknown:
        known = ", ".join(sorted(names)) or "none"
        raise VibesError(f"The store keeps no attribute '{unknown[0]}' to filter by; it has: {known}.")


def matches(table: pd.DataFrame, filter: Filter) -> np.ndarray:
    """(n,) bool: which rows of `table` fulfil every condition.

    Raises:
        VibesError: bounds on a column of text.
    """
    found = np.ones(len(table), bool)
    for name, condition in filter.items():
        found &= _fulfilled(table[name], condition) if name in table else False
    return found


def _fulfilled(column: pd.Series, condition: Condition) -> np.ndarray:
    if isinstance(condition, Between):
        if not pd.api.types.is_numeric_dtype(column):
            raise VibesError(
                f"The filter asks for bounds on '{column.name}', which holds no numbers; give values."
            )
        inside = column.notna()
        if condition.low is not None:
            inside &= column >= condition.low
        if condition.high is not None:
            inside &= column <= condition.high
        return inside.to_numpy(bool, na_value=False)
    values = _values(condition)
    return (column.isin(values) & column.notna()).to_numpy(bool, na_value=False)


def milvus_expression(filter: Filter) -> str:
    """The same conditions in Milvus' language; values are quoted as JSON, so that none can be read as code."""
    return " and ".join(_term(name, condition) for name, condition in filter.items())


def _term(name: str, condition: Condition) -> str:
    if not name.isidentifier():
        raise VibesError(f"Milvus cannot filter by an attribute called '{name}'; use letters, digits and _.")
    if isinstance(condition, Between):
        bounds = [(">=", condition.low), ("<=", condition.high)]
        parts = [f"{name} {sign} {json.dumps(bound)}" for sign, bound in bounds if bound is not None]
        return " and ".join(parts) or f"{name} is not null"
    return f"{name} in {json.dumps(_values(condition), ensure_ascii=False)}"


def _values(condition: Any) -> list[Any]:
    if isinstance(condition, Collection) and not isinstance(condition, str):
        return list(condition)
    return [condition]
