"""`listing_vibes.train`: the run that the command writes, of one market or of several, and at work in another."""

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest

from helpers.commands import vibes
from helpers.small_market import generate
from listing_vibes import Market, Run, VibesError, evaluate, train
from listing_vibes.insight.similarity import explain_similarity
from listing_vibes.market.log import EventLog
from listing_vibes.market.splits import Catalogue, make_split
from listing_vibes.model.settings import Settings
from listing_vibes.progress import Stage, Trained, Update, Validated
from listing_vibes.run.blends import choose_blend, load_blends
from listing_vibes.run.embedding import embed_market
from listing_vibes.run.manifest import Manifest
from listing_vibes.run.other_market import TRANSFER_LATE_WEIGHT
from listing_vibes.training.batches import folder_names


@pytest.fixture(scope="module")
def towns(tmp_path_factory):
    """Three small towns; the second counts in another currency and calls the rooms otherwise."""
    root = tmp_path_factory.mktemp("towns")
    for number, name in enumerate("abc"):
        generate(root / name, 120, 150, number)
    opened = {name: Market.open(root / name) for name in "abc"}
    other = opened["b"]
    kinds = dict(other.config.attributes)
    kinds["zimmer"] = kinds.pop("rooms").model_copy(update={"same_as": "rooms"})
    kinds["price"] = kinds["price"].model_copy(update={"unit": "USD"})
    listings = other.listings.rename(columns={"rooms": "zimmer"})
    config = other.config.model_copy(update={"name": "Beta", "currency": "USD", "attributes": kinds})
    names = {"a": "Alpha", "c": "Gamma"}
    for name, title in names.items():
        one = opened[name]
        one.config.model_copy(update={"name": title}).save(one.path / "market.toml")
        opened[name] = Market.open(one.path)
    opened["b"] = Market.from_frames(listings, other.events, config=config.model_dump()).save(
        root / "b", overwrite=True
    )
    return opened


@pytest.fixture(scope="module")
def run(towns, quick, tmp_path_factory):
    path = tmp_path_factory.mktemp("many") / "run"
    settings = quick.model_copy(update={"history": "listing-vectors"})
    return path, train([towns["a"], towns["b"]], path, settings)


def test_runs_over_markets_called_alike_have_names_of_their_own():
    paths = [Path(name) for name in ("a/oslo", "a/oslo-3", "b/oslo", "c/oslo", "b/oslo-3")]
    names = folder_names([SimpleNamespace(path=path) for path in paths])
    assert names == ["oslo", "oslo-3", "oslo-4", "oslo-5", "oslo-3-5"]


@pytest.mark.slow
def test_the_command_names_the_kept_step_and_what_the_markets_share(towns, tmp_path):
    homes = towns["a"]
    frame = homes.listings[["listing_id", "price"]].assign(
        **{f"gear{n}": [f"{n} {row % 4}" for row in range(len(homes.listings))] for n in range(3)}
    )
    bikes = Market.from_frames(frame, homes.events).save(tmp_path / "bikes")
    (tmp_path / "few.toml").write_text(
        'preset = "tiny"\n[encoder]\nlayers = 1\nwidth = 32\nheads = 2\nffn = 64\n'
        "[training]\nbatch = 16\nmax_steps = 4\nwarmup = 2\nvalidate_every = 2"
    )
    done = vibes("train", homes.path, bikes.path, tmp_path / "run", "--config", tmp_path / "few.toml")
    kept = re.findall(r"kept: step (\d+)", done.stderr)[-1]
    assert f"with the weights of step {kept}" in done.stderr and int(kept) > 0
    assert "share 1 attribute: `price`" in done.stderr
    assert f"{bikes.name} shares 1 of its 4" in done.stderr


@pytest.mark.slow
def test_each_market_has_a_run_with_its_own_test(run, towns):
    path, runs = run
    for one, name in zip(runs, "ab", strict=True):
        market = towns[name]
        split = make_split(EventLog.from_market(market), Catalogue.of(market))
        kept = one.manifest.settings.split
        assert (kept.t1, kept.t2) == (split.t1, split.t2) and not one.transferred
        assert one.path == path / "markets" / name and evaluate(one, save=False).names[0] == "default ranking"
    known = Manifest.load(path).markets
    assert [one.fingerprint for one in known] == [towns[name].fingerprint for name in "ab"]
    with pytest.raises(VibesError, match="open one of its runs"):
        Run.open(path)
    # A market's own words, and one line for an amount and its rank.
    explained = explain_similarity(runs[1], *runs[1].listing_ids[:2])
    names = [line.name for line in explained.attributes]
    assert len(set(names)) == len(names) and "zimmer" in names
    assert set(names) <= {item.name for item in towns["b"].attributes}


