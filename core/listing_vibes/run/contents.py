"""What `run.toml` says of the files beside it, and whether the files are those.

Opening a run compares the size of each, and what the heads of its arrays say (names, shapes, types): a few reads of some
hundred bytes. The content of a file, where it has at most `READ_WHOLE` bytes, is compared with its digest when it is first
loaded, which adds some 1 ms a MB to that; larger ones are only compared as they are opened, so that a model of gigabytes
does not start later for it. A run of a version that kept no digests is taken by its heads and values alone.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from listing_vibes.errors import VibesError
from listing_vibes.run.manifest import FileFacts, Manifest
from listing_vibes.run.npz import places_of, read_npz

#: The files that make a state; pushes belong to a refreshed one.
FILES = (
    "listings.npz", "model.safetensors", "vocabulary.json", "features.safetensors", "prepared.safetensors",
    "pushes.parquet", "seen.json",
)  # fmt: skip
#: Made of the others where it is missing or damaged.
DERIVED = "prepared.safetensors"
#: The spaces that `listings.npz` may hold beside the market's own vectors.
SPACES = ("model", "photos", "attributes")
READ_WHOLE = 64 * 2**20  # bytes
AT_ONCE = 512  # vectors

Heads = dict[str, tuple[str, list[int]]]  # of each array: type and shape


def seal(folder: Path, manifest: Manifest) -> Manifest:
    """Write `run.toml` into a folder whose other files are all there, with what is to be known of these; returns it."""
    files = {name: facts_of(folder / name) for name in FILES if (folder / name).is_file()}
    sealed = manifest.model_copy(update={"files": files})
    sealed.save(folder)
    return sealed


def facts_of(path: Path) -> FileFacts:
    """Size, digest and arrays of a file."""
    with path.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    heads = {name: f"{kind} {shape}" for name, (kind, shape) in heads_of(path).items()}
    if path.suffix == ".safetensors":  # hundreds: their digest tells as much
        heads = {"heads": _digest_of(heads)}
    return FileFacts(bytes=path.stat().st_size, sha256=digest, arrays=heads)


def heads_of(path: Path) -> Heads:
    """Type and shape of each array in an `.npz` or `.safetensors` file; nothing of any other.

    Raises:
        VibesError: it is damaged.
    """
    read = {".npz": _npz_heads, ".safetensors": _safetensors_heads}.get(path.suffix)
    if read is None:
        return {}
    try:
        return read(path)
    except (MemoryError, ImportError):
        raise
    except Exception as error:  # zip, numpy and safetensors raise nearly anything on damaged bytes
        raise damaged(path, error) from error


def check_opened(folder: Path, manifest: Manifest) -> None:
    """Compare the files of a state with what its `run.toml` says of them, without reading them whole.

    Raises:
        VibesError: one is missing, or another.
    """
    for name, facts in manifest.files.items():
        path = folder / name
        if name not in FILES or name == DERIVED:
            continue
        if not path.is_file():
            raise VibesError(f"{folder} lacks {name}; {_mend(name)}.")
        size = path.stat().st_size
        if size != facts.bytes:
            raise _other(path, f"it has {size:,} bytes, not {facts.bytes:,}")
        if facts.arrays and _told(path) != facts.arrays:
            raise _other(path, "its arrays have other names, shapes or types")


def check_loaded(folder: Path, *names: str) -> None:
    """Compare whole files with their digests, before they are first loaded; see `READ_WHOLE`.

    Raises:
        VibesError: one is another than `run.toml` says.
    """
    for name in names:
        if not is_sound(folder, name):
            raise _other(folder / name, "its content differs")


def is_sound(folder: Path, name: str) -> bool:
    """Whether a file is the one that `run.toml` says; True where that says nothing, or the file is missing."""
    if not (folder / "run.toml").is_file():
        return True  # a state that is being made
    facts, path = Manifest.load(folder).files.get(name), folder / name
    if facts is None or not path.is_file():
        return True
    if path.stat().st_size != facts.bytes:
        return False
    if facts.bytes > READ_WHOLE:
        return not facts.arrays or _told(path) == facts.arrays
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest() == facts.sha256


def read_spaces(
    path: Path, widths: Mapping[str, int] | None = None, whole: bool = True
) -> dict[str, np.ndarray]:
    """The arrays of `listings.npz`: `listing_id` (L,), each once, and of each space (L, d), all finite.

    Args:
        widths: that a space must have; None: any.
        whole: False: that is left to `rows_of` and `check_finite`, so that nothing is read of what nobody asks for.

    Raises:
        VibesError: it is damaged, or its arrays do not fit each other.
    """
    try:
        found = read_npz(path, places_of(path))
    except MemoryError:
        raise
    except Exception as error:
        raise damaged(path, error) from error
    ids = found.get("listing_id")
    if ids is None or ids.ndim != 1 or ids.dtype.kind != "U":
        raise damaged(path, "it has no listing ids")
    if whole:
        rows_of(path, ids)
    if len(found) == 1:
        raise damaged(path, "it has no vectors")
    for name, vectors in found.items():
        if name == "listing_id":
            continue
        if vectors.ndim != 2 or vectors.dtype.kind != "f" or vectors.dtype.itemsize > 8:
            raise damaged(path, f"{name} is {vectors.dtype} {vectors.shape}, no vectors")
        if len(vectors) != len(ids):
            raise damaged(path, f"{name} has {len(vectors):,} vectors for {len(ids):,} listings")
        wide = (widths or {}).get(name, vectors.shape[1])
        if vectors.shape[1] != wide:
            raise damaged(path, f"{name} is {vectors.shape[1]} wide, not {wide} as the model of run.toml")
        if whole:
            check_finite(path, name, vectors)
    return found


def rows_of(path: Path, ids: np.ndarray) -> dict[str, int]:
    """Row by listing id, of `ids` (L,).

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
    if not is_finite(vectors):
        raise damaged(path, f"{name} holds NaN or infinity")


