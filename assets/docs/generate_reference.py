"""Write the generated pages of the reference: commands, settings, rules, HTTP, Python. Sphinx runs it before each build."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import typer
from pydantic import BaseModel

OUT = Path(__file__).resolve().parent / "reference" / "generated"


def write_pages() -> None:
    """Write all pages."""
    OUT.mkdir(exist_ok=True)
    for name, text in (
        ("commands", commands()),
        ("settings", settings()),
        ("rules", rules()),
        ("http", routes()),
        ("python", functions()),
    ):
        (OUT / f"{name}.md").write_text(text, encoding="utf-8")


def commands() -> str:
    """Return every command with its arguments and options."""
    from listing_vibes.cli import app

    lines = ["# Commands\n"]
    for name, command in sorted(typer.main.get_command(app).commands.items()):  # type: ignore[attr-defined]
        if command.hidden:
            continue
        arguments = " ".join(
            p.metavar or p.name.upper() for p in command.params if p.param_type_name == "argument"
        )
        lines += [f"## {name}\n", f"`vibes {name} {arguments}`\n", f"{(command.help or '').strip()}\n"]
        rows = [
            f"| {', '.join(f'`{option}`' for option in (*p.opts, *p.secondary_opts))} | {_cell(p.help)} |"
            for p in command.params
            if p.param_type_name == "option" and p.name != "help"
        ]
        if rows:
            lines += ["| option | meaning |", "|---|---|", *rows, ""]
    return "\n".join(lines)


def settings() -> str:
    """Return every setting with its default and meaning."""
    from listing_vibes.model.settings import Settings

    lines = ["# Settings\n", "Write them into a TOML file and pass it to `vibes train --config FILE`.\n"]
    lines += ["| setting | default | meaning |", "|---|---|---|", *_rows(Settings, "")]
    return "\n".join(lines) + "\n"


def _rows(model: type[BaseModel], prefix: str) -> list[str]:
    rows = []
    for name, field in model.model_fields.items():
        part = field.annotation
        if inspect.isclass(part) and issubclass(part, BaseModel):
            rows += _rows(part, f"{prefix}{name}.")
        else:
            rows.append(
                f"| `{prefix}{name}` | `{field.get_default(call_default_factory=True)}` | {_cell(field.description)} |"
            )
    return rows


def rules() -> str:
    """Return the table of rules, which the page on rules includes."""
    from listing_vibes.run.rules import declared

    rows = [f"| `{rule.name}` | {_cell(rule.description)} |" for rule in declared()]
    return "\n".join(["| rule | meaning |", "|---|---|", *rows]) + "\n"


def routes() -> str:
    """Return every route of the service with its parameters."""
    from listing_vibes.demo.shipped import bundled_run
    from listing_vibes.request_errors import SENTENCES
    from listing_vibes.serving.service.app import Service, make_app
    from listing_vibes.serving.service.lists import CurrentRun

    schema = make_app(Service(CurrentRun(bundled_run()))).openapi()
    lines = ["# HTTP\n", "The service writes the same as `/openapi.json`.\n"]
    for path, methods in schema["paths"].items():
        for method, route in methods.items():
            text = route.get("description") or route.get("summary") or ""
            lines += [f"## {method.upper()} {path}\n", f"{text.strip()}\n"]
            rows = [
                f"| `{p['name']}` | {p['in']} | {_cell(p.get('description') or p.get('schema', {}).get('description'))} |"
                for p in route.get("parameters", [])
            ]
            if rows:
                lines += ["| parameter | in | meaning |", "|---|---|---|", *rows, ""]
    lines += [
        "## Errors\n",
        "`error` is the sentence, without paths of the server; `code` stays the same between versions.\n",
    ]
    rows = [f"| `{code}` | {_cell(sentence)} |" for code, sentence in SENTENCES.items()]
    lines += ["| code | sentence |", "|---|---|", *rows, ""]
    return "\n".join(lines)


def functions() -> str:
    """Return the public functions and classes as directives of autodoc."""
    import listing_vibes

    lines = ["# Python\n", "```python\nfrom listing_vibes import Market, Run, evaluate, train\n```\n"]
    lines += ["The [examples](../../how-to/python.md) show each at work.\n"]
    for name in sorted(listing_vibes.__all__):
        if name.startswith("_"):
            continue
        kind = "autoclass" if inspect.isclass(getattr(listing_vibes, name)) else "autofunction"
        lines += [f"```{{eval-rst}}\n.. {kind}:: listing_vibes.{name}\n```\n"]
    return "\n".join(lines)


def _cell(text: Any) -> str:
    return " ".join(str(text or "").split()).replace("|", "\\|")


if __name__ == "__main__":
    write_pages()
