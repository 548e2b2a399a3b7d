"""Grids: what they may say, what the packaged ones say, and what of them a market allows."""

from dataclasses import replace

import pytest

from listing_vibes.ablation.ablate import check_seeds
from listing_vibes.ablation.controls import CONTROLS
from listing_vibes.ablation.grid import (
    PACKAGED,
    Grid,
    Inputs,
    effective,
    load_grid,
    make_plan,
    merged,
    nested,
)
from listing_vibes.errors import VibesError
from listing_vibes.market.market import Market
from listing_vibes.model.settings import Settings

EVERYTHING = Inputs(photos=32, text=True, meta=True, timestamps=True)
NOTHING = Inputs(photos=0, text=False, meta=False, timestamps=False)


def grid(*variants: dict, **base) -> Grid:
    return Grid.model_validate({"base": base, "variant": list(variants)})


def test_dotted_and_nested_overrides_are_the_same():
    flat = {"features.photos": 0, "training.loss": "next", "features": {"meta": False}}
    assert nested(flat) == {"features": {"photos": 0, "meta": False}, "training": {"loss": "next"}}
    assert nested({"features": {"meta": False}, "features.photos": 0})["features"] == {
        "meta": False,
        "photos": 0,
    }
    assert merged({"a": {"b": 1, "c": 2}, "d": 3}, {"a": {"c": 4}}) == {"a": {"b": 1, "c": 4}, "d": 3}


def test_variants_share_the_base_and_keep_their_order(tmp_path):
    path = tmp_path / "grid.toml"
    path.write_text(
        'base.training.max_steps = 7\n[[variant]]\nname = "b"\nset = { features.photos = 0, training.loss = "next" }\n'
        '[[variant]]\nname = "a"\nreference = "b"\n'
    )
    found = load_grid(path)
    assert [variant.name for variant in found.variants] == ["b", "a"]
    first, second = (found.settings(variant) for variant in found.variants)
    assert (first.features.photos, first.training.loss, first.training.max_steps) == (0, "next", 7)
    assert second == Settings.model_validate({"training": {"max_steps": 7}})


@pytest.mark.parametrize(
    "text, sentence",
    [
        ("[[variant]\n", "not valid TOML"),
        ("variant = []\n", "variant"),
        ('[[variant]]\nname = "a"\nspeed = 1\n', "unknown key 'variant.0.speed'"),
        ('[[variant]]\nname = "a"\nset.training.speed = 1\n', "variant 'a': unknown key 'training.speed'"),
        ('[[variant]]\nname = "a"\nset.training.loss = "none such"\n', "training.loss"),
        ('[[variant]]\nname = "a"\nset.encoder.width = 33\n', "variant 'a': .*width 33"),
        ('[[variant]]\nname = "a"\nset.seed = 1\n', "'seed' is the same for all variants"),
        ('[[variant]]\nname = "a"\nset.split.t1 = 1\n', "'split' is the same for all variants"),
        ('[[variant]]\nname = "a"\n[[variant]]\nname = "a"\n', "two variants are called 'a'"),
        ('[[variant]]\nname = "a"\nreference = "b"\n', "'b' of 'a' is no variant above it"),
        ('[[variant]]\nname = "a"\nkind = "baseline"\n', "a baseline has"),
        ('[[variant]]\nname = "a"\nbaseline = "ease"\n', "a baseline has"),
        ('[[variant]]\nname = "a"\nkind = "baseline"\nbaseline = "sasrec"\n', "baseline"),
        (
            '[[variant]]\nname = "a"\nkind = "baseline"\nbaseline = "ease"\nserving = "recency"\n',
            "no serving",
        ),
        ('[[variant]]\nname = "a"\nserving = "luck"\n', "serving"),
        ('base.seed = 3\n[[variant]]\nname = "a"\n', "'seed' is given to the command"),
    ],
)
def test_a_bad_grid_is_one_sentence(tmp_path, text, sentence):
    path = tmp_path / "grid.toml"
    path.write_text(text)
    with pytest.raises(VibesError, match=sentence):
        load_grid(path)


