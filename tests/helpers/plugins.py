"""A package outside ours, made of the examples of `assets/docs/extending.md` and installed by pip into a folder of its own."""

import importlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from helpers.once import once
from helpers.pages import ROOT, blocks
from listing_vibes import registry

PAGE = ROOT / "assets" / "docs" / "extending.md"
#: File of the package: the example of the page that it holds.
FILES = {
    "pyproject.toml": "toml pyproject.toml",
    "acme_vibes/newest.py": "python core/listing_vibes/scoring/baselines/newest.py",
    "acme_vibes/hinge.py": "python core/listing_vibes/model/losses/hinge.py",
    "acme_vibes/month.py": "python core/listing_vibes/market/attribute_types/month.py",
    "acme_vibes/json_lines.py": "python core/listing_vibes/market/importers/json_lines.py",
    "acme_vibes/encoders.py": "python acme_vibes/encoders.py",
    "acme_vibes/words.py": "python app/listing_vibes_app/app_pages/words.py",
}


@pytest.fixture(scope="session")
def plugin_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that the package is installed in."""

    def install(folder: Path) -> None:
        for name, info in FILES.items():
            file = folder / "source" / name
            file.parent.mkdir(parents=True, exist_ok=True)
            (text,) = blocks(PAGE, info)
            file.write_text(text, encoding="utf-8")
        (folder / "source" / "acme_vibes" / "__init__.py").touch()
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index"]
        command += ["--no-build-isolation", "--target", folder / "site", folder / "source"]
        subprocess.run(command, check=True)

    return once(tmp_path_factory, "plugin", install) / "site"


def forget_plugins() -> None:
    """Let the registries read again what is installed, and Python what it has imported of the package."""
    for module in [name for name in sys.modules if name.startswith("acme_vibes")]:
        del sys.modules[module]
    registry.installed_entry_points.cache_clear()
    registry.plugins_of.cache_clear()
    importlib.invalidate_caches()


@pytest.fixture
def plugin(plugin_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The package, installed for one test."""
    monkeypatch.syspath_prepend(plugin_folder)
    forget_plugins()
    yield plugin_folder
    monkeypatch.undo()
    forget_plugins()
