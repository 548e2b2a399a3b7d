"""What is loaded comes from this machine, and nothing of it is unpickled but by torch's restricted reader."""

import ast
import re
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[1]


@cache
def calls(name: str) -> list[tuple[str, dict[str, object]]]:
    """Every call of a method `name` in the product: its place, and its options that are constants."""
    found = []
    for file in sorted((ROOT / "core").rglob("*.py")) + sorted((ROOT / "app").rglob("*.py")):
        text = file.read_text(encoding="utf-8")
        if not re.search(rf"\.\s*{name}\b", text):
            continue
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == name:
                told = {one.arg: getattr(one.value, "value", None) for one in node.keywords if one.arg}
                found.append((f"{file.relative_to(ROOT)}:{node.lineno}", told))
    return found


def test_no_model_is_fetched_from_a_hub():
    models = [
        (place, told) for place, told in calls("from_pretrained") if "freeze" not in told
    ]  # of torch's tables
    assert models
    assert [place for place, told in models if told.get("local_files_only") is not True] == []


def test_nothing_is_unpickled():
    assert [place for place, told in calls("load") if told.get("allow_pickle")] == []
    loads = [(place, told) for place, told in calls("load") if "map_location" in told]
    assert loads and [place for place, told in loads if told.get("weights_only") is not True] == []
