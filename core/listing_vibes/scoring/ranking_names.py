"""The names of rankings: the same in tables, JSON, files, on pages, in the report and in the docs.

A baseline has its name in its class (`listing_vibes.scoring.baselines`), neighbors in `listing_vibes.scoring.neighbors.NEIGHBORS`.
"""

from listing_vibes.words import capitalize

#: The order that lists have unless another blend is requested.
DEFAULT_RANKING = "default ranking"
#: The trained model with nothing added.
MODEL_ONLY = "model only"
#: The untrained neighbors with recency.
NEAR_RECENT = "neighbors + recency"
#: Co-visits with content in closed form, and with neighbors and recency: all that the default ranking can have without a model.
CONTENT_EASE = "content EASE"
WITHOUT_MODEL = f"{CONTENT_EASE} + {NEAR_RECENT}"
#: The ceiling of a simulated market, which knows the tastes of its users: no baseline, but an upper bound.
ORACLE = "oracle"
CEILING = "Ceiling"


def blend_name(*parts: str) -> str:
    """Return the name of the model blended with `parts`, such as "model + neighbors + recency"; without parts `MODEL_ONLY`."""
    return " + ".join(("model", *parts)) if parts else MODEL_ONLY


def blend_parts(name: str) -> str:
    """Return what a ranking adds to the model, joined by +; "" where it adds nothing or is not a blend of the model."""
    model, _, parts = name.partition(" + ")
    return parts.replace(" + ", "+") if model in ("model", MODEL_ONLY) else ""


def uses_model(name: str) -> bool:
    """Return whether a ranking is the trained model's, alone or blended, and so no baseline of it."""
    return name in (DEFAULT_RANKING, MODEL_ONLY) or bool(blend_parts(name))


def method_name(name: str) -> str:
    """Return the name of a ranking at the start of a line or a cell; that of the oracle says what it means."""
    return CEILING if name == ORACLE else capitalize(name)
