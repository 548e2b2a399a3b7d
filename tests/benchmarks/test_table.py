"""The command that measures the table of speed: what is measured is kept, what fails is named, the page gets the table."""

import json
import sys

import pytest
from tests.benchmarks import __main__ as command

CONDITIONS = {
    "machine": "a machine",
    "cores": 2,
    "day": "2026-11-30",
    "commit": "abc",
    "load": 0.5,
    "took": 1.0,
}


def run(monkeypatch, *arguments) -> int:
    monkeypatch.setattr(sys, "argv", ["benchmarks", *map(str, arguments)])
    return command.main()


def test_an_interrupted_command_goes_on_and_the_page_gets_the_table(monkeypatch, tmp_path, capsys):
    measured = []

    def measure(name, folder, quick):
        measured.append(name)
        if name == "maps":
            return CONDITIONS | {"failed": ["no room"]}
        row = {"action": f"what {name} does", "rates": [1234.0], "note": "recall@30 0.9990"}
        return CONDITIONS | {"rows": [row]}

    monkeypatch.setattr(command, "measure", measure)
    row = {"action": "an answer", "seconds": [1.2, 0.8, 1.0], "peak GiB": 0.25}
    (tmp_path / "demo.json").write_text(json.dumps(CONDITIONS | {"rows": [row]}))
    page = tmp_path / "page.md"
    page.write_text(f"# Speed\n\n{command.BEGIN}\nold\n{command.END}\n\nmore\n")
    assert run(monkeypatch, tmp_path, "--only", "demo", "maps", "batch", "--page", page) == 1
    assert measured == ["maps", "batch"]  # "demo" has a result
    assert "maps failed: no room" in capsys.readouterr().err
    text = page.read_text()
    assert text.startswith("# Speed") and text.endswith("\n\nmore\n") and "old" not in text
    assert "| an answer | 1 s | 0.8 to 1.2 | 0.2 GiB |  |" in text
    assert "| what batch does | 1,234 | once |  | recall@30 0.9990 |" in text
    measured.clear()
    assert run(monkeypatch, tmp_path, "--only", "demo", "batch") == 0 and not measured


@pytest.mark.slow
def test_a_quick_measure_of_the_made_up_market(monkeypatch, tmp_path):
    assert run(monkeypatch, tmp_path, "--quick", "--only", "evaluation") == 0
    assert "exact ranks of" in (tmp_path / "table.md").read_text()