def test_a_grid_that_is_not_there_names_the_packaged_ones(tmp_path):
    with pytest.raises(VibesError, match="or one of: default, ladder"):
        load_grid(tmp_path / "nowhere.toml")


@pytest.mark.parametrize("name", PACKAGED)
def test_packaged_grids_name_settings_that_exist_and_train_nothing_twice(name):
    found = load_grid(name)
    plan = make_plan(found, EVERYTHING, oracle=True)
    assert all(reason.endswith("it is the same as 'full'.") for reason in plan.left_out.values())
    assert len(plan.variants) + len(plan.left_out) == len(found.variants)
    assert all(p.variant.question for p in plan.variants)
    full = next(p for p in plan.variants if p.name == "full")
    assert full.settings == Settings(), "the full model is what `vibes train` makes"


def test_the_default_grid_answers_every_question():
    questions = {variant.question for variant in load_grid("default").variants}
    assert questions >= {"ladder", "losses", "recency", "item bank", "photos", "text", "meta", "size"}


@pytest.mark.parametrize("has", [NOTHING, Inputs(0, True, False, True), Inputs(1, False, True, False)])
def test_whatever_a_market_lacks_references_stay_measured_variants(has):
    plan = make_plan(load_grid("default"), has)
    names = [p.name for p in plan.variants]
    for place, planned in enumerate(plan.variants):
        assert planned.reference is None or planned.reference in names[:place]
    assert set(plan.left_out) | set(names) == {v.name for v in load_grid("default").variants}
    keys = [
        (str(effective(p.settings, has)), p.variant.serving, p.variant.control)
        for p in plan.variants
        if p.settings is not None
    ]
    assert len(set(keys)) == len(keys)


def test_what_a_market_lacks_is_left_out_with_a_sentence_and_referred_past():
    asked = grid(
        {"name": "ids", "kind": "baseline", "baseline": "ease"},
        {"name": "attributes", "reference": "ids", "set": {"features.photos": 0, "features.meta": False}},
        {"name": "+ meta", "reference": "attributes", "set": {"features.photos": 0}},
        {"name": "full", "reference": "+ meta"},
        {"name": "log_in", "reference": "full", "set": {"training.loss": "log_in"}},
        {"name": "looks", "reference": "full", "kind": "baseline", "baseline": "photo-neighbors"},
        {"name": "oracle", "reference": "looks", "kind": "baseline", "baseline": "oracle"},
    )
    plan = make_plan(asked, Inputs(photos=0, text=True, meta=True, timestamps=True))
    assert [p.name for p in plan.variants] == ["ids", "attributes", "+ meta", "log_in"]
    assert plan.variants[3].reference == "+ meta"
    assert (
        plan.left_out["full"] == "'full' is left out: it is the same as '+ meta' on a market without photos."
    )
    assert "has no photos" in plan.left_out["looks"] and "simulated" in plan.left_out["oracle"]
    whole = make_plan(asked, EVERYTHING, oracle=True)
    assert not whole.left_out and whole.variants[6].reference == "looks"
    bare = make_plan(asked, NOTHING)
    assert [p.name for p in bare.variants] == ["ids", "attributes", "log_in"]
    assert bare.variants[2].reference == "attributes"


def test_the_sentence_names_what_made_them_the_same_and_nothing_else():
    asked = grid(
        {"name": "a", "set": {"features.meta": False}},
        {"name": "+ meta", "set": {"features.photos": 0, "features.meta": False}},
        {"name": "again", "set": {"features.meta": False}},
        {"name": "by hand", "set": {"features.meta": False, "training.recency_days": 60}},
    )

    def decide(given):
        return given.model_copy(update={"training": given.training.model_copy(update={"recency_days": 60})})

    plan = make_plan(asked, Inputs(photos=0, text=False, meta=True, timestamps=True), decide=decide)
    assert [planned.name for planned in plan.variants] == ["a"]
    assert plan.left_out == {
        "+ meta": "'+ meta' is left out: it is the same as 'a' on a market without photos.",
        "again": "'again' is left out: it is the same as 'a'.",
        "by hand": "'by hand' is left out: it is the same as 'a' by what this market decides.",
    }


