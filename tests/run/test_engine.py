"""The engine of a run: its precision, and what it encodes for a request and for an evaluation."""

from dataclasses import replace

import numpy as np

from listing_vibes.features.featurizer import Featurizer
from listing_vibes.model.encoder import inference_dtype, precision_name
from listing_vibes.run.engine import Engine
from listing_vibes.run.scorer import model_scorer


def test_every_precision_gives_the_same_vectors_and_is_recorded(trained, bare):
    log, engine = trained.log, trained.engine
    name = precision_name(inference_dtype("auto", engine.model), engine.model)
    assert trained.manifest.encoded_by == name == engine.precision and bare.manifest.encoded_by == ""
    start, end = log.start[:-1], log.start[1:]
    start, end = start[end > start], end[end > start]
    exact = engine.in_float32()
    assert exact.precision == "float32"
    for path, least in (("float32", 0.99999), ("bf16", 0.99)):
        other = replace(engine, settings=engine.settings.model_copy(update={"inference": path}))
        for mine, theirs in (
            (other.encode_listings(), exact.encode_listings()),
            (other.encode_histories(log, start, end), exact.encode_histories(log, start, end)),
        ):
            assert np.sum(mine * theirs, axis=1).min() > least


def test_a_request_reads_only_its_own_events(trained, monkeypatch):
    log, engine, vectors = trained.log, trained.engine.in_float32(), trained.vectors("model")
    whole = engine.encode_histories(log, log.start[:-1], log.start[1:], listings=vectors)
    users, read, meta = np.array([int(np.diff(log.start).argmax()), 3]), [], Featurizer.meta
    monkeypatch.setattr(Featurizer, "meta", lambda self, log: read.append(len(log)) or meta(self, log))
    part = engine.encode_histories(log, log.start[users], log.start[users + 1], listings=vectors)
    np.testing.assert_allclose(part, whole[users], atol=1e-6)
    most = trained.manifest.settings.training.max_listings
    assert read == [int(np.minimum(np.diff(log.start)[users], most).sum())]


def test_an_evaluation_encodes_no_listing_again(trained, monkeypatch):
    log, engine = trained.log, trained.engine
    start, end = log.start[:-1], log.start[1:]
    start, end = start[end > start], end[end > start]
    expected = engine.encode_histories(log, start, end, trained.vectors("model"))
    monkeypatch.setattr(Engine, "encode_listings", None)
    np.testing.assert_allclose(model_scorer(trained).encode(start, end), expected, atol=1e-6)
