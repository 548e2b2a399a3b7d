"""What `run.toml` says of the files beside it, and whether the files are those.

Opening a run compares the size of each. The content of a file, where it has at most `READ_WHOLE` bytes, is compared with its
digest when it is first loaded, which adds some 1 ms a MB to that; larger ones are only compared by size, so that a model of
gigabytes does not start later for it.
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
#: Made of the others where it is missing or damaged.
DERIVED = "prepared.safetensors"
#: The files that make a state; pushes belong to a refreshed one.
FILES = (
    LISTINGS, "model.safetensors", "vocabulary.json", "features.safetensors", DERIVED, "pushes.parquet", "seen.json",
)  # fmt: skip
#: The spaces that a run may have beside the market's own vectors.
SPACES = ("model", "photos", "attributes")
READ_WHOLE = 64 * 2**20  # bytes
AT_ONCE = 512  # vectors


def seal(folder: Path, manifest: Manifest) -> Manifest:
    """Write `run.toml` into a folder whose other files are all there, with their sizes and digests; returns it."""
    present = [folder / name for name in FILES if (folder / name).is_file()]
    files = {path.name: FileFacts(bytes=path.stat().st_size, sha256=file_sha256(path)) for path in present}
    sealed = manifest.model_copy(update={"files": files})
    sealed.save(folder)
    return sealed


def check_opened(folder: Path, manifest: Manifest) -> None:
    """Compare the sizes of a state's files with what its `run.toml` says of them.

    Raises:
        VibesError: one is missing, or another.
    """
    for name, facts in manifest.files.items():
        path = folder / name
        if name not in FILES or name == DERIVED:
            continue
        if not path.is_file():
            raise VibesError(f"{folder} lacks {name}; {_hint(name)}.")
        if (size := path.stat().st_size) != facts.bytes:
            raise _other_file(path, f"it has {size:,} bytes, not {facts.bytes:,}")


def check_loaded(folder: Path, *names: str) -> None:
    """Compare files with their digests, before they are first loaded; see `READ_WHOLE`.

    Raises:
        VibesError: one is another than `run.toml` says.
    """
    for name in names:
        if not is_sound(folder, name):
            raise _other_file(folder / name, "its content differs")


def is_sound(folder: Path, name: str) -> bool:
    """Return whether a file is the one that `run.toml` says; True where that says nothing, or the file is missing."""
    path = folder / name
    if not (folder / "run.toml").is_file() or not path.is_file():
        return True  # a state that is being made
    facts = Manifest.load(folder).files.get(name)
    if facts is None:
        return True
    is_large = facts.bytes > READ_WHOLE
    return path.stat().st_size == facts.bytes and (is_large or file_sha256(path) == facts.sha256)


def read_spaces(
    path: Path, widths: Mapping[str, int] | None = None, whole: bool = True
) -> dict[str, np.ndarray]:
    """Return `listing_id` (L,), each once, and of each space (L, d) its vectors, all finite.

    Args:
        widths: that a space must have; None: any.
        whole: False: ids and vectors are left to `rows_of` and `check_finite`, so that nothing is read of what is not used.

    Raises:
        VibesError: the file is damaged, or its arrays do not fit each other.
    """
    try:
        arrays = map_arrays(path)
        ids = arrays["listing_id"] = to_strings(arrays["listing_id"])
    except MemoryError:
        raise
    except Exception as error:  # json, numpy and safetensors raise nearly anything on damaged bytes
        raise damaged(path, error) from error
    if whole:
        rows_of(path, ids)
    if len(arrays) == 1:
        raise damaged(path, "it has no vectors")
    for name, vectors in arrays.items():
        if name == "listing_id":
            continue
        if vectors.ndim != 2 or vectors.dtype.kind != "f":
            raise damaged(path, f"{name} is {vectors.dtype} {vectors.shape}, no vectors")
        width = (widths or {}).get(name, vectors.shape[1])
        if vectors.shape != (len(ids), width):
            raise damaged(path, f"{name} is {vectors.shape}, not {(len(ids), width)}")
        if whole:
            check_finite(path, name, vectors)
    return arrays


def rows_of(path: Path, ids: np.ndarray) -> dict[str, int]:
    """Return the row by listing id, of `ids` (L,).

    Raises:
        VibesError: one is there twice.
    """
    rows = {listing: row for row, listing in enumerate(ids.tolist())}
    if len(rows) != len(ids):
        raise damaged(path, "a listing id is there twice")
    return rows


def check_finite(path: Path, name: str, vectors: np.ndarray) -> None:
    """Raises:
    VibesError: the vectors (L, d) of the space `name` are not all finite.
    """
    for begin in range(0, len(vectors), AT_ONCE):  # what is made on the way stays in the processor's cache
        subset = vectors[begin : begin + AT_ONCE]
        # numpy converts float16 number by number; its bits are quicker.
        is_finite = (
            (subset.view(np.uint16) & 0x7FFF) < 0x7C00 if subset.dtype == np.float16 else np.isfinite(subset)
        )
        if not is_finite.all():
            raise damaged(path, f"{name} holds NaN or infinity")


def damaged(path: Path, reason: object) -> VibesError:
    """Return the error of a file that cannot be what it is called."""
    if isinstance(reason, BaseException):
        reason = " ".join(str(reason).split())[:200] or type(reason).__name__
    return VibesError(f"{path} is damaged ({reason}); {_hint(path.name)}.")


def _other_file(path: Path, reason: str) -> VibesError:
    return VibesError(f"{path} is not the file that run.toml describes ({reason}); {_hint(path.name)}.")


def _hint(name: str) -> str:
    if name == LISTINGS:
        return "embed the run again with `vibes embed MARKET RUN --model RUN`, or copy it again from where it is whole"
    if name == "pushes.parquet":
        return "embed the run again, and refresh it"
    return "copy the run again from where it is whole, or train it again"
