"""The engine of a run: its precision, and what it encodes for a request and for an evaluation."""

from dataclasses import replace

import numpy as np

from listing_vibes.model.encoder import inference_dtype, precision_name


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
