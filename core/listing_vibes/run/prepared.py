"""The stored features of a run's market, so that opening a run does not encode texts and photos."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

from listing_vibes.features.featurizer import Features
from listing_vibes.features.tokens.tabular import Tokens
from listing_vibes.market.fingerprint import file_sha256
from listing_vibes.run.arrays import map_arrays, read_note, save_arrays
from listing_vibes.run.contents import DERIVED


def save_prepared(run: Path, features: Features, fingerprint: str) -> None:
    """Write the `features` of the market with this fingerprint into the run folder with their embeddings."""
    arrays = {f"tokens.{name}": array for name, array in vars(features.tokens).items()}
    arrays |= {"photo": features.photo, "text": features.text}
    save_arrays(run / DERIVED, arrays, f"{fingerprint} {weights_digest(run)}")


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
        arrays = map_arrays(run / DERIVED)
        tokens = Tokens(**{field.name: arrays[f"tokens.{field.name}"] for field in fields(Tokens)})
        return Features(tokens, arrays["photo"], arrays["text"])
    except Exception:  # The file is damaged or of another version, so features are computed again.
        return None
