"""Grids: what they may say, what the packaged ones say, and what of them a market allows."""

from dataclasses import replace

import pytest

from listing_vibes.ablation.ablate import check_seeds
from listing_vibes.ablation.controls import CONTROLS
from listing_vibes.ablation.grid import PACKAGED, Grid, Inputs, effective, load_grid, make_plan
from listing_vibes.errors import VibesError
from listing_vibes.market.market import Market
from listing_vibes.model.settings import Settings

EVERYTHING = Inputs(photos=32, text=True, meta=True, timestamps=True)
NOTHING = Inputs(photos=0, text=False, meta=False, timestamps=False)


def grid(*variants: dict, **base) -> Grid:
    return Grid.model_validate({"base": base, "variant": list(variants)})


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
        '[[variant]]\nname = "a"\nbaseline = "ease"\nserving = "recency"\n',
        '[[variant]]\nname = "a"\nserving = "luck"\n',
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
def test_packaged_grids_name_settings_that_exist_and_train_nothing_twice(name):
    loaded = load_grid(name)
    plan = make_plan(loaded, EVERYTHING, has_oracle=True)
    assert all(reason.endswith("the same as 'full'.") for reason in plan.left_out.values())
    assert len(plan.variants) + len(plan.left_out) == len(loaded.variants)
    assert all(variant.question for variant in plan.variants)
    full = next(variant for variant in plan.variants if variant.name == "full")
    assert loaded.settings(full) == Settings(), "the full model is what `vibes train` makes"


@pytest.mark.parametrize("inputs", [NOTHING, Inputs(0, True, False, True), Inputs(1, False, True, False)])
def test_whatever_a_market_lacks_references_stay_evaluated_variants(inputs):
    loaded = load_grid("default")
    plan = make_plan(loaded, inputs)
    names = [variant.name for variant in plan.variants]
    for number, variant in enumerate(plan.variants):
        assert plan.reference_of(variant, names) in (None, *names[:number])
    assert set(plan.left_out) | set(names) == {variant.name for variant in loaded.variants}
    trained = [variant for variant in plan.variants if variant.baseline is None]
    keys = {
        (str(effective(loaded.settings(variant), inputs)), variant.serving, variant.control)
        for variant in trained
    }
    assert len(keys) == len(trained)


def test_what_a_market_lacks_is_left_out_and_referred_past():
    asked = grid(
        {"name": "ids", "baseline": "ease"},
        {"name": "attributes", "reference": "ids", "set": {"features": {"photos": 0, "meta": False}}},
        {"name": "+ meta", "reference": "attributes", "set": {"features": {"photos": 0}}},
        {"name": "full", "reference": "+ meta"},
        {"name": "log_in", "reference": "full", "set": {"training": {"loss": "log_in"}}},
        {"name": "photos", "reference": "full", "baseline": "photo-neighbors"},
        {"name": "oracle", "reference": "photos", "baseline": "oracle"},
    )
    names = {variant.name for variant in asked.variants}
    for inputs, left_out, reference in (
        (EVERYTHING, {"oracle"}, "full"),
        (replace(EVERYTHING, photos=0), {"full", "photos", "oracle"}, "+ meta"),
        (NOTHING, {"+ meta", "full", "photos", "oracle"}, "attributes"),
    ):
        plan = make_plan(asked, inputs)
        evaluated = [variant.name for variant in plan.variants]
        assert set(plan.left_out) == left_out and set(evaluated) == names - left_out
        assert plan.reference_of(asked.variants[4], evaluated) == reference
    assert not make_plan(asked, EVERYTHING, has_oracle=True).left_out


def test_a_variant_that_the_market_makes_the_same_is_left_out():
    asked = grid({"name": "a"}, {"name": "by hand", "set": {"training": {"recency_days": 60}}})

    def resolve(settings):
        training = settings.training.model_copy(update={"recency_days": 60})
        return settings.model_copy(update={"training": training})

    assert not make_plan(asked, EVERYTHING).left_out
    assert set(make_plan(asked, EVERYTHING, resolve=resolve).left_out) == {"by hand"}


@pytest.mark.parametrize("seeds", [(), (1, 1), (0, -1)])
def test_seeds_are_those_of_trainings(seeds):
    with pytest.raises(VibesError):
        check_seeds(seeds)


@pytest.mark.parametrize(
    "one, other, inputs, is_same",
    [
        ({"text": False}, {"text": False, "text_encoder": "tfidf"}, EVERYTHING, True),
        ({"photos": 0}, {"photos": 0, "photo_encoder": "vae"}, EVERYTHING, True),
        ({"photos": 3}, {"photos": 9}, replace(EVERYTHING, photos=3), True),
        ({"photos": 1}, {"photos": 8}, replace(EVERYTHING, photos=1), True),
        ({}, {"photos": 1}, EVERYTHING, False),
        ({}, {"photos": 1}, replace(EVERYTHING, photos=2), False),
        ({"text": False}, {"text": False, "words": False}, EVERYTHING, False),
    ],
)
def test_only_what_can_matter_makes_a_variant(one, other, inputs, is_same):
    first, second = (effective(Settings.of({"features": features}), inputs) for features in (one, other))
    assert (first == second) == is_same


def test_a_control_of_what_the_model_is_not_given_is_no_variant():
    def is_measured(control: str, inputs: Inputs, **features) -> bool:
        plan = make_plan(
            grid({"name": "full"}, {"name": "control", "control": control}, features=features), inputs
        )
        return "control" in [variant.name for variant in plan.variants]

    for control in CONTROLS:
        assert is_measured(control, EVERYTHING) and not is_measured(control, NOTHING)
    assert not is_measured("shuffled-photos", EVERYTHING, photos=0)
    assert is_measured("shuffled-texts", EVERYTHING, text=False)
    assert not is_measured("shuffled-texts", EVERYTHING, text=False, words=False)
    assert not is_measured("shuffled-event-features", EVERYTHING, meta=False)


def test_inputs_are_what_the_tables_hold(tiny_market):
    assert Inputs.of(Market.open(tiny_market(photos=3))) == replace(EVERYTHING, photos=3)
    bare = Market.open(tiny_market("bare", photos=0))
    assert not Inputs.of(bare).photos
    inputs = Inputs.of(replace(bare, events=bare.events.drop(columns=["action", "duration_s"])))
    assert not inputs.meta and inputs.text
