"""The files of a run, and the check that they are the ones that `run.toml` describes.

Opening a run compares the size of each file. A file of at most `MAX_HASHED_BYTES` is compared with its digest when it is first
loaded, which takes about 1 ms per MB; larger files are only compared by size, so that a model of gigabytes starts as fast.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from listing_vibes.errors import VibesError
from listing_vibes.market.fingerprint import file_sha256
from listing_vibes.run.arrays import map_arrays, to_strings
from listing_vibes.run.manifest import FileFacts, Manifest

#: Ids and vectors of all listings.
LISTINGS = "listings.safetensors"
#: Computed from the other files if it is missing or damaged.
DERIVED = "prepared.safetensors"
#: The files of a state; pushes exist only after a refresh.
FILES = (
    LISTINGS, "model.safetensors", "vocabulary.json", "features.safetensors", DERIVED, "pushes.parquet", "seen.json",
)  # fmt: skip
#: The spaces that a run may have, in addition to the market's own vectors.
SPACES = ("model", "photos", "attributes")
MAX_HASHED_BYTES = 64 * 2**20
CHUNK = 512  # vectors


def seal(folder: Path, manifest: Manifest) -> Manifest:
    """Write `run.toml` with the sizes and digests of the other files of a folder, and return the manifest."""
    present = [folder / name for name in FILES if (folder / name).is_file()]
    files = {path.name: FileFacts(bytes=path.stat().st_size, sha256=file_sha256(path)) for path in present}
    sealed = manifest.model_copy(update={"files": files})
    sealed.save(folder)
    return sealed


def check_opened(folder: Path, manifest: Manifest) -> None:
    """Compare the sizes of a state's files with those in its `run.toml`.

    Raises:
        VibesError: a file is missing or has another size.
    """
    for name, facts in manifest.files.items():
        path = folder / name
        size = path.stat().st_size if path.is_file() else 0
        if name in FILES and name != DERIVED and size != facts.bytes:
            raise damaged(path, f"it has {size:,} bytes, not {facts.bytes:,}")


def check_loaded(folder: Path, *names: str) -> None:
    """Compare files with their digests before they are first loaded; see `MAX_HASHED_BYTES`.

    Raises:
        VibesError: a file is not the one that `run.toml` describes.
    """
    for name in names:
        if not is_sound(folder, name):
            raise damaged(folder / name, "it is not the file that run.toml describes")


def is_sound(folder: Path, name: str) -> bool:
    """Return whether a file is the one that `run.toml` describes; True if the file is missing or, unless `DERIVED`, not described."""
    path = folder / name
    if not (folder / "run.toml").is_file() or not path.is_file():
        return True  # The state is not complete yet.
    facts = Manifest.load(folder).files.get(name)
    if facts is None:
        return name != DERIVED  # Which is computed again.
    is_large = facts.bytes > MAX_HASHED_BYTES
    return path.stat().st_size == facts.bytes and (is_large or file_sha256(path) == facts.sha256)


def read_spaces(path: Path, widths: Mapping[str, int] | None = None) -> dict[str, np.ndarray]:
    """Return the `listing_id` (L,), and the vectors (L, d) of each space, whose values are not checked; see `check_vectors`.

    Args:
        widths: the required width of each space; None for any.

    Raises:
        VibesError: the file is damaged, or the shapes of its arrays do not match.
    """
    try:
        arrays = map_arrays(path)
        ids = arrays["listing_id"] = to_strings(arrays["listing_id"])
    except MemoryError:
        raise
    except Exception as error:  # json, numpy and safetensors raise many types of errors on damaged files.
        raise damaged(path, error) from error
    if len(arrays) == 1:
        raise damaged(path, "it has no vectors")
    for name, vectors in arrays.items():
        if name == "listing_id":
            continue
        expected = (len(ids), (widths or {}).get(name, vectors.shape[1] if vectors.ndim == 2 else 0))
        if vectors.dtype.kind != "f" or vectors.shape != expected:
            raise damaged(path, f"{name} is {vectors.dtype} {vectors.shape}, not floats {expected}")
    return arrays


def check_vectors(path: Path, name: str, vectors: np.ndarray) -> None:
    """Check that the vectors (L, d) of the space `name` are finite.

    Raises:
        VibesError: a vector contains NaN or infinity; the message names the file.
    """
    for begin in range(0, len(vectors), CHUNK):  # Temporary arrays of a chunk stay in the processor's cache.
        subset = vectors[begin : begin + CHUNK]
        # numpy converts float16 one number at a time; comparing the bits is faster.
        is_finite = (
            (subset.view(np.uint16) & 0x7FFF) < 0x7C00 if subset.dtype == np.float16 else np.isfinite(subset)
        )
        if not is_finite.all():
            raise damaged(path, f"{name} contains NaN or infinity")


def damaged(path: Path, reason: object) -> VibesError:
    """Return the error for a damaged file."""
    if isinstance(reason, BaseException):
        reason = " ".join(str(reason).split())[:200] or type(reason).__name__
    return VibesError(
        f"{path} is damaged ({reason}); copy the run again from an intact one, or embed it again with "
        "`vibes embed MARKET RUN --model RUN`."
    )
