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
    assert all(planned.variant.question for planned in plan.variants)
    full = next(planned for planned in plan.variants if planned.name == "full")
    assert full.settings == Settings(), "the full model is what `vibes train` makes"


@pytest.mark.parametrize("inputs", [NOTHING, Inputs(0, True, False, True), Inputs(1, False, True, False)])
def test_whatever_a_market_lacks_references_stay_measured_variants(inputs):
    plan = make_plan(load_grid("default"), inputs)
    names = [planned.name for planned in plan.variants]
    for number, planned in enumerate(plan.variants):
        assert planned.reference is None or planned.reference in names[:number]
    assert set(plan.left_out) | set(names) == {variant.name for variant in load_grid("default").variants}
    keys = [
        (str(effective(planned.settings, inputs)), planned.variant.serving, planned.variant.control)
        for planned in plan.variants
        if planned.settings is not None
    ]
    assert len(set(keys)) == len(keys)


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
    plan = make_plan(asked, replace(EVERYTHING, photos=0))
    assert [planned.name for planned in plan.variants] == ["ids", "attributes", "+ meta", "log_in"]
    assert plan.variants[3].reference == "+ meta" and set(plan.left_out) == {"full", "photos", "oracle"}
    everything = make_plan(asked, EVERYTHING, has_oracle=True)
    assert not everything.left_out and everything.variants[6].reference == "photos"
    bare = make_plan(asked, NOTHING)
    assert [planned.name for planned in bare.variants] == ["ids", "attributes", "log_in"]
    assert bare.variants[2].reference == "attributes"


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
        ({"text": False}, {"text": False, "text_views": ["tfidf"]}, EVERYTHING, True),
        ({"photos": 0}, {"photos": 0, "photo_join": "concat"}, EVERYTHING, True),
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


def test_without_a_bank_its_settings_do_not_matter():
    same = [
        effective(Settings.of({"training": training}), EVERYTHING)
        for training in ({"bank_size": 0}, {"bank_size": 0, "bank_every": 9})
    ]
    assert same[0] == same[1] != effective(Settings(), EVERYTHING)


def test_a_control_of_what_the_model_is_not_given_is_no_variant():
    def is_measured(control: str, inputs: Inputs, **features) -> bool:
        plan = make_plan(
            grid({"name": "full"}, {"name": "control", "control": control}, features=features), inputs
        )
        return "control" in [planned.name for planned in plan.variants]

    for control in CONTROLS:
        assert is_measured(control, EVERYTHING) and not is_measured(control, NOTHING)
    assert not is_measured("shuffled-photos", EVERYTHING, photos=0)
    assert is_measured("random-texts", EVERYTHING, text=False)
    assert not is_measured("random-texts", EVERYTHING, text=False, words=False)
    assert not is_measured("permuted-meta", EVERYTHING, meta=False)


def test_inputs_are_what_the_tables_hold(tiny_market):
    assert Inputs.of(Market.open(tiny_market(photos=3))) == replace(EVERYTHING, photos=3)
    bare = Market.open(tiny_market("bare", photos=0))
    assert not Inputs.of(bare).photos
    inputs = Inputs.of(replace(bare, events=bare.events.drop(columns=["action", "duration_s"])))
    assert not inputs.meta and inputs.text