@pytest.mark.slow
def test_a_market_that_took_no_part_is_seen_from_inside_and_tested_by_its_own_times(run, towns, tmp_path):
    path, _ = run
    market = towns["c"]
    embed_market(market, tmp_path / "c", None, path)
    new = Run.open(tmp_path / "c")
    split = make_split(new.log, new.catalogue)
    found = evaluate(new, save=False)
    assert new.transferred and len(found.queries) == len(split.test)
    assert (new.late_interaction.weight, run[1][0].late_interaction.weight) == (TRANSFER_LATE_WEIGHT, 0)
    # There are few events, so its lists add what is recent and what lies near, as those of the towns that it knows.
    for one in (new, run[1][0]):
        fit = choose_blend(one, None)
        assert fit == one.manifest.settings.blend and fit.queries > 0 and fit.weights["attributes"] > 0
    # With ten times the prices the same homes are as dear as before, so nothing changes.
    dear = market.listings.assign(price=market.listings["price"] * 10)
    inflated = Market.from_frames(dear, market.events, config=market.config.model_dump())
    inflated = inflated.save(tmp_path / "dear")
    embed_market(inflated, tmp_path / "d", None, path)
    assert (Run.open(tmp_path / "d").stored_vectors("model") == new.stored_vectors("model")).all()


@pytest.mark.slow
def test_a_market_that_took_part_keeps_its_times_when_it_grows(run, towns, tmp_path):
    path, runs = run
    market = towns["a"]
    events = market.events
    late = events.assign(timestamp=events["timestamp"] + pd.Timedelta(days=300))
    grown = replace(market, events=pd.concat([events, late], ignore_index=True))
    grown.__dict__["fingerprint"] = "other"
    embed_market(grown, tmp_path / "a", None, path)
    assert Manifest.load(tmp_path / "a").settings.split.t2 == runs[0].manifest.settings.split.t2


@pytest.mark.slow
def test_validation_is_told_and_one_market_in_a_list_is_one_market(run, towns, quick, tmp_path):
    lines = [json.loads(line) for line in (run[0] / "train.jsonl").read_text().splitlines()]
    assert any("validation recall@30" in line for line in lines)
    short = quick.model_copy(update={"training": quick.training.model_copy(update={"max_steps": 3})})
    (alone,) = train([towns["a"]], tmp_path / "alone", short)
    assert alone.path == tmp_path / "alone" and Manifest.load(alone.path).markets is None
    with pytest.raises(VibesError, match="is there twice"):
        train([towns["a"], towns["a"]], tmp_path / "twice", short)
    with pytest.raises(VibesError, match="recency_days = 30 counts recent events of one market"):
        train([towns["a"], towns["b"]], tmp_path / "recent", {"training": {"recency_days": 30}})


@pytest.mark.slow
def test_interrupted_in_training_and_between_two_runs_and_resumed_ends_with_the_same_files(
    run, towns, quick, tmp_path
):
    settings = quick.model_copy(update={"history": "listing-vectors"})
    both, path = [towns["a"], towns["b"]], tmp_path / "run"

    def interrupt_training(update):
        if isinstance(update, Trained) and update.step == 13:
            raise KeyboardInterrupt

    def interrupt_embedding(update):
        if isinstance(update, Stage) and "embedding b" in str(update):
            raise KeyboardInterrupt

    for interrupt in (interrupt_training, interrupt_embedding):
        with pytest.raises(KeyboardInterrupt):
            train(both, path, settings, resume=path.exists(), progress=interrupt)
        assert not (path / "run.toml").exists()
    train(both, path, settings, resume=True)
    for name in ("model.safetensors", "vocabulary.json", "train.jsonl", "seen.json"):
        assert (path / name).read_bytes() == (run[0] / name).read_bytes(), name
    for one in run[1]:
        own = Run.open(path / "markets" / one.path.name, one.market)
        assert (own.vectors("model") == one.vectors("model")).all()


