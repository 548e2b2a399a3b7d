"""A run's prepared features: what the model reads of its market, kept so that opening a run encodes no text and no photo."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, get_type_hints

import numpy as np

from listing_vibes.features.featurizer import Features
from listing_vibes.market.durable import atomic_path
from listing_vibes.market.fingerprint import file_sha256

FILE = "prepared.safetensors"
MADE_OF = "made of"  # fingerprint of the market, digest of the weights


def save_prepared(run: Path, features: Features, fingerprint: str) -> None:
    """Write `features` of the market with this fingerprint into a run folder whose embeddings are made of them."""
    from safetensors.numpy import save_file

    arrays = {name: np.ascontiguousarray(array) for name, array in _flat(features).items()}
    with atomic_path(run / FILE) as temporary:
        # One entry: safetensors writes several in no order, so that the same content would not be the same bytes.
        save_file(arrays, temporary, {MADE_OF: f"{fingerprint} {weights_digest(run)}"})


def weights_digest(run: Path) -> str:
    """sha256 of the weights in a run folder; "" without any."""
    path = run / "model.safetensors"
    return file_sha256(path) if path.is_file() else ""


def embedded_with(run: Path) -> str:
    """`weights_digest` of the weights that made the embeddings in a run folder; "" where that was not kept."""
    from safetensors import SafetensorError, safe_open

    if not (run / FILE).is_file():
        return ""
    try:
        with safe_open(run / FILE, "numpy") as stored:
            return _made_of(stored.metadata())[1]
    except SafetensorError:
        return ""


def load_prepared(run: Path, fingerprint: str) -> Features | None:
    """The features kept in a run folder; None where there are none, or they are of another state of the market.

    They are mapped into memory: processes of one machine share them, and of photo vectors only those that are used
    are ever read.
    """
    from safetensors import safe_open

    if not (run / FILE).is_file():
        return None
    try:
        with safe_open(run / FILE, "pt") as stored:  # "pt" maps the file copy-on-write, "numpy" would read it
            if _made_of(stored.metadata())[0] != fingerprint:
                return None
            arrays = {name: stored.get_tensor(name).numpy() for name in stored.keys()}  # noqa: SIM118
        return _built(Features, "", arrays)
    except Exception:  # damaged, or of another version: they are made again
        return None


def _made_of(metadata: dict[str, str] | None) -> tuple[str, str]:
    """Fingerprint and digest; "" for what was not kept. Runs of before had an entry each."""
    told = metadata or {}
    fingerprint, _, weights = told.get(MADE_OF, "").partition(" ")
    return fingerprint or told.get("fingerprint", ""), weights or told.get("weights", "")


def _flat(value: Any, prefix: str = "") -> dict[str, np.ndarray]:
    """Every array of nested dataclasses and dictionaries by its dotted name."""
    if isinstance(value, np.ndarray):
        return {prefix: value}
    parts = value if isinstance(value, dict) else {f.name: getattr(value, f.name) for f in fields(value)}
    return {
        name: array
        for key, part in parts.items()
        for name, array in _flat(part, f"{prefix}.{key}" if prefix else key).items()
    }


def _built(kind: Any, prefix: str, arrays: dict[str, np.ndarray]) -> Any:
    """The inverse of `_flat`. Raises KeyError where an array is missing."""
    hints, parts = get_type_hints(kind), {}
    for field in fields(kind):
        name, hint = f"{prefix}.{field.name}" if prefix else field.name, hints[field.name]
        if is_dataclass(hint):
            parts[field.name] = _built(hint, name, arrays)
        elif hint is np.ndarray:
            parts[field.name] = arrays[name]
        else:  # a dictionary of arrays
            start = name + "."
            parts[field.name] = {k.removeprefix(start): v for k, v in arrays.items() if k.startswith(start)}
    return kind(**parts)
