"""A run's prepared features: what the model reads of its market, so that opening a run encodes no text and no photo."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, get_type_hints

import numpy as np

from listing_vibes.features.featurizer import Features
from listing_vibes.market.fingerprint import file_sha256
from listing_vibes.run.arrays import map_arrays, read_note, save_arrays
from listing_vibes.run.contents import DERIVED


def save_prepared(run: Path, features: Features, fingerprint: str) -> None:
    """Write `features` of the market with this fingerprint into a run folder whose embeddings are made of them."""
    save_arrays(run / DERIVED, _flatten(features), f"{fingerprint} {weights_digest(run)}")


def weights_digest(run: Path) -> str:
    """Return the sha256 of the weights in a run folder; "" without any."""
    path = run / "model.safetensors"
    return file_sha256(path) if path.is_file() else ""


def embedded_with(run: Path) -> str:
    """Return the `weights_digest` of the weights that made the embeddings in a run folder; "" where that is not known."""
    return read_note(run / DERIVED).partition(" ")[2]


def load_prepared(run: Path, fingerprint: str) -> Features | None:
    """Return the features in a run folder; None where there are none, or they are of another state of the market.

    They are mapped into memory: processes of one machine share them, and of photo vectors only those that are used
    are ever read.
    """
    if read_note(run / DERIVED).partition(" ")[0] != fingerprint:
        return None
    try:
        features: Features = _unflatten(Features, "", map_arrays(run / DERIVED))
        return features
    except Exception:  # damaged, or of another version: they are made again
        return None


def _flatten(value: Any, prefix: str = "") -> dict[str, np.ndarray]:
    """Return every array of nested dataclasses and dictionaries by its dotted name."""
    if isinstance(value, np.ndarray):
        return {prefix: value}
    parts = value if isinstance(value, dict) else {f.name: getattr(value, f.name) for f in fields(value)}
    return {
        name: array
        for key, part in parts.items()
        for name, array in _flatten(part, f"{prefix}.{key}" if prefix else key).items()
    }


def _unflatten(kind: Any, prefix: str, arrays: dict[str, np.ndarray]) -> Any:
    """Invert `_flatten`. Raises KeyError where an array is missing."""
    hints, parts = get_type_hints(kind), {}
    for field in fields(kind):
        name, hint = f"{prefix}.{field.name}" if prefix else field.name, hints[field.name]
        if is_dataclass(hint):
            parts[field.name] = _unflatten(hint, name, arrays)
        elif hint is np.ndarray:
            parts[field.name] = arrays[name]
        else:  # a dictionary of arrays
            start = name + "."
            parts[field.name] = {k.removeprefix(start): v for k, v in arrays.items() if k.startswith(start)}
    return kind(**parts)
