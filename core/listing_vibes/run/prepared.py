"""The stored features of a run's market, so that opening a run does not encode texts and photos."""

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
    """Write the `features` of the market with this fingerprint into the run folder with their embeddings."""
    save_arrays(run / DERIVED, _flatten(features), f"{fingerprint} {weights_digest(run)}")


def weights_digest(run: Path) -> str:
    """Return the sha256 of the weights in a run folder; "" without weights."""
    path = run / "model.safetensors"
    return file_sha256(path) if path.is_file() else ""


def embedded_with(run: Path) -> str:
    """Return the `weights_digest` of the weights that computed the embeddings in a run folder; "" if unknown."""
    return read_note(run / DERIVED).partition(" ")[2]


def load_prepared(run: Path, fingerprint: str) -> Features | None:
    """Return the features in a run folder; None if there are none, or they are of another state of the market.

    They are memory-mapped, so that the processes of a machine share them and unused photo vectors are not read.
    """
    if read_note(run / DERIVED).partition(" ")[0] != fingerprint:
        return None
    try:
        features: Features = _unflatten(Features, "", map_arrays(run / DERIVED))
        return features
    except Exception:  # The file is damaged or of another version, so features are computed again.
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
    """Invert `_flatten`. Raises KeyError if an array is missing."""
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
