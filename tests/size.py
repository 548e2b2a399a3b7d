"""`python -m tests.size`: the size of the project.

By room: lines, statements, modules, long functions. In all: lines of imports, names that occur twice, settings, commands, options.
"""

from __future__ import annotations

import ast
import subprocess
import tomllib
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
ROOMS = {"core": "core/listing_vibes", "app": "app/listing_vibes_app"}


def tracked(*patterns: str) -> list[Path]:
    """Return the files of the repository that match."""
    listed = subprocess.run(
        ["git", "ls-files", *patterns], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return [ROOT / line for line in listed.stdout.splitlines() if (ROOT / line).is_file()]


def count(files: list[Path]) -> Counter[str]:
    """Return lines, statements, modules and functions over 60 lines of Python files."""
    total: Counter[str] = Counter()
    for file in files:
        text = file.read_text(encoding="utf-8")
        nodes = list(ast.walk(ast.parse(text)))
        functions = [node for node in nodes if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
        total["lines"] += len(text.splitlines())
        total["statements"] += sum(isinstance(node, ast.stmt) for node in nodes)
        total["modules"] += 1
        total["long functions"] += sum((node.end_lineno or 0) - node.lineno >= 60 for node in functions)
    return total


def imports(files: list[Path]) -> int:
    """Return how many lines the import statements take."""
    nodes = [node for file in files for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))]
    return sum(
        (node.end_lineno or node.lineno) - node.lineno + 1
        for node in nodes
        if isinstance(node, ast.Import | ast.ImportFrom)
    )


def repeated(names: list[str]) -> list[str]:
    """Return the names that occur more than once, sorted."""
    return sorted(name for name, number in Counter(names).items() if number > 1)


def classes(files: list[Path]) -> list[str]:
    """Return the names of the public classes of modules."""
    nodes = [node for file in files for node in ast.parse(file.read_text(encoding="utf-8")).body]
    return [node.name for node in nodes if isinstance(node, ast.ClassDef) and not node.name.startswith("_")]


def commands() -> tuple[int, int]:
    """Return how many commands there are, and how many different options they have."""
    import typer

    from listing_vibes.cli import app

    listed = typer.main.get_command(app).commands.values()  # type: ignore[attr-defined]
    shown = [command for command in listed if not command.hidden]
    options = {(command.name, name) for command in shown for parameter in command.params
               if parameter.param_type_name == "option" for name in parameter.opts if name.startswith("--")}  # fmt: skip
    return len(shown), len(options)


def settings() -> int:
    """Return how many settings a user can set."""
    from pydantic import BaseModel

    from listing_vibes.model.settings import Settings

    def leaves(model: type[BaseModel]) -> int:
        parts = (field.annotation for field in model.model_fields.values())
        return sum(
            leaves(part) if isinstance(part, type) and issubclass(part, BaseModel) else 1 for part in parts
        )

    return leaves(Settings)


def main() -> None:
    """Print the table."""
    rows: list[tuple[str, Counter[str]]] = []
    for root in ROOMS.values():
        folders = sorted(
            path
            for path in (ROOT / root).iterdir()
            if path.is_dir() and not path.name.startswith((".", "__"))
        )
        rows += [
            (folder.relative_to(ROOT).as_posix(), count(tracked(f"{folder.relative_to(ROOT)}/*.py")))
            for folder in folders
        ]
    rows.append(("core + app", count(tracked("core/*.py", "app/*.py"))))
    rows.append(("tests", count(tracked("tests/*.py"))))
    print(f"{'':38}{'lines':>8}{'statements':>12}{'modules':>9}{'over 60 lines':>15}")
    for name, total in rows:
        if total["modules"]:
            print(
                f"{name:38}{total['lines']:8,}{total['statements']:12,}{total['modules']:9}{total['long functions']:15}"
            )
    python = tracked("core/*.py", "app/*.py")
    lines = count(python)["lines"]
    long = [file.name for file in python if len(file.read_text(encoding="utf-8").splitlines()) > 400]
    files = repeated([file.name for file in python if not file.name.startswith("__")])
    names = repeated(classes(python))
    print(
        f"imports {imports(python):,} lines, {imports(python) / lines:.1%}; over 400 lines: {long or 'none'}"
    )
    print(f"{len(files)} file names occur twice: {', '.join(files)}")
    print(f"{len(names)} class names are defined twice: {', '.join(names)}")
    web = sum(
        len(file.read_text(encoding="utf-8").splitlines())
        for file in tracked("core/*.js", "core/*.css", "app/*.js", "app/*.css")
    )
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"][
        "optional-dependencies"
    ]
    number, options = commands()
    print(
        f"JavaScript and CSS {web:,} lines; settings {settings()}; commands {number}; options {options}; extras {len(extras)}"
    )


if __name__ == "__main__":
    main()