def is_finite(vectors: np.ndarray) -> bool:
    """Whether all numbers are; of float16, which numpy converts number by number, told by their bits."""
    for begin in range(0, len(vectors), AT_ONCE):  # what is made on the way stays in the processor's cache
        some = vectors[begin : begin + AT_ONCE]
        if some.dtype != np.float16:
            if not np.isfinite(some).all():
                return False
        elif (some.view(np.uint16) & 0x7FFF).max(initial=0) >= 0x7C00:
            return False
    return True


def damaged(path: Path, reason: object) -> VibesError:
    """The sentence of a file that cannot be what it is called."""
    if isinstance(reason, BaseException):
        reason = " ".join(str(reason).split())[:200] or type(reason).__name__
    return VibesError(f"{path} is damaged ({reason}); {_mend(path.name)}.")


def _other(path: Path, reason: str) -> VibesError:
    return VibesError(f"{path} is not the file that run.toml tells of ({reason}); {_mend(path.name)}.")


def _mend(name: str) -> str:
    if name == "listings.npz":
        return "embed the run again with `vibes embed MARKET RUN --model RUN`, or copy it again from where it is whole"
    if name == "pushes.parquet":
        return "embed the run again, and refresh it"
    return "copy the run again from where it is whole, or train it again"


def _told(path: Path) -> dict[str, str]:
    heads = {name: f"{kind} {shape}" for name, (kind, shape) in heads_of(path).items()}
    return {"heads": _digest_of(heads)} if path.suffix == ".safetensors" else heads


def _digest_of(heads: dict[str, str]) -> str:
    return hashlib.sha256(repr(sorted(heads.items())).encode()).hexdigest()


def _npz_heads(path: Path) -> Heads:
    return {name: (str(place.dtype), list(place.shape)) for name, place in places_of(path).items()}


def _safetensors_heads(path: Path) -> Heads:
    from safetensors import safe_open

    with safe_open(path, "numpy") as stored:
        return {
            name: (str(part.get_dtype()), list(part.get_shape()))
            for name in stored.keys()  # noqa: SIM118
            if (part := stored.get_slice(name)) is not None
        }
