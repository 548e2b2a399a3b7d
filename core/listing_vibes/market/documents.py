"""Small files of JSON, TOML and text: written whole or not at all, and read with one sentence where they are damaged."""

import json
import tomllib
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from listing_vibes.errors import VibesError
from listing_vibes.market.durable import atomic_path
from listing_vibes.words import cut

T = TypeVar("T")
#: Characters of a value that an error shows, at most.
LONGEST_VALUE = 80
#: What taking apart a document raises that is not as it should be; pydantic's, JSON's and TOML's are ValueErrors.
NOT_AS_MEANT = (ValueError, LookupError, TypeError, AttributeError, OverflowError, RecursionError)


def write_text(path: Path, text: str) -> None:
    """Write a file of text; a reader finds the one before or this one.

    Raises:
        VibesError: the disk is full or the folder cannot be written.
    """
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path, content: Any, **options: Any) -> None:
    """Write JSON as `write_text` does; `options` go to `json.dumps`."""
    write_text(path, json.dumps(content, **options))


def read_json(path: Path, mend: str, parse: Callable[[Any], T] = lambda content: content) -> T | None:
    """Return what `parse` makes of a JSON file; None where there is no file.

    Args:
        mend: what to do about a damaged one: "evaluate the run again".
        parse: takes the content apart; what it lacks or what is of a wrong type counts as damage.

    Raises:
        VibesError: the file cannot be read, is no JSON, or `parse` fails on it.
    """
    try:
        return parse(json.loads(path.read_text(encoding="utf-8")))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, *NOT_AS_MEANT) as error:
        raise VibesError(f"{path} is damaged ({_reason(error)}); {mend}.") from error


def read_toml(path: Path, mend: str, encoding: str = "utf-8") -> dict[str, Any]:
    """Return the content of a TOML file.

    Args:
        mend: what to do where the file cannot be opened: "check the path".

    Raises:
        VibesError: the file cannot be opened, or is no TOML.
    """
    try:
        return parse_toml(path.read_text(encoding=encoding), path)
    except OSError as error:
        raise VibesError(f"Cannot read {path} ({error.strerror}); {mend}.") from error
    except UnicodeDecodeError as error:
        raise VibesError(f"{path} is not valid TOML ({error}); save it as UTF-8.") from error


def parse_toml(text: str, name: object) -> dict[str, Any]:
    """Return the content of TOML; `name` is what an error calls it."""
    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # a number of 5,000 digits is a ValueError alone
        raise VibesError(f"{name} is not valid TOML ({_reason(error)}); mend that line.") from error


def first_problem(error: ValidationError, model: type[BaseModel] | None = None) -> str:
    """Return the first problem of a pydantic error as one sentence: key, value and what would be right.

    Args:
        model: the model that was validated; of an unknown key its nearest key is named.
    """
    problem = error.errors()[0]
    key = ".".join(map(str, problem["loc"]))
    if problem["type"] == "extra_forbidden":
        neighbors = _nearest_key(model, key) if model is not None else None
        fix = f"did you mean '{neighbors}'?" if neighbors else "remove it or correct its spelling."
        return f"unknown key '{key}'; {fix}"
    raised = problem.get("ctx", {}).get("error")
    message = str(raised) if raised is not None else problem["msg"].lower()
    if isinstance(
        problem["input"], Mapping | BaseModel
    ):  # a whole table, of which the message says what does not fit
        return f"'{key}': {message}." if key else f"{message}."
    return f"'{key or 'the file'}' is {cut(repr(problem['input']), LONGEST_VALUE)}: {message}."


def _nearest_key(model: type[BaseModel], key: str) -> str | None:
    """Return the key of `model` that an unknown key was meant for, in its own table or in another one; None: none is near."""
    table, _, name = key.rpartition(".")
    available = keys_of(model)
    same_table = [other for other in available if other.rpartition(".")[0] == table]
    for keys, likeness in ((same_table, 0.55), (available, 0.8)):
        names = {other.rpartition(".")[2]: other for other in keys}
        if neighbors := get_close_matches(name, names, 1, likeness):
            return names[neighbors[0]]
    return None


def keys_of(model: type[BaseModel]) -> list[str]:
    """Return the dotted keys of a model, those of its tables included."""
    keys = []
    for name, field in model.model_fields.items():
        keys.append(name)
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            keys += [f"{name}.{key}" for key in keys_of(field.annotation)]
    return keys


def _reason(error: Exception) -> str:
    if isinstance(error, ValidationError):
        return first_problem(error).rstrip(".")
    if isinstance(error, KeyError):
        return f"it lacks {error}"
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    return " ".join(str(error).split())[:300]
