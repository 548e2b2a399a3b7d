"""A package outside ours adds one of each extension, and one that is broken is a sentence that names it."""

import json
import os
import shutil
import subprocess
import sys
from typing import Annotated

import numpy as np
import pandas as pd
import pytest
from pydantic import AfterValidator, BaseModel, ValidationError

from browser.painted import paint_market
from helpers.plugins import forget_plugins, plugin, plugin_folder  # noqa: F401
from listing_vibes import Market, Run, evaluate, train
from listing_vibes.errors import VibesError
from listing_vibes.features.photos.encoders import PHOTO_ENCODERS, encoder_of
from listing_vibes.features.texts.sources import TEXT_SOURCES
from listing_vibes.insight.selection.url_parameters import Params, read_rules
from listing_vibes.market.attribute_types import ATTRIBUTE_TYPES
from listing_vibes.market.importers import IMPORTERS, Importer
from listing_vibes.model.losses import LOSSES
from listing_vibes.registry import Registry
from listing_vibes.scoring.baselines import BASELINES

ADDED = [
    (BASELINES, "newest"), (LOSSES, "hinge"), (ATTRIBUTE_TYPES, "month"), (IMPORTERS, "json-lines"),
    (TEXT_SOURCES, "letters"), (PHOTO_ENCODERS, "colors"),
]  # fmt: skip


@pytest.mark.usefixtures("plugin")
def test_names_are_known_without_importing_the_package():
    for found, name in ADDED:
        assert name in found and name in list(found) and len(found) == len(list(found))
    assert not any(module.startswith("acme_vibes") for module in sys.modules)
    for found, name in ADDED:
        assert found[name].__module__.startswith("acme_vibes.")


@pytest.mark.usefixtures("plugin")
def test_listings_can_be_grouped_by_an_attribute_of_the_packages_type():
    homes = pd.DataFrame({"listing_id": ["a", "b"], "free": ["2024-02-03", "2024-03-03"]})
    market = Market.from_frames(homes, attributes={"free": {"kind": "month"}})
    params = Params({"per": "free", "same": "free"})
    rules = read_rules(market, params, users=True)
    assert (rules.seller, rules.same, params.unused) == ("free", ("free",), [])


@pytest.mark.slow
def test_a_run_is_made_with_the_packages_classes(plugin, tmp_path):  # noqa: F811
    folder = paint_market(tmp_path / "market", listings=40, users=30)
    listings = pd.read_parquet(folder / "listings.parquet")
    moved = listings.assign(moved_in=[f"2024-{1 + row % 12:02d}-03" for row in range(len(listings))])
    moved.to_parquet(folder / "listings.parquet")
    with (folder / "market.toml").open("a") as stream:
        stream.write('\n[attributes.moved_in]\nkind = "month"\n')
    run = train(
        Market.open(folder), tmp_path / "run", preset="tiny", encoder="colors",
        training={"loss": "hinge", "max_steps": 4, "batch": 8, "fresh": 8},
        features={"text_encoder": "letters"},
    )  # fmt: skip
    settings = run.manifest.settings
    assert (settings.training.loss, settings.features.text_encoder) == ("hinge", "letters")
    assert run.manifest.photo_encoder == "colors@1"
    assert run.vectors("photos").shape[1] == 48
    assert {one.name: one.kind for one in run.market.attributes}["moved_in"] == "month"
    assert "newest" in evaluate(run).names
    again = Run.open(tmp_path / "run")
    assert np.array_equal(again.vectors("model"), run.vectors("model"))
    assert len(again.similar(listings["listing_id"].astype(str)[0]))


@pytest.mark.slow
def test_the_command_imports_by_the_packages_importer(plugin, tmp_path):  # noqa: F811
    (tmp_path / "files").mkdir()
    rows = [{"listing_id": f"l{row}", "price": row} for row in range(5)]
    (tmp_path / "files" / "listings.jsonl").write_text("\n".join(map(json.dumps, rows)))
    paths = os.pathsep.join([str(plugin), *filter(None, [os.environ.get("PYTHONPATH")])])
    command = [sys.executable, "-c", "from listing_vibes.cli import main; main()"]
    command += ["import", "json-lines", str(tmp_path / "files"), str(tmp_path / "market")]
    done = subprocess.run(
        command, env={**os.environ, "PYTHONPATH": paths}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert len(Market.open(tmp_path / "market").listings) == 5


@pytest.fixture
def broken(plugin_folder, tmp_path, monkeypatch):  # noqa: F811
    """A copy of the package for a test to damage, and what makes the registries read it."""
    site = tmp_path / "site"
    shutil.copytree(plugin_folder, site)
    (entries,) = site.glob("acme_vibes-*.dist-info/entry_points.txt")

    def damage(edit):
        edit(site / "acme_vibes", entries)
        forget_plugins()

    monkeypatch.syspath_prepend(site)
    yield damage
    monkeypatch.undo()
    forget_plugins()


def renamed(old, new):
    return lambda _, entries: entries.write_text(entries.read_text().replace(old, new))


@pytest.mark.parametrize(
    ("edit", "registry", "name", "says"),
    [
        (
            lambda package, _: (package / "hinge.py").write_text("import nowhere\n"),
            LOSSES,
            "hinge",
            "nowhere",
        ),
        (
            lambda package, _: (package / "hinge.py").write_text("1 / 0\n"),
            LOSSES,
            "hinge",
            "division by zero",
        ),
        (renamed(":Hinge", ":Hindge"), LOSSES, "hinge", "Hindge"),
        (renamed("hinge:Hinge", "newest:Newest"), LOSSES, "hinge", "newest:Newest is no Loss"),
        (renamed("newest:Newest", "bare:Bare"), BASELINES, "newest", "lacks score, tune"),
        (renamed("hinge =", "next ="), LOSSES, "next", "as Listing Vibes does"),
    ],
    ids=["an import", "an error", "no such class", "another class", "an abstract class", "a name of ours"],
)
def test_a_broken_package_is_a_sentence_that_names_it(broken, edit, registry, name, says):
    def damage(package, entries):
        (package / "bare.py").write_text(
            "from listing_vibes.scoring.baselines import Baseline\n\nclass Bare(Baseline): ...\n"
        )
        edit(package, entries)

    broken(damage)
    assert name in registry
    with pytest.raises(VibesError) as raised:
        registry[name]
    text = str(raised.value)
    assert "acme-vibes 1.0" in text and says in text and "\n" not in text and text.endswith("package.")
    assert registry["log_in" if registry is LOSSES else "popularity"]  # the others are as they were


def test_a_photo_encoder_of_another_version_is_refused(plugin):  # noqa: F811
    assert encoder_of(None, "colors").name == encoder_of(None, "colors@1").name == "colors@1"
    with pytest.raises(VibesError, match="is 'colors@1', not 'colors@0'"):
        encoder_of(None, "colors@0")
    with pytest.raises(VibesError, match="is no CustomPhotoEncoder"):
        encoder_of(None, "letters")


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
