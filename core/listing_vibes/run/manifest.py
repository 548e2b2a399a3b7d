"""The files of a run: `run.toml`, and the check that the others are the ones that it describes; arrays are memory-mapped safetensors.

Opening a run compares the size of each file. A file of at most `MAX_HASHED_BYTES` is compared with its digest when it is first
loaded, which takes about 1 ms per MB; larger files are only compared by size, so that a model of gigabytes starts as fast.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tomli_w
from pydantic import Field, ValidationError

from listing_vibes.errors import VibesError
from listing_vibes.features.market_summary import TransferReport
from listing_vibes.market.caches import DEMO, MODELS
from listing_vibes.market.documents import Forbidding, first_problem, read_toml, write_text
from listing_vibes.market.durable import atomic_path
from listing_vibes.market.fingerprint import file_sha256
from listing_vibes.model.settings import Resolved, merged

#: Incremented when older run folders can no longer be read.
RUN_FORMAT = 4
#: Ids and vectors of all listings.
LISTINGS = "listings.safetensors"
#: The mean photo vector (w,) of the market, the origin of its photo space.
CENTER = "photo_center.npy"
#: Computed from the other files if it is missing or damaged.
DERIVED = "prepared.safetensors"
#: The files of a state.
FILES = (LISTINGS, "model.safetensors", "vocabulary.json", "features.safetensors", DERIVED, "seen.json")
#: The spaces that a run may have, in addition to the market's own vectors.
SPACES = ("model", "photos", "attributes")
MAX_HASHED_BYTES = 64 * 2**20
#: The key of the metadata in a header, and in it the key of a file's note.
METADATA, NOTE = "__metadata__", "made of"
#: The numpy type of each type name in a file.
TYPES = {
    "BOOL": np.bool_, "I8": np.int8, "I16": np.int16, "I32": np.int32, "I64": np.int64, "U8": np.uint8, "U16": np.uint16,
    "U32": np.uint32, "U64": np.uint64, "F16": np.float16, "F32": np.float32, "F64": np.float64,
}  # fmt: skip


class FileFacts(Forbidding):
    """The size and digest of a file of the run."""

    bytes: int
    sha256: str


class KnownMarket(Forbidding):
    """One of several markets that a model was trained on, with its end of training and of validation."""

    name: str
    path: str = ""  # "" if unknown
    fingerprint: str
    t1: int | None = None
    t2: int | None = None


class DefaultSpace(Forbidding):
    """The default space in which listings are compared; see `listing_vibes.run.embedding`."""

    space: str
    reason: str

    @property
    def sentence(self) -> str:
        """Return a sentence such as "Compares listings by their attributes unless you name another space: a listing has ..."."""
        names = {"model": "the model", "photos": "their photos", "attributes": "their attributes"}
        by = names.get(self.space, f"the market's own vectors '{self.space}'")
        return f"Compares listings by {by} unless you name another space: {self.reason}."


class Manifest(Forbidding):
    """The content of `run.toml`."""

    format: int = RUN_FORMAT
    market: str  # path of the market, absolute or relative to the run folder; "" = a model without a market
    market_from_run: str = (
        ""  # its path relative to the run folder when the run was written; "" = not recorded
    )
    market_name: str
    fingerprint: str
    trained_on: str = ""  # fingerprint of the market of the training; "" = no model
    steps: int = 0  # training steps of the stored weights; 0 = not recorded
    photo_encoder: str = ""
    encoded_by: str = ""  # precision of the stored vectors, see listing_vibes.model.encoder; "" = no model
    default_space: DefaultSpace | None = None  # None: the first of `contents.SPACES` that the run has
    #: Of a model of another market, or one that started from another run.
    carried: TransferReport | None = None
    #: Of the attributes space; 1 for an attribute without one.
    attribute_weights: dict[str, float] = Field(default_factory=dict)
    versions: dict[str, str] = Field(default_factory=dict)
    settings: Resolved = Resolved()  # in two tables: [settings], what the user said, and [resolved], all
    markets: list[KnownMarket] | None = None  # of a model of several markets
    files: dict[str, FileFacts] = Field(default_factory=dict)

    @property
    def started(self) -> bool:
        """Return whether the training on this market started from the weights of another run."""
        return self.carried is not None and self.carried.learned

    @classmethod
    def load(cls, run: Path) -> Manifest:
        """Read `run/run.toml`.

        Raises:
            VibesError: `run` is not a run folder, or its format is another one.
        """
        path = run / "run.toml"
        if not path.is_file():
            raise VibesError(
                f"{run} is not a run folder (it has no run.toml); create a run with `vibes train MARKET RUN`, or `vibes embed MARKET "
                "RUN` for a market without events."
            )
        content = read_toml(path, "check its permissions")
        if content.get("format") != RUN_FORMAT:
            command = "train" if content.get("trained_on") else "embed"
            raise VibesError(
                f"{path} has format {content.get('format')}, and this version reads format {RUN_FORMAT}; create the run again with "
                f"`vibes {command} MARKET {run}-new`."
            )
        try:
            settings = content.get("settings")
            if isinstance(settings, Mapping):
                content["settings"] = merged(settings, content.pop("resolved", {})) | {"given": settings}
            manifest = cls.model_validate(content)
            manifest.settings.encoder_config()
        except (ValidationError, VibesError) as error:
            problem = first_problem(error) if isinstance(error, ValidationError) else str(error)
            hint = "" if ";" in problem else "; correct it, or copy the run again from an intact one"
            raise VibesError(f"{path}: {problem.rstrip('.')}{hint}.") from error
        return manifest

    def save(self, run: Path) -> None:
        """Write `run/run.toml`, atomically."""
        content = self.model_dump(exclude_none=True, exclude={"settings"})
        settings = self.settings
        content["settings"] = settings.given.model_dump(exclude_unset=True, exclude_none=True)
        content["resolved"] = settings.model_dump(exclude={"given"}, exclude_none=True)
        write_text(run / "run.toml", tomli_w.dumps(content))


def named_model(run: Path | str) -> Path:
    """Return the run folder of a model by its name (`homes`, `demo`), or the folder itself if the path exists.

    Raises:
        VibesError: there is neither such a folder nor such a model.
    """
    path = Path(run)
    if path.is_dir() or len(path.parts) != 1:
        return path
    available = {
        "demo": DEMO / "run",
        **{item.parent.name: item.parent for item in MODELS.glob("*/run.toml")},
    }
    if path.name not in available:
        raise VibesError(
            f"There is no run folder {path}, and no model with this name; the included models are {' and '.join(sorted(available))}."
        )
    return available[path.name]


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
    """Return the `listing_id` (L,), and the vectors (L, d) of each space, whose values are not checked.

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


