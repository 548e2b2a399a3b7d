"""The examples of how to add something are whole: each file alone is an extension, found by its name, and works."""

import importlib
import inspect
import re
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch

from helpers.pages import ROOT, blocks
from listing_vibes.features.tokens.vocabulary import Vocabulary
from listing_vibes.model.encoder_config import EncoderConfig
from listing_vibes.registry import Registry
from listing_vibes.run import rules

PAGE = ROOT / "assets" / "docs" / "extending.md"
RULE = "core/listing_vibes/run/rules.py"
FILES = re.findall(r"^```python (core/\S+)$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
FILES.remove(RULE)  # whose example is a field of an existing class


@pytest.fixture
def example(tmp_path, monkeypatch):
    """The class of an example: its file put where its registry looks."""

    def load(path):
        (text,) = blocks(PAGE, f"python {path}")
        folder, name = path.removesuffix(".py").rsplit("/", 1)
        package = importlib.import_module(folder.removeprefix("core/").replace("/", "."))
        (registry,) = [one for one in vars(package).values() if isinstance(one, Registry)]
        (tmp_path / f"{name}.py").write_text(text, encoding="utf-8")
        monkeypatch.setattr(package, "__path__", [*package.__path__, str(tmp_path)])
        monkeypatch.delitem(vars(registry), "_modules", raising=False)
        request = SimpleNamespace(name=name.replace("_", "-"), registry=registry)
        found = registry[request.name]
        vars(registry).pop("_modules")
        return found

    return load


def test_there_is_one_example_of_each_extension():
    folders = {path.rsplit("/", 1)[0] for path in FILES}
    assert len(folders) == len(FILES) == 6
    assert not {path for path in FILES if (ROOT / path).exists()}


@pytest.mark.parametrize("path", FILES)
def test_an_example_is_whole(example, path):
    assert not inspect.isabstract(example(path))


def test_the_loss_is_that_of_its_formula(example):
    scores = torch.tensor([[2.0, 1.5, 0.0]])
    masks = torch.tensor([[True, False, False]]), torch.tensor([[False, True, True]])
    assert (
        example("core/listing_vibes/model/losses/hinge.py")()(scores, *masks, torch.tensor([0])).item()
        == 0.25
    )


def test_the_kind_reads_and_tells(example):
    kind = example("core/listing_vibes/market/attribute_types/month.py")()
    values, bad, _ = kind.read(pd.Series(["2024-02-03", "soon", None]))
    assert values[0] == "Feb" and bad.tolist() == [False, True, False]
    (told,) = kind.tokenize(kind.fit(pd.DataFrame({"x": values}), "x", 8, 1), pd.DataFrame({"x": values}))
    assert told.listing.tolist() == [0] and told.value.tolist() == [1]


def test_the_rule_holds_in_lists_and_is_a_parameter(trained):
    (text,) = blocks(PAGE, f"python {RULE}")
    names = dict(vars(rules))
    exec(text.replace("class Rules(BaseModel)", "class Extended(Rules)"), names)
    market, extended = trained.market, names["Extended"]
    titles = market.listings.set_index("listing_id")[market.title]
    before = trained.recommend(trained.log.users[0], k=10)
    word = titles[before["listing_id"].iloc[0]].split()[0].casefold()
    for ids in (
        trained.recommend(trained.log.users[0], k=10, rules=extended(without_words=word))["listing_id"],
        trained.similar(before["listing_id"].iloc[0], k=10, rules=extended(without_words=word))["listing_id"],
    ):
        assert len(ids) and not titles[ids].str.casefold().str.contains(word, regex=False).any()
    (rule,) = [rule for rule in rules.declared(extended) if rule.field == "without_words"]
    assert rule.parameter == "without_words" and rule.label and rule.description


def test_the_user_encoder_sees_nothing_later(example):
    sizes = EncoderConfig(layers=1, width=4, heads=1, ffn=4)
    made = example("core/listing_vibes/model/user_encoders/mean.py")()
    user_pass = made.model(Vocabulary(attributes=[]), sizes).user_pass
    vectors = torch.eye(3)
    batch = SimpleNamespace(listing=torch.tensor([[0, 1, 2]]), real=torch.ones(1, 3, dtype=torch.bool))
    np.testing.assert_allclose(user_pass(vectors, batch)[0], [1, 0, 0])
    np.testing.assert_allclose(user_pass.newest(vectors, batch), np.full((1, 3), 3**-0.5), rtol=1e-6)
