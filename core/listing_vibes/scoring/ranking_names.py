"""Names of the rankings of an evaluation, and those that files of an earlier version have for them."""

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


def current_name(name: str) -> str:
    """Return the name of a ranking from any version as it is now."""
    if name == "model":
        return DEFAULT_RANKING
    if name == "model alone":
        return MODEL_ONLY
    if name.startswith("model + "):
        name = MODEL_ONLY + name.removeprefix("model").replace("id blend", "ids")
    return name.replace("neighbours", "neighbors")


def current_names(names: list[str]) -> dict[str, str]:
    """Return what each ranking is now called, by its new name the stored one.

    In files of an earlier version "model" is the default ranking, and where they have no "model alone" also the model
    only: nothing was added to it.
    """
    by_name = {current_name(name): name for name in names}
    if "model" not in names or MODEL_ONLY in by_name:
        return by_name
    first = {DEFAULT_RANKING: "model", MODEL_ONLY: "model"}
    return first | by_name
