"""Small JSON, TOML and text files: atomic writes, and errors of damaged files in one sentence."""

import json
import re
import tomllib
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import from_json

from listing_vibes.errors import VibesError
from listing_vibes.market.durable import atomic_path
from listing_vibes.words import cut

T = TypeVar("T")
Model = TypeVar("Model", bound=BaseModel)
#: The most characters of a value that an error shows.
LONGEST_VALUE = 80
#: The most characters of a TOML file, and the most names of a dotted key in it: parsing is quadratic in these.
MOST_TOML, MOST_NAMES = 2**20, 100
#: Errors of parsing an invalid document; pydantic's, JSON's and TOML's are ValueErrors.
NOT_AS_MEANT = (ValueError, LookupError, TypeError, AttributeError, OverflowError, RecursionError)


class Forbidding(BaseModel):
    """Base class of settings and documents: immutable, and unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def write_text(path: Path, text: str) -> None:
    """Write a text file atomically."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path, content: Any, **options: Any) -> None:
    """Write JSON as `write_text` does; `options` go to `json.dumps`."""
    write_text(path, json.dumps(content, **options))


def read_json(path: Path, hint: str, parse: Callable[[Any], T] = lambda content: content) -> T | None:
    """Return what `parse` returns for a JSON file; None where there is no file.

    Args:
        hint: how to fix a damaged file, such as "evaluate the run again".
        parse: converts the content; its KeyErrors and type errors count as damage.

    Raises:
        VibesError: the file cannot be read, is not JSON, or `parse` fails on it.
    """
    try:
        return parse(json.loads(path.read_text(encoding="utf-8")))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, *NOT_AS_MEANT) as error:
        raise VibesError(f"{path} is damaged ({_reason(error)}); {hint}.") from error


def read_given_json(path: Path, what: str) -> Any:
    """Return the content of a JSON file that a user wrote; `what` is its name in errors, such as "history"."""
    try:
        return from_json(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise VibesError(f"Cannot read the {what} {path}: {error.strerror}; check the path.") from error
    except ValueError as error:
        raise VibesError(f"{path} is not valid JSON ({error}); correct it.") from error


def read_toml(path: Path, hint: str) -> dict[str, Any]:
    """Return the content of a TOML file; `hint` says what to do where it cannot be opened, such as "check the path"."""
    try:
        with path.open(encoding="utf-8-sig") as stream:
            text = stream.read(MOST_TOML + 1)
        if len(text) > MOST_TOML:
            raise ValueError(f"it has more than {MOST_TOML:,} characters")
        keys = re.split(r"[=,\[\]{}#\n]", text.translate({ord('"'): None, ord("'"): None}))
        if any(key.count(".") > MOST_NAMES for key in keys):
            raise ValueError(f"a key has more than {MOST_NAMES} names")
        return tomllib.loads(text)
    except OSError as error:
        raise VibesError(f"Cannot read {path} ({error.strerror}); {hint}.") from error
    except (ValueError, RecursionError) as error:  # an integer of 5,000 digits raises a plain ValueError
        raise VibesError(
            f"{path} is not valid TOML ({_reason(error)}); correct that line, and save it as UTF-8."
        ) from error


def validate(model: type[Model], content: Any, name: object) -> Model:
    """Return `content` as a pydantic model; `name` is what an error calls it, such as "The rules" or its file."""
    try:
        return model.model_validate(content)
    except ValidationError as error:
        raise VibesError(f"{name}: {first_problem(error, model)}") from error


def first_problem(error: ValidationError, model: type[BaseModel] | None = None) -> str:
    """Return the first problem of a pydantic error as one sentence, see `describe_problem`."""
    problem = error.errors()[0]
    return describe_problem(problem, ".".join(map(str, problem["loc"])), model)


def describe_problem(problem: Mapping[str, Any], key: str, model: type[BaseModel] | None = None) -> str:
    """Return a problem that pydantic found as one sentence: the key (or the nearest valid one of `model`), its value and what is
    expected.
    """
    if problem["type"] == "extra_forbidden":
        keys = [] if model is None else [name for name in _keys_of(model) if not key.startswith(f"{name}.")]
        last = {name.rpartition(".")[2]: name for name in keys}
        neighbors = get_close_matches(key.rpartition(".")[2], last, 1, 0.65)
        fix = f"write '{last[neighbors[0]]}'" if neighbors else "correct its spelling"
        return f"unknown key '{key}'; {fix}, or remove it."
    raised = problem.get("ctx", {}).get("error")
    message = str(raised) if raised is not None else problem["msg"].lower()
    if isinstance(problem["input"], Mapping | BaseModel):  # a table, whose message names the key
        return f"'{key}': {message}." if key else f"{message}."
    return f"'{key or 'the file'}' is {cut(repr(problem['input']), LONGEST_VALUE)}: {message}."


def _keys_of(model: type[BaseModel]) -> list[str]:
    """Return the dotted keys of a model and its tables."""
    keys = []
    for name, field in model.model_fields.items():
        keys.append(name)
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            keys += [f"{name}.{key}" for key in _keys_of(field.annotation)]
    return keys


def _reason(error: Exception) -> str:
    if isinstance(error, ValidationError):
        return first_problem(error).rstrip(".")
    if isinstance(error, KeyError):
        return f"it lacks {error}"
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    return " ".join(str(error).split())[:300]
