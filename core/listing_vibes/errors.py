"""The exception that a user sees as a sentence, and the sentence of any other."""

import errno
import re
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager

from listing_vibes.words import cut

#: Set to anything: tracebacks are shown beside sentences, by whatever process this one starts.
DEBUG = "LISTING_VIBES_DEBUG"
#: The extra that brings a package, by the name that is imported.
EXTRAS = {
    name: extra
    for extra, names in {
        "train": "torch torchvision accelerate safetensors timm transformers sklearn umap implicit matplotlib diffusers",
        "app": "streamlit starlette plotly",
        "serve": "fastapi uvicorn prometheus_client httptools uvloop",
        "export": "onnx onnxscript onnxruntime openvino pymilvus",
        "sources": "fsspec sqlalchemy psycopg",
        "ray": "ray",
        "notebook": "anywidget",
    }.items()
    for name in names.split()
}
_UNSAFE = re.compile(r"pickle|weights_only", re.IGNORECASE)


class VibesError(Exception):
    """Bad input, told in one clear sentence that names what is wrong and the mend (exit code 2)."""


class NotThere(VibesError):
    """What somebody named does not exist, such as a listing or a user of a run."""


class VibesWarning(UserWarning):
    """What a user should know of an answer that is given all the same, in one sentence."""


@contextmanager
def needs(what: str, extra: str = "train") -> Iterator[None]:
    """Around imports: a package that is not installed becomes a sentence that names the extra of ours which brings it.

    Raises:
        VibesError: `what`, such as "Training", needs one.
    """
    try:
        yield
    except ImportError as error:
        if (error.name or "").partition(".")[0] in ("listing_vibes", "listing_vibes_app"):  # a slip of ours
            raise
        raise VibesError(
            f"{what} needs {error.name}; install it with `pip install 'listing-vibes[{extra}]'`."
        ) from error


def sentence_of(error: BaseException) -> str:
    """What a person is told of an error, in one line that is safe to show on any screen.

    The one boundary of command, page and service: whatever is no `VibesError` is told by its kind, never by a traceback.
    """
    return printable(_sentence(error))


def printable(text: str) -> str:
    """The text in one line, with control characters, marks that turn the direction of writing and lone surrogates shown as
    escapes: a name from a table must not move the cursor of a terminal or turn the text beside it."""
    return escaped(" ".join(text.split()))


def escaped(line: str) -> str:
    """A line with what `printable` shows as escapes, and its spaces as they are."""
    return line if line.isprintable() else "".join(map(_shown, line))


def _shown(character: str) -> str:
    hidden = unicodedata.category(character) in ("Cc", "Cf", "Cs") and character not in "\u200d\u200c\u00ad"
    return character.encode("unicode_escape").decode("ascii") if hidden else character


def _sentence(error: BaseException) -> str:
    if isinstance(error, VibesError):
        return str(error)
    if isinstance(error, OSError):
        return _of_system(error)
    if isinstance(error, MemoryError):
        return "The memory of this machine is used up; close other programs, or ask for less at once."
    if isinstance(error, RecursionError):
        return "The input is nested too deeply to be read; flatten it."
    if isinstance(error, ModuleNotFoundError) and (missing := str(error.name).partition(".")[0]) in EXTRAS:
        return f"This needs {missing}; install it with `pip install 'listing-vibes[{EXTRAS[missing]}]'`."
    reason = str(error).splitlines()[0] if str(error) else "no reason given"
    if _UNSAFE.search(str(error)):  # numpy and torch advise to load such a file all the same
        return "A file holds objects that could run code when they are loaded, so it was not opened; make it again."
    what = cut(f"{type(error).__name__}: {reason}", 200)
    return (
        f"Something went wrong that should not ({what}); the same with --debug shows where, please report it."
    )


def _of_system(error: OSError) -> str:
    place = f" {error.filename}" if error.filename else ""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"The disk is full while writing{place}; free some space and run the same again."
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return f"There is no permission for{place or ' a file'}; change it, or choose another folder."
    if error.errno == errno.ENAMETOOLONG:
        return f"A file name is too long ({len(str(error.filename or ''))} characters); give a shorter one."
    if error.errno == errno.ENOTDIR:
        return f"A part of{place or ' a path'} is a file, not a folder; check the path."
    return f"The system refused{place} ({error.strerror or error}); check the path and run the same again."
