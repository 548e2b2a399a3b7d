"""Extensions are found because their file lies there; knowing their names imports none of them."""

import subprocess
import sys
from typing import Annotated

import pytest
from pydantic import AfterValidator, BaseModel, ValidationError

from listing_vibes.errors import VibesError
from listing_vibes.market.importers import IMPORTERS, Importer
from listing_vibes.registry import Registry

ONE = "from listing_vibes.market.importers import Importer\n\nclass {name}(Importer):\n    def write(self, path, target): ...\n"


@pytest.fixture
def package(tmp_path, monkeypatch):
    """An empty package that Python finds; returns its name and its folder."""
    folder = tmp_path / f"extensions_of_{tmp_path.name}"
    folder.mkdir()
    (folder / "__init__.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    return folder.name, folder


def test_a_file_is_an_extension_by_its_name(package):
    name, folder = package
    (folder / "two_words.py").write_text(ONE.format(name="Second"))
    (folder / "first.py").write_text(ONE.format(name="First"))
    (folder / "_shared.py").write_text("HELP = 1\n")
    found = Registry(name, Importer, "source")
    assert list(found) == ["first", "two-words"]
    assert found["two-words"].__name__ == "Second"
    assert issubclass(found["first"], Importer)
    assert list(Registry(name, Importer, "source", " ")) == ["first", "two words"]


def test_names_are_known_without_importing_what_they_name(package):
    name, folder = package
    (folder / "heavy.py").write_text("raise RuntimeError('imported')\n")
    found = Registry(name, Importer, "source")
    assert "heavy" in found and len(found) == 1 and "light" not in found
    with pytest.raises(RuntimeError, match="imported"):
        found["heavy"]


def test_an_unknown_name_is_told_beside_those_there_are():
    with pytest.raises(VibesError) as raised:
        IMPORTERS["ebay"]
    assert str(raised.value) == f"There is no source 'ebay'; choose one of {', '.join(IMPORTERS)}."


@pytest.mark.parametrize(
    ("content", "number"), [("X = 1\n", 0), (ONE.format(name="A") + ONE.format(name="B"), 2)]
)
def test_a_file_without_exactly_one_class_is_named(package, content, number):
    name, folder = package
    (folder / "odd.py").write_text(content)
    with pytest.raises(TypeError, match=f"odd must hold one Importer, and holds {number}"):
        Registry(name, Importer, "source")["odd"]


def test_a_class_that_a_file_only_imports_is_not_its_extension(package):
    name, folder = package
    (folder / "base.py").write_text(ONE.format(name="Base"))
    (folder / "derived.py").write_text(f"from {name}.base import Base\n\nclass Derived(Base): ...\n")
    assert Registry(name, Importer, "source")["derived"].__name__ == "Derived"


def test_a_setting_refuses_what_no_file_is_called(package):
    name, folder = package
    for file in ("one.py", "three.py", "two.py"):
        (folder / file).touch()

    class Setting(BaseModel):
        source: Annotated[str, AfterValidator(Registry(name, Importer, "source").known)]

    assert Setting(source="two").source == "two"
    with pytest.raises(ValidationError, match="Input should be 'one', 'three' or 'two'"):
        Setting(source="four")


def test_the_command_line_starts_without_what_its_extensions_need():
    heavy = "{'pandas', 'numpy', 'torch', 'implicit'}"
    code = f"import listing_vibes.cli, sys; print(sorted({heavy} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "[]\n"
