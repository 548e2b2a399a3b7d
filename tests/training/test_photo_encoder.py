"""The photo encoder's last stages train with the transformer: the same start, gradient, a run that reads vectors."""

import shutil
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from safetensors.numpy import load_file

from helpers.copies import copied as copied_run
from helpers.killing import weights
from helpers.tiny import tiny_events, tiny_listings, tiny_photos
from listing_vibes.cli.modeling import embed
from listing_vibes.errors import VibesError
from listing_vibes.features.feature_config import PREFIX, is_trained
from listing_vibes.features.featurizer import Featurizer
from listing_vibes.features.photos.encoders import market_photos
from listing_vibes.features.photos.photo_encoder import load_photo_encoder
from listing_vibes.features.photos.photo_vectors import embed_photos
from listing_vibes.market.config import MarketConfig
from listing_vibes.market.log import EventLog
from listing_vibes.market.market import Market
from listing_vibes.market.writer import write_market
from listing_vibes.model.checkpoint import build_model
from listing_vibes.model.encoder import encode_listings
from listing_vibes.model.settings import Resolved, Settings
from listing_vibes.progress import Trained
from listing_vibes.run.engine import make_inputs
from listing_vibes.run.newcomers import Newcomers
from listing_vibes.run.run import Run
from listing_vibes.serving.refresh.polls import FileSource
from listing_vibes.serving.refresh.refresher import Refresher
from listing_vibes.training.distributed import Processes
from listing_vibes.training.optimize import make_optimizer, take_step
from listing_vibes.training.train import train
from listing_vibes.variants.photo_stages import photos_of, trained_photos


@pytest.fixture(scope="module")
def market(tmp_path_factory) -> Market:
    """Seven listings of two photos, one of which is broken: too few for OpenVINO to be worth converting anything."""
    path = tmp_path_factory.mktemp("end") / "market"
    rng = np.random.default_rng(3)
    table = tiny_listings(rng, 7, False)
    shots = tiny_photos(rng, path, table["listing_id"], 2)
    (path / shots["path"][5]).write_bytes(b"no picture")
    write_market(
        path, MarketConfig(name="Ends"), table, shots, tiny_events(rng, table["listing_id"], 20, 5, True)
    )
    return Market.open(path)


@pytest.fixture(scope="module")
def frozen(market):
    return market_photos(market, "tf_efficientnet_lite0")


@pytest.fixture(scope="module")
def settings(quick) -> Resolved:
    training = quick.training.model_dump(exclude_unset=True) | {
        "bf16": False, "max_steps": 8, "bank_every": 3, "fresh": 5,
        "validate_every": 4, "warmup": 1, "learning_rate": 5e-3, "max_epochs": 9,
    }  # fmt: skip
    features = {"text": False, "photo_train_blocks": 1}
    whole = quick.model_dump(exclude_unset=True) | {"history": "listing-vectors"}
    return Resolved.model_validate(whole | {"features": features, "training": training})


@pytest.fixture(scope="module")
def start(market, settings, frozen):
    """Model, inputs with the frozen vectors, and the live photos, before any step."""
    rows = np.arange(len(market.listings))
    featurizer = Featurizer.fit(market, settings.features, 32, rows, np.empty(0), frozen)
    features = featurizer.transform(market, frozen)
    live = trained_photos(market, settings, featurizer, frozen)
    torch.manual_seed(0)
    model = build_model(featurizer.vocabulary, settings)
    live.attach(model)
    empty = make_inputs(featurizer, features, EventLog.from_market(market), settings)
    return model, empty, live


@pytest.fixture(scope="module")
def run(market, settings, frozen, tmp_path_factory) -> Run:
    path = tmp_path_factory.mktemp("end-run") / "run"
    train(market, path, settings, frozen)
    return Run.open(path)


@pytest.mark.slow
def test_before_any_step_listings_are_those_of_the_frozen_model(market, settings, frozen, start):
    model, inputs, live = start
    rows = np.arange(inputs.features.tokens.listings)
    plain = encode_listings(model, inputs, rows)
    encoded = live.encoded(model, inputs, Processes())
    np.testing.assert_allclose(encode_listings(model, encoded, rows), plain, atol=1e-4)
    assert len(live.maps) == len(inputs.features.photo) == 13  # all but the broken one
    assert np.abs(inputs.features.photo).max() > 0.1
    for stages in (2, 3):
        features = settings.features.model_copy(update={"photo_train_blocks": stages})
        changed = settings.model_copy(update={"features": features})
        featurizer = Featurizer.fit(market, features, 32, rows, np.empty(0), frozen)
        more = trained_photos(market, changed, featurizer, frozen)
        found = more.vectors(more.tail, np.arange(3)).detach().numpy()
        np.testing.assert_allclose(found, inputs.features.photo[:3], atol=2e-3)