@pytest.mark.slow
def test_a_training_goes_on_from_a_model_of_several(run, towns, tmp_path):
    fine = train(towns["c"], tmp_path / "fine", start=run[0], training={"max_steps": 2})
    carried, featurizer = fine.manifest.carried, fine.engine.featurizer
    assert {"price", "rooms", "place"} <= set(carried.known) and not carried.gone
    assert featurizer.within.numbers["price"][-1] == towns["c"].listings["price"].max()
    # It goes on to compare the listings of a history one by one, where the model did so abroad; at home it did not.
    assert fine.late_interaction.weight == TRANSFER_LATE_WEIGHT
    home = train(towns["a"], tmp_path / "home", start=run[0], training={"max_steps": 1})
    assert home.late_interaction.weight == run[1][0].late_interaction.weight
    with pytest.raises(VibesError, match="--init-from is for one market"):
        train([towns["a"], towns["b"]], tmp_path / "both", start=run[0])


@pytest.mark.slow
def test_a_folder_and_frames_give_the_same_run(small_market, quick, whole, tmp_path, capfd):
    run = train(small_market.path, str(tmp_path / "run"), quick, progress=True)
    assert isinstance(run, Run) and run.market.path == small_market.path
    output = capfd.readouterr()
    assert output.out == "" and "validation recall@30" in output.err
    for name in ("model.safetensors", "listings.safetensors", "vocabulary.json", "run.toml", "train.jsonl"):
        assert (run.path / name).read_bytes() == (whole[0] / name).read_bytes(), name
    frames = [pd.read_parquet(small_market.path / f"{table}.parquet") for table in ("listings", "events")]
    market = Market.from_frames(*frames, config=small_market.config)
    updates: list[Update] = []
    other = train(market, tmp_path / "other", quick, progress=updates.append)
    assert (other.path / "listings.safetensors").read_bytes() == (
        run.path / "listings.safetensors"
    ).read_bytes()
    stages = [update.what for update in updates if isinstance(update, Stage)]
    assert stages[0] == "features" and "embedding" in stages
    assert any(isinstance(update, Validated) for update in updates)
    user = run.log.users[0]
    assert other.market is market
    pd.testing.assert_frame_equal(other.recommend(user, 5), run.recommend(user, 5))


@pytest.mark.slow
def test_keys_replace_single_settings_of_a_file(tmp_path):
    file = tmp_path / "settings.toml"
    file.write_text("seed = 3\npreset = 'small'\n[training]\nbatch = 64\nfresh = 8\n")
    found = Settings.of(file, preset="tiny", seed=None, training={"fresh": 16})
    assert found.model_dump(exclude_unset=True) == {  # only these count as set
        "seed": 3, "preset": "tiny", "training": {"batch": 64, "fresh": 16},
    }  # fmt: skip
    assert Settings.of(found, training={"fresh": 8}) == Settings.of(file, preset="tiny")
    assert Settings.of(None) == Settings()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"preset": "huge"}, "'preset' is 'huge'"),
        ({"training": {"steps": 3}}, r"'training\.steps'; write 'training\.max_steps'"),
        ({"max_steps": 3}, r"'max_steps'; write 'training\.max_steps', or remove it\.$"),
        ({"config": {"encoder": {"layerz": 3}}}, r"unknown key 'layerz'; write 'layers', or remove it\.$"),
        ({"encoder": {"layers": 3}}, "config="),
        ({"config": {"encoder": {"width": 7}}}, "width 7"),
        ({"init": "x" * 5000, "seed": -1}, r"^.{,80}$"),
        ({"protocol": "guess"}, "'split.protocol' is 'guess'"),
        ({"config": "nowhere.toml"}, "nowhere.toml"),
        ({"everything": True}, "--refit RUN"),
        ({"resume": True}, "no interrupted training"),
    ],
)
def test_what_cannot_be_trained_is_one_sentence_and_nothing_is_written(
    small_market, tmp_path, settings, named
):
    with pytest.raises(VibesError, match=named) as caught:
        train(small_market, tmp_path / "run", **settings)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_a_refit_is_the_run_until_its_test_with_the_same_blends(small_market, whole, tmp_path):
    measured = Path(shutil.copytree(whole[0], tmp_path / "measured"))
    evaluate(measured)
    again = train(small_market, tmp_path / "again", refit=Run.open(measured))
    before, after = Manifest.load(measured), again.manifest
    assert after.settings.split.t1 == before.settings.split.t2 and after.steps == before.steps
    assert load_blends(again.path) == load_blends(measured) != []
    with pytest.raises(VibesError, match=r"takes all settings from .*; leave out seed"):
        train(small_market, tmp_path / "third", refit=measured, seed=1)