@pytest.mark.parametrize(
    "seeds, told", [((), "not distinct"), ((1, 1), "not distinct"), ((0, -1), "'seed' is -1")]
)
def test_seeds_are_those_of_trainings(seeds, told):
    with pytest.raises(VibesError, match=told):
        check_seeds(seeds)


@pytest.mark.parametrize(
    "one, other, has",
    [
        ({"text": False}, {"text": False, "text_views": ["tfidf"]}, EVERYTHING),
        ({"photos": 0}, {"photos": 0, "photo_join": "concat"}, EVERYTHING),
        ({"photos": 3}, {"photos": 9}, Inputs(3, True, True, True)),
        ({"photos": 1}, {"photos": 8}, Inputs(1, True, True, True)),
    ],
)
def test_what_cannot_matter_does_not_make_a_variant(one, other, has):
    first, second = (effective(Settings.model_validate({"features": part}), has) for part in (one, other))
    assert first["features"] == second["features"]


@pytest.mark.parametrize(
    "one, other, has",
    [
        ({}, {"photos": 1}, EVERYTHING),
        ({}, {"photos": 1}, Inputs(2, True, True, True)),
        ({"text": False}, {"text": False, "words": False}, EVERYTHING),
    ],
)
def test_what_can_matter_does(one, other, has):
    first, second = (effective(Settings.model_validate({"features": part}), has) for part in (one, other))
    assert first != second


def test_a_loss_that_knows_what_is_recent_needs_timestamps():
    names = ["full + recency", "recency in the loss", "recency in the loss + recency"]
    for has in (EVERYTHING, replace(EVERYTHING, timestamps=False)):
        plan = make_plan(load_grid("default"), has)
        kept = [p.name for p in plan.variants if p.variant.question == "recency"]
        assert kept == (names if has.timestamps else names[:1])
    assert plan.left_out[names[2]].endswith("the same as 'full + recency' on a market without timestamps.")


def test_photos_end_to_end_need_photos():
    plan = make_plan(load_grid("default"), EVERYTHING)
    (asked,) = [p for p in plan.variants if p.name == "photos end to end"]
    assert asked.reference == "full" and asked.settings.features.photo_encoders == ("tf_efficientnet_lite0",)
    bare = make_plan(load_grid("default"), Inputs(photos=0, text=True, meta=True, timestamps=True))
    assert bare.left_out["photos end to end"].endswith("on a market without photos.")


def test_a_control_of_what_the_model_is_not_given_is_no_variant():
    def kept(control: str, has: Inputs, **features) -> bool:
        variants = [{"name": "full"}, {"name": "control", "control": control}]
        plan = make_plan(Grid.model_validate({"base": {"features": features}, "variant": variants}), has)
        return "control" in [planned.name for planned in plan.variants]

    for control in CONTROLS:
        assert kept(control, EVERYTHING) and not kept(control, NOTHING)
    assert not kept("shuffled-photos", EVERYTHING, photos=0)
    assert kept("random-texts", EVERYTHING, text=False)
    assert not kept("random-texts", EVERYTHING, text=False, words=False)
    assert not kept("permuted-meta", EVERYTHING, meta=False)


def test_without_a_bank_its_settings_do_not_matter():
    same = [
        effective(Settings.model_validate({"training": part}), EVERYTHING)
        for part in ({"bank_size": 0}, {"bank_size": 0, "bank_every": 9})
    ]
    assert same[0] == same[1] != effective(Settings(), EVERYTHING)


def test_inputs_are_what_the_tables_hold(tiny_market):
    assert Inputs.of(Market.open(tiny_market(photos=3))) == Inputs(
        photos=3, text=True, meta=True, timestamps=True
    )
    bare = Market.open(tiny_market("bare", photos=0))
    assert not Inputs.of(bare).photos
    silent = bare.events.drop(columns=["action", "duration_s"])
    told = Inputs.of(replace(bare, events=silent))
    assert not told.meta and told.text
