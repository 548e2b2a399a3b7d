"""The names of the rankings in an evaluation."""

from __future__ import annotations

#: The order that lists have unless another blend is requested.
DEFAULT_RANKING = "default ranking"
#: The trained model with nothing added.
MODEL_ONLY = "model only"


def blend_name(*parts: str) -> str:
    """Return the name of the model blended with `parts`, such as "model only + neighbors + recency"."""
    return " + ".join((MODEL_ONLY, *parts))


def blend_parts(name: str) -> str:
    """Return what a ranking adds to the model, joined by +; "" where it adds nothing or is no blend of the model."""
    return (
        name.removeprefix(f"{MODEL_ONLY} + ").replace(" + ", "+")
        if name.startswith(f"{MODEL_ONLY} + ")
        else ""
    )


def uses_model(name: str) -> bool:
    """Return whether a ranking is the trained model's, alone or blended, and so no baseline of it."""
    return name in (DEFAULT_RANKING, MODEL_ONLY) or name.startswith(f"{MODEL_ONLY} + ")