def save_spaces(
    run: Path, ids: np.ndarray, spaces: Mapping[str, np.ndarray], center: np.ndarray | None = None
) -> None:
    """Write `listings.safetensors`, with `ids` (L,) and float16 embeddings in listing order, and the `center` of photos if given."""
    if center is not None:
        with atomic_path(run / CENTER) as temporary, temporary.open("wb") as stream:
            np.save(stream, center)
    vectors = {name: item.astype(np.float16) for name, item in spaces.items()}
    save_arrays(run / LISTINGS, {"listing_id": ids} | vectors)


def load_photo_center(run: Path) -> np.ndarray | None:
    """Return the center (w,) that `save_spaces` wrote; None if it is missing or damaged."""
    try:
        center: np.ndarray = np.load(run / CENTER, allow_pickle=False)
    except (OSError, ValueError):
        return None
    return center if center.ndim == 1 and center.dtype == np.float32 and np.isfinite(center).all() else None


def damaged(path: Path, reason: object) -> VibesError:
    """Return the error for a damaged file."""
    if isinstance(reason, BaseException):
        reason = " ".join(str(reason).split())[:200] or type(reason).__name__
    return VibesError(
        f"{path} is damaged ({reason}); copy the run again from an intact one, or embed it again with "
        "`vibes embed MARKET RUN`."
    )


def save_arrays(path: Path, arrays: Mapping[str, np.ndarray], note: str = "") -> None:
    """Write arrays to a file; the same arrays give the same bytes. Strings are stored as the code points of their characters."""
    from safetensors.numpy import save_file

    stored = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    for name, array in stored.items():
        if array.dtype.kind == "U":
            stored[name] = array.view(np.uint32).reshape(len(array), -1)
    with atomic_path(path) as temporary:
        # Only one entry, since safetensors writes several in any order and the same content must give the same bytes.
        save_file(stored, temporary, {NOTE: note} if note else None)


def map_arrays(path: Path) -> dict[str, np.ndarray]:
    """Return the memory-mapped arrays of a file by name; changes to them stay in memory.

    Raises:
        Exception: almost any, if the file is damaged or does not contain plain arrays.
    """
    header, begin = read_header(path)
    header.pop(METADATA, None)
    arrays = {}
    for name, item in header.items():
        kind, shape = np.dtype(TYPES[item["dtype"]]), tuple(item["shape"])
        if 0 in shape:
            arrays[name] = np.zeros(shape, kind)
        else:
            mapped = np.memmap(path, kind, "c", begin + item["data_offsets"][0], shape)
            arrays[name] = mapped.view(np.ndarray)
    return arrays


def read_note(path: Path) -> str:
    """Return the note that `save_arrays` wrote; "" if there is none or the file is damaged."""
    try:
        return str(read_header(path)[0].get(METADATA, {}).get(NOTE, ""))
    except Exception:  # Almost any, see `map_arrays`.
        return ""


def read_header(path: Path) -> tuple[dict[str, Any], int]:
    """Return the header of a safetensors file, and the offset of its data.

    Raises:
        Exception: almost any, if the file is damaged.
    """
    from safetensors import safe_open

    with safe_open(path, "numpy"):  # Raises an error if the header does not fit the file's size.
        pass
    with path.open("rb") as stream:
        size = int.from_bytes(stream.read(8), "little")
        return json.loads(stream.read(size)), 8 + size


def to_strings(characters: np.ndarray) -> np.ndarray:
    """Return the strings (L,) of the code points (L, w) uint32 that `save_arrays` stored.

    Raises:
        ValueError: the array does not contain code points.
    """
    if characters.ndim != 2 or characters.dtype != np.uint32 or characters.max(initial=0) > 0x10FFFF:
        raise ValueError(f"{characters.dtype} {characters.shape} are not strings")
    length = characters.shape[1]
    return (
        np.ascontiguousarray(characters).view(f"U{length}")[:, 0]
        if length
        else np.zeros(len(characters), "U1")
    )
