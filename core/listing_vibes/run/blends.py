"""The files of `vibes evaluate`: the fitted blends in `serving.json`, and the schema of `metrics.json`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BaseModel, Field, StrictFloat, StrictInt, StrictStr, TypeAdapter

from listing_vibes.market.documents import read_json, write_json
from listing_vibes.market.durable import copy_file
from listing_vibes.model.settings import BlendWeights
from listing_vibes.request_errors import RequestError
from listing_vibes.run.versions import results_of
from listing_vibes.scoring.blend import ALONE
from listing_vibes.scoring.ranking_metrics import blend_parts

if TYPE_CHECKING:
    from listing_vibes.run.run import Run

FITTED_BLENDS = "serving.json"
#: The value of `--blend` for the model only.
NO_BLEND = "nothing"


def choose_blend(run: Run, blend: str | None) -> BlendWeights:
    """Return the weights of a requested blend of a run: "recency", "neighbors" or "ids", joined by + in any order, as `vibes evaluate`
    fitted them; the default ones for None, and those of the model only for "nothing".

    Raises:
        VibesError: the run has no such blend, or no model.
    """
    if blend is None:
        return run.manifest.settings.blend or ALONE
    if blend == NO_BLEND:
        return ALONE
    if not run.has_model:
        raise RequestError("no_model_to_blend", run=run.label, blend=blend)
    blends = {frozenset(blend_parts(fit.name).split("+")): fit for fit in run.fitted_blends}
    query = frozenset(part.strip() for part in blend.split("+"))
    if query in blends:
        return blends[query]
    if blends:
        names = ", ".join(blend_parts(fit.name) for fit in blends.values())
        raise RequestError("unknown_blend", run=run.label, blend=blend, choices=names)
    raise RequestError("no_blends", run=run.label, blend=blend)


def save_blends(run: Path, blends: Sequence[BlendWeights]) -> None:
    """Write `serving.json` into a run folder."""
    write_json(run / FITTED_BLENDS, [fit.model_dump() for fit in blends], indent=1)


def load_blends(run: Path) -> list[BlendWeights]:
    """Return the blends that `vibes evaluate` fitted for a run; empty if there are none.

    Raises:
        VibesError: the file is damaged.
    """
    path = results_of(run) / FITTED_BLENDS
    return read_json(path, "evaluate the run again", TypeAdapter(list[BlendWeights]).validate_python) or []


def copy_blends(measured: Path, run: Path) -> None:
    """Copy the fitted blends of the run `measured` to a refit of it."""
    if (results_of(measured) / FITTED_BLENDS).is_file():
        copy_file(results_of(measured) / FITTED_BLENDS, run / FITTED_BLENDS)


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
    """The results on a part of the queries."""

    queries: Count = 0
    users: Count = 0
    results: Results = {}
    differences: Results = {}


class MetricsDocument(Slice):
    """The document; other keys are not shown."""

    results: Results
    protocol: StrictStr = ""
    history_hidden: bool = False
    slices: dict[str, Slice] = {}
    stability: list[dict[str, Number | StrictStr | None]] = []
    notes: dict[str, StrictStr] = {}


def parse_metrics(content: Any) -> dict[str, Any]:
    """Return the document after validating it.

    Raises:
        ValueError: a value has the wrong type.
    """
    MetricsDocument.model_validate(content)
    return dict(content)