@pytest.mark.slow
def test_only_the_photos_of_a_step_have_a_gradient_at_the_encoders_rate(start):
    model, inputs, live = start
    live.table = live.encode_all(model, Processes())
    shown = photos_of(inputs.features, np.array([0, 2]))  # the sixth photo, of listing 2, is broken
    np.testing.assert_array_equal(shown, [0, 1, 4])
    table = live.in_step(model, inputs, live.table, np.array([2, 0]), [0])
    np.testing.assert_allclose(table.detach(), live.table, atol=1e-4)
    head = model.photo_blocks.head.weight
    (gradient,) = torch.autograd.grad(table[[0, 1, 4]].square().sum(), head, retain_graph=True)
    assert gradient.abs().max() > 0
    table[[2, 3]].sum().backward()  # photos that the step does not show
    assert not any(p.grad.abs().max() for p in model.photo_blocks.parameters() if p.grad is not None)
    few = replace(live, per_step=2)
    few.in_step(model, inputs, few.table, np.arange(7), [0]).sum().backward()
    first = model.photo_blocks.blocks[0][0].conv_pw.weight.grad
    assert first is not None and first.abs().max() > 0
    model.zero_grad()
    optimizer = make_optimizer(model, 1e-3)
    take_step(optimizer, model, 2e-3)
    rates = {id(p): group["lr"] for group in optimizer.param_groups for p in group["params"]}
    for name, parameter in model.named_parameters():
        assert rates[id(parameter)] == pytest.approx(2e-4 if name.startswith(PREFIX) else 2e-3)


@pytest.mark.slow
def test_a_run_has_trained_stages_an_encoder_of_its_own_and_reads_vectors(run, market, frozen, tmp_path):
    name, weights_file = run.manifest.photo_encoder, run.path / "model.safetensors"
    assert is_trained(name) and run.engine.featurizer.photo_encoder == name
    assert not hasattr(run.engine.model, "photo_blocks")
    initial = load_photo_encoder("tf_efficientnet_lite0").model.conv_head.weight.numpy()
    assert np.abs(load_file(weights_file)[PREFIX + "head.weight"] - initial).max() > 1e-4
    assert len(run.similar("l003", 5)) == 5 and len(run.recommend(run.log.users[0], 2)) == 2
    trained = market_photos(market, name, weights_file)
    assert trained is not None and trained.ok.sum() == 13
    assert not np.allclose(trained.vectors, frozen.vectors, atol=1e-3)
    shutil.copytree(market.path / "photos", tmp_path / "photos")
    full = embed_photos(tmp_path, market.photos, load_photo_encoder(name, weights_file))
    np.testing.assert_allclose(full.vectors, trained.vectors, atol=5e-3)  # as from the feature maps


@pytest.mark.slow
def test_new_listings_photos_and_another_market_are_read_by_the_trained_stages(run, market, tmp_path):
    row = market.listings.iloc[3]
    cells = {item.name: row[item.name] for item in market.attributes if item.kind != "place"}
    cells |= {"latitude": row["latitude"], "longitude": row["longitude"]}
    cells = {k: None if not isinstance(v, list) and pd.isna(v) else v for k, v in cells.items()}
    shots = market.photos[market.photos["listing_id"] == "l003"]["path"]
    found = Newcomers(run).encode(cells, [(market.path / path).read_bytes() for path in shots])
    for space in ("model", "photos"):
        assert found.scores[space][3] == pytest.approx(1, abs=2e-3), space
    shutil.copytree(market.path, tmp_path / "copy", ignore=shutil.ignore_patterns(".cache"))
    embed(tmp_path / "copy", tmp_path / "other", run.path)  # the command
    again = Run.open(tmp_path / "other")
    np.testing.assert_allclose(again.vectors("model"), run.vectors("model"), atol=2e-3)
    assert again.manifest.photo_encoder == run.manifest.photo_encoder
    file = again.path / "model.safetensors"  # the encoder is copied with the model
    assert load_photo_encoder(again.manifest.photo_encoder, file).name == run.manifest.photo_encoder
    copied, new = copied_run(run, tmp_path / "refreshed"), tmp_path / "new"
    new.mkdir()
    Image.new("RGB", (48, 32), (200, 40, 40)).save(new / "red.png")
    pd.DataFrame({"listing_id": ["l000"], "path": ["red.png"]}).to_csv(new / "photos.csv", index=False)
    assert Refresher(copied.path, {"photos": FileSource(new)}).refresh().changed == 1
    vectors = Run.open(copied.path).vectors("model")
    np.testing.assert_allclose(vectors[1:], run.vectors("model")[1:], atol=2e-3)
    assert np.abs(vectors[0] - run.vectors("model")[0]).max() > 1e-3


@pytest.mark.slow
def test_an_interrupted_training_ends_with_the_same_weights(market, settings, frozen, run, tmp_path):
    def stop(update):
        if isinstance(update, Trained) and update.step == 7:  # between two encodings, after a checkpoint
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(market, tmp_path / "run", settings, frozen, report=stop)
    train(market, tmp_path / "run", settings, frozen, resume=True)
    assert weights(tmp_path / "run") == weights(run.path)
    assert (tmp_path / "run" / "train.jsonl").read_text() == (run.path / "train.jsonl").read_text()


@pytest.mark.parametrize("change", [{"photos": 0}, {"photo_encoder": "vae"}])
def test_settings_without_a_photo_encoder_to_train_are_refused(change):
    with pytest.raises(VibesError, match="photo_train_blocks"):
        Settings.of(features={"photo_train_blocks": 1, **change})


@pytest.mark.slow
def test_a_market_without_photos_other_vectors_and_two_stages_are_refused(market, settings, frozen, tmp_path):
    other = replace(frozen, encoder="tf_efficientnet_lite0-288-00000000")
    staged = Resolved.of(settings, training={"recipe": "two-stage"})
    for number, (given, photos) in enumerate(((settings, None), (settings, other), (staged, frozen))):
        with pytest.raises(VibesError, match="photo_train_blocks = 1"):
            train(market, tmp_path / str(number), given, photos)
