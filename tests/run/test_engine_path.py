"""A run says by which inference path its listings were encoded, and the engine takes the one that is asked for."""

from dataclasses import replace

import numpy as np

from listing_vibes.features.featurizer import Featurizer
from listing_vibes.model.encoder import inference_dtype, precision_name
from listing_vibes.run.engine import Engine
from listing_vibes.run.scorer import model_scorer


def test_run_toml_names_the_path(trained, bare):
    model = trained.engine.model
    name = precision_name(inference_dtype("auto", model), model)
    assert trained.manifest.encoded_by == name == trained.engine.path
    assert bare.manifest.encoded_by == ""


def test_every_path_gives_the_same_listings_and_histories(trained):
    log, engine = trained.log, trained.engine
    start, end = log.start[:-1], log.start[1:]
    start, end = start[end > start], end[end > start]
    exact = engine.in_float32()
    assert exact.path == "float32"
    for path, least in (("float32", 0.99999), ("bf16", 0.99)):
        asked = replace(engine, settings=engine.settings.model_copy(update={"inference": path}))
        for mine, theirs in (
            (asked.encode_listings(), exact.encode_listings()),
            (asked.encode_histories(log, start, end), exact.encode_histories(log, start, end)),
        ):
            assert np.sum(mine * theirs, axis=1).min() > least


def test_a_request_reads_its_own_events_alone_and_gives_the_same_vectors(trained, monkeypatch):
    log, engine = trained.log, trained.engine.in_float32()
    start, end = log.start[:-1], log.start[1:]
    whole = engine.encode_histories(
        log, start, end, listings=trained.vectors("model")
    )  # of nearly all events
    some = np.array([int(np.diff(log.start).argmax()), 3])
    told = []
    meta = Featurizer.meta
    monkeypatch.setattr(Featurizer, "meta", lambda self, log: told.append(len(log)) or meta(self, log))
    part = engine.encode_histories(log, start[some], end[some], listings=trained.vectors("model"))
    np.testing.assert_allclose(part, whole[some], atol=1e-6)
    most = trained.manifest.settings.training.max_listings
    assert told == [int(np.minimum(np.diff(log.start)[some], most).sum())]


def test_an_evaluation_encodes_each_listing_of_its_histories_once(trained, monkeypatch):
    log, engine = trained.log, trained.engine
    assert engine.model.user_pass is not None
    start, end = log.start[:-1], log.start[1:]
    start, end = start[end > start], end[end > start]
    expected = engine.encode_histories(log, start, end)
    encoded = []
    encode = Engine.encode_listings
    monkeypatch.setattr(
        Engine, "encode_listings", lambda self, rows: encoded.append(rows) or encode(self, rows=rows)
    )
    scorer, half = model_scorer(trained), len(start) // 2
    found = np.concatenate([scorer.encode(start[:half], end[:half]), scorer.encode(start[half:], end[half:])])
    np.testing.assert_allclose(found, expected, atol=1e-5)
    encoded = np.concatenate(encoded)
    assert 0 < len(encoded) == len(np.unique(encoded))
