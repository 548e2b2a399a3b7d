"""Grids: what they may say, what the packaged ones say, and what of them a market allows."""

from dataclasses import replace

import pytest

from listing_vibes.ablation.ablate import check_seeds
from listing_vibes.ablation.grid import PACKAGED, available_inputs, left_out, load_grid
from listing_vibes.errors import VibesError
from listing_vibes.market.market import Market
from listing_vibes.model.settings import Settings

EVERYTHING = {"photos", "text", "event features", "times"}


def test_variants_share_the_base_and_keep_their_order(tmp_path):
    path = tmp_path / "grid.toml"
    path.write_text(
        'base.training.max_steps = 7\n[[variant]]\nname = "b"\nset = { features.photos = 0, training.loss = "next" }\n'
        '[[variant]]\nname = "a"\nreference = "b"\n'
    )
    loaded = load_grid(path)
    assert [variant.name for variant in loaded.variants] == ["b", "a"]
    first, second = (loaded.settings(variant) for variant in loaded.variants)
    assert (first.features.photos, first.training.loss, first.training.max_steps) == (0, "next", 7)
    assert second == Settings.of({"training": {"max_steps": 7}})


@pytest.mark.parametrize(
    "text",
    [
        "[[variant]\n",
        "variant = []\n",
        '[[variant]]\nname = "a"\nspeed = 1\n',
        '[[variant]]\nname = "a"\nset.training.speed = 1\n',
        '[[variant]]\nname = "a"\nset.encoder.width = 33\n',
        '[[variant]]\nname = "a"\nset.seed = 1\n',
        '[[variant]]\nname = "a"\nset.split.t1 = 1\n',
        '[[variant]]\nname = "a"\n[[variant]]\nname = "a"\n',
        '[[variant]]\nname = "a"\nreference = "b"\n',
        '[[variant]]\nname = "a"\nbaseline = "sasrec"\n',
        '[[variant]]\nname = "a"\nbaseline = "ease"\ncontrol = "shuffled-photos"\n',
        '[[variant]]\nname = "a"\nneeds = ["luck"]\n',
        '[[variant]]\nname = "a"\ncontrol = "luck"\n',
        'base.seed = 3\n[[variant]]\nname = "a"\n',
        None,
    ],
)
def test_a_bad_grid_is_one_sentence(tmp_path, text):
    path = tmp_path / "grid.toml"
    if text is not None:
        path.write_text(text)
    with pytest.raises(VibesError) as raised:
        load_grid(path)
    assert str(path) in str(raised.value) and "\n" not in str(raised.value)


@pytest.mark.parametrize("name", PACKAGED)
def test_packaged_grids_name_settings_that_exist(name):
    loaded = load_grid(name)
    assert not left_out(loaded, EVERYTHING, has_oracle=True)
    assert all(variant.question for variant in loaded.variants)
    full = next(variant for variant in loaded.variants if variant.name == "full")
    assert loaded.settings(full) == Settings(), "the full model is what `vibes train` makes"


@pytest.mark.parametrize("name", PACKAGED)
@pytest.mark.parametrize("inputs", [set(), {"text", "times"}, EVERYTHING - {"photos"}])
def test_a_variant_whose_input_is_missing_is_left_out_and_its_reference_stands_in(name, inputs):
    loaded = load_grid(name)
    without = left_out(loaded, inputs)
    variants = [variant for variant in loaded.variants if variant.name not in without]
    names = [variant.name for variant in variants]
    assert "oracle" in without and ("full" in names) == ("photos" in inputs)
    for number, variant in enumerate(variants):
        assert set(variant.needs) <= inputs
        assert loaded.reference_of(variant, names) in (None, *names[:number])
    if name == "default":
        best = "full" if "photos" in inputs else "+ meta" if "event features" in inputs else "attributes"
        losses = next(variant for variant in variants if variant.name == "loss log_in")
        assert loaded.reference_of(losses, names) == best


@pytest.mark.parametrize("seeds", [(), (1, 1), (0, -1)])
def test_seeds_are_those_of_trainings(seeds):
    with pytest.raises(VibesError):
        check_seeds(seeds)


def test_inputs_are_what_the_tables_hold(tiny_market):
    assert available_inputs(Market.open(tiny_market(photos=3))) == EVERYTHING
    bare = Market.open(tiny_market("bare", photos=0))
    events = bare.events.drop(columns=["action", "duration_s"])
    assert available_inputs(replace(bare, events=events)) == {"text", "times"}
