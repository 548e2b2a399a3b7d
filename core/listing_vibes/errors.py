"""The exception whose message is shown to users, and the message for any other exception."""

import errno
import re
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager

from listing_vibes.words import cut

#: Environment variable: if set, this process and its child processes show tracebacks in addition to messages.
DEBUG = "LISTING_VIBES_DEBUG"
#: The extra that installs a package, by import name.
EXTRAS = {
    name: extra
    for extra, names in {
        "train": "torch torchvision accelerate safetensors timm transformers umap implicit matplotlib optuna",
        "app": "streamlit starlette",
        "serve": "fastapi uvicorn prometheus_client httptools uvloop",
        "mcp": "mcp mcp_types",
        "export": "onnx onnxscript onnxruntime openvino pymilvus",
        "sources": "fsspec sqlalchemy psycopg",
        "ray": "ray",
        "vae": "diffusers",
        "notebook": "anywidget",
    }.items()
    for name in names.split()
}
_UNSAFE = re.compile(r"pickle|weights_only", re.IGNORECASE)


class VibesError(Exception):
    """Invalid input; the message is one sentence that names the problem and the fix (exit code 2)."""


class NotThere(VibesError):
    """A requested object does not exist, such as a listing or a user of a run."""


class VibesWarning(UserWarning):
    """A caveat of a result, in one sentence."""


@contextmanager
def needs(what: str, extra: str = "train") -> Iterator[None]:
    """Turn an ImportError of the enclosed imports into a message that names the extra to install.

    Raises:
        VibesError: `what`, such as "Training", needs a package that is not installed.
    """
    try:
        yield
    except ImportError as error:
        if (error.name or "").partition(".")[0] in (
            "listing_vibes",
            "listing_vibes_app",
        ):  # a bug of this package
            raise
        raise VibesError(
            f"{what} needs {error.name}; install it with `pip install 'listing-vibes[{extra}]'`."
        ) from error


def sentence_of(error: BaseException) -> str:
    """Return the message for an error, in one line that is safe to print on a terminal.

    Commands, pages and the service use it: an error that is not a `VibesError` is reported by its type, without a traceback.
    """
    return printable(_sentence(error))


def printable(text: str) -> str:
    """Return the text in one line, with control characters, bidirectional marks and lone surrogates as escapes, so that a name
    from a table cannot move the cursor of a terminal or reverse the text next to it.
    """
    return escaped(" ".join(text.split()))


def escaped(line: str) -> str:
    """Return a line with the escapes of `printable` and unchanged spaces."""
    return line if line.isprintable() else "".join(map(_shown, line))


def _shown(character: str) -> str:
    hidden = unicodedata.category(character) in ("Cc", "Cf", "Cs") and character not in "\u200d\u200c\u00ad"
    return character.encode("unicode_escape").decode("ascii") if hidden else character


def _sentence(error: BaseException) -> str:
    if isinstance(error, VibesError):
        text = str(error)
        return f"T{text[1:]}" if text.startswith("this ") else text
    if isinstance(error, OSError):
        return describe_os_error(error)
    if isinstance(error, MemoryError):
        return "This machine is out of memory; close other programs, or process less at once."
    if isinstance(error, RecursionError):
        return "The input is nested too deeply to be read; flatten it."
    if isinstance(error, ModuleNotFoundError) and (missing := str(error.name).partition(".")[0]) in EXTRAS:
        return f"This needs {missing}; install it with `pip install 'listing-vibes[{EXTRAS[missing]}]'`."
    reason = str(error).splitlines()[0] if str(error) else "no reason given"
    if _UNSAFE.search(str(error)):  # numpy and torch suggest to load such a file anyway
        return "A file contains objects that could run code when they are loaded, so it was not opened; create it again."
    what = cut(f"{type(error).__name__}: {reason}", 200)
    return f"An unexpected error occurred ({what}); run the same command with --debug for details, and please report it."


def describe_os_error(error: OSError, path: object = None) -> str:
    """Return the sentence for an error of the system about `path`, by default the error's file."""
    path = error.filename if path is None else path
    place = f" {path}" if path else ""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"The disk is full while writing{place}; free some space and run the same command again."
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return f"There is no permission for{place or ' a file'}; change it, or choose another folder."
    if error.errno == errno.ENAMETOOLONG:
        return f"A file name is too long ({len(str(path or ''))} characters); give a shorter one."
    if error.errno == errno.ENOTDIR:
        return f"A part of{place or ' a path'} is a file, not a folder; check the path."
    return f"The system refused{place} ({error.strerror or error}); check the path and run the same command again."
