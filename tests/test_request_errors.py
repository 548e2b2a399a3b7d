"""Errors of requests: each code is raised somewhere, names only what its sentence takes, and is the same in another process."""

import ast
import copy
import string
from pathlib import Path

import pytest

import listing_vibes
from listing_vibes.errors import NotThere
from listing_vibes.request_errors import SENTENCES, RequestError, UnknownId


def raised_codes() -> set[str]:
    package = Path(listing_vibes.__file__).parent
    return {
        call.args[0].value
        for file in package.rglob("*.py")
        for call in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(call, ast.Call)
        and getattr(call.func, "id", "") in ("RequestError", "UnknownId")
        and isinstance(call.args[0], ast.Constant)
    }


def example(code: str) -> RequestError:
    names = {name for _, name, _, _ in string.Formatter().parse(SENTENCES[code]) if name}
    numbers = {"limit": 10.0, "values": 1000}
    kind = UnknownId if code in ("unknown_listing", "unknown_user") else RequestError
    return kind(code, {name: numbers.get(name, f"/srv/{name}") for name in names})


def test_every_code_has_a_sentence_and_is_raised():
    assert raised_codes() == set(SENTENCES)


@pytest.mark.parametrize("code", sorted(SENTENCES))
def test_a_client_learns_no_path_and_another_process_the_same_error(code):
    error = example(code)
    assert str(error).endswith(".") or code == "unparsed_value"
    assert "/srv/run" not in error.for_client() and "/srv/market" not in error.for_client()
    other = copy.copy(error)  # made from its arguments, as in another process
    assert (type(other), other.code, str(other)) == (type(error), code, str(error))
    assert isinstance(error, NotThere) == isinstance(error, UnknownId)
