"""That the lines of the table of speed can be run: what they import of the tests is there, and each answers in JSON."""

import ast
from pathlib import Path

import pytest
from tests.benchmarks.__main__ import LINES

HERE = Path(__file__).parent
ROOT = HERE.parents[1]


def modules_of(path: Path) -> set[str]:
    """The modules below `tests` that a file imports."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "tests":
            whole = [f"{node.module}.{one.name}" for one in node.names]
            found |= {
                name if (ROOT / name.replace(".", "/")).with_suffix(".py").is_file() else node.module
                for name in whole
            }
    return found


@pytest.mark.parametrize("path", sorted(HERE.glob("[!_]*.py")), ids=lambda path: path.stem)
def test_what_a_benchmark_takes_from_the_tests_is_there(path):
    for module in modules_of(path):
        place = ROOT / module.replace(".", "/")
        assert place.with_suffix(".py").is_file() or (place / "__init__.py").is_file(), module


@pytest.mark.parametrize("name", LINES)
def test_every_line_is_a_benchmark_that_answers_in_json(name):
    text = (HERE / f"{name}.py").read_text(encoding="utf-8")
    assert '"--json"' in text
    for options in LINES[name]:
        assert all(f'{one.lstrip("-")}"' in text for one in options if one.startswith("--")), options
