"""No regular expression of the package takes quadratic time on any text."""

import ast
import importlib
import pkgutil
import re
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from re import _parser as parser  # type: ignore[attr-defined]
from types import ModuleType
from typing import Any

import pytest

import listing_vibes
import listing_vibes_app

METHODS = {
    "search",
    "match",
    "fullmatch",
    "sub",
    "subn",
    "split",
    "findall",
    "finditer",
    "contains",
    "replace",
    "extract",
}
#: A quadratic expression needs seconds for so many characters, a linear one milliseconds.
LENGTH, LIMIT_S = 20_000, 0.4
Use = tuple[str | bytes, int, str]  # an expression, its flags, and the method that uses it


def modules() -> Iterator[ModuleType]:
    for package in (listing_vibes, listing_vibes_app):
        for info in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if info.name.endswith(
                (".page", "main", "__main__")
            ):  # Streamlit's pages run when they are imported
                yield constants_of(info)
                continue
            try:
                yield importlib.import_module(info.name)
            except ImportError:  # of an extra that is not installed
                continue


def constants_of(info: pkgutil.ModuleInfo) -> ModuleType:
    """Return a module with the constants of a module that is not imported."""
    module = ModuleType(info.name)
    spec = info.module_finder.find_spec(info.name, None)  # type: ignore[call-arg]
    module.__file__ = spec.origin if spec else None
    vars(module)["re"] = re
    for statement in ast.parse(Path(module.__file__ or "").read_text(encoding="utf-8")).body:
        if isinstance(statement, ast.Assign):
            with suppress(Exception):
                exec(compile(ast.Module([statement], []), info.name, "exec"), vars(module))
    return module


def value_of(node: ast.expr, module: ModuleType) -> Any:
    """Return the value of an expression of constants and global names; None for any other."""
    try:
        return eval(compile(ast.Expression(node), "expression", "eval"), dict(vars(module)))  # noqa: S307 (our own source)
    except Exception:
        return None


def uses(module: ModuleType) -> Iterator[Use]:
    """Yield the expressions that a module uses: `re.sub("a", ...)`, `_NAME.search(...)`, `column.str.contains("a")`."""
    tree = ast.parse(Path(module.__file__ or "").read_text(encoding="utf-8"))
    used = set()
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
            continue
        owner, method = node.func.value, node.func.attr
        if method not in METHODS:
            continue
        pattern = value_of(owner, module) if isinstance(owner, ast.Name | ast.Attribute) else None
        if isinstance(pattern, re.Pattern):
            used.add(pattern)
            yield pattern.pattern, pattern.flags, method
            continue
        is_text = isinstance(owner, ast.Attribute) and owner.attr == "str"
        keywords = {keyword.arg: value_of(keyword.value, module) for keyword in node.keywords}
        if node.args and (pattern is re or is_text) and keywords.get("regex") is not False:
            flags = keywords.get("flags") or 0
            text = value_of(node.args[0], module)
            if isinstance(text, str | bytes) and (method != "replace" or keywords.get("regex")):
                yield text, int(flags), method
    for pattern in vars(module).values():
        if isinstance(pattern, re.Pattern) and pattern not in used:
            yield pattern.pattern, pattern.flags, "search"


def characters(items: Any) -> set[str]:
    """Return a character for each atom of a parsed expression."""
    found: set[str] = set()
    samples = {
        "SPACE": " \n",
        "DIGIT": "1",
        "WORD": "a1",
        "NOT_SPACE": "a",
        "NOT_DIGIT": "a",
        "NOT_WORD": " .",
    }
    for operator, argument in items:
        name = str(operator)
        if name == "LITERAL":
            found.add(chr(argument))
        elif name in ("ANY", "NOT_LITERAL", "NEGATE"):
            found.add("a")
        elif name == "RANGE":
            found.add(chr(argument[0]))
        elif name == "CATEGORY":
            found |= set(samples[str(argument).removeprefix("CATEGORY_")])
        elif name == "IN":
            found |= characters(argument)
        elif name in ("MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT"):
            found |= characters(argument[2])
        elif name == "SUBPATTERN":
            found |= characters(argument[-1])
        elif name == "BRANCH":
            for branch in argument[1]:
                found |= characters(branch)
        elif name in ("ASSERT", "ASSERT_NOT"):
            found |= characters(argument[1])
    return found


def examples(items: Any) -> set[str]:
    """Return a text for each alternative and group of a parsed expression."""
    found = {"".join(shortest(items))}
    for operator, argument in items:
        if str(operator) in ("MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT"):
            found |= examples(argument[2])
        elif str(operator) == "SUBPATTERN":
            found |= examples(argument[-1])
        elif str(operator) == "BRANCH":
            found |= {text for branch in argument[1] for text in examples(branch)}
    return found


def shortest(items: Any) -> Iterator[str]:
    for operator, argument in items:
        if str(operator) in ("MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT"):
            yield "".join(shortest(argument[2])) * argument[0]
        elif str(operator) == "SUBPATTERN":
            yield "".join(shortest(argument[-1]))
        elif str(operator) == "BRANCH":
            yield "".join(shortest(argument[1][0]))
        elif str(operator) not in ("AT", "ASSERT", "ASSERT_NOT", "GROUPREF"):
            yield min(characters([(operator, argument)]), default="a")


def worst_texts(pattern: str | bytes, flags: int, length: int) -> Iterator[str]:
    """Yield long repetitions of what an expression consists of, with an end that does not fit."""
    text = pattern.decode("latin-1") if isinstance(pattern, bytes) else pattern
    parsed = parser.parse(text, flags & ~re.UNICODE if isinstance(pattern, bytes) else flags)
    atoms = sorted(characters(parsed))[:24]
    for example in examples(parsed):
        if example:
            yield example * (length // len(example)) + "\x01"
            yield from (example + atom * length + "\x01" for atom in atoms)
    for atom in atoms:
        yield atom * length + "\x01"
        yield "".join(other + atom * 20 for other in atoms) * (length // (21 * len(atoms))) + "\x01"
    for first in atoms[:8]:
        for second in atoms[:8]:
            if first != second:
                yield (first + second) * (length // 2) + "\x01"
                yield first + second * length + "\x01"


def seconds(pattern: str | bytes, flags: int, method: str, text: str) -> float:
    compiled = re.compile(pattern, flags)
    content: Any = text.encode("latin-1", "replace") if isinstance(pattern, bytes) else text
    begin = time.thread_time()
    if method in ("match", "fullmatch"):
        getattr(compiled, method)(content)
    else:
        for _ in compiled.finditer(content):
            pass
    return time.thread_time() - begin


def test_no_expression_is_quadratic():
    found = {use: module.__name__ for module in modules() for use in uses(module)}
    assert len(found) > 60
    slow = {}
    for (pattern, flags, method), name in found.items():
        for length in (40, LENGTH // 10, LENGTH):
            texts = worst_texts(pattern, flags, length)
            worst = next((text for text in texts if seconds(pattern, flags, method, text) > LIMIT_S), None)
            if worst is not None:
                slow[name, pattern, method] = worst[:3] + worst[-3:]
                break
    assert slow == {}


@pytest.mark.parametrize("pattern", [r"\s+UTC$", r"(?m)^(\s*user-agent)", r"\d+x", r"\s*\([^)]*\)"])
def test_a_quadratic_expression_is_found(pattern):
    texts = worst_texts(pattern, 0, LENGTH)
    assert any(seconds(pattern, 0, "search", text) > LIMIT_S for text in texts)
