"""What a validation encodes: only what decides a rank."""

from dataclasses import replace

import numpy as np

from helpers.training_pieces import pieces
from listing_vibes.market.splits import Catalogue
from listing_vibes.training import validation as module
from listing_vibes.training.data import TrainingData


def test_only_what_decides_a_rank_is_encoded_and_the_figure_is_that_of_all(small_market, quick, monkeypatch):
    """A third of the catalogue ends before the first moment of validation."""
    data = TrainingData.of(small_market, quick.split)
    valid, since, until = data.split.valid, data.catalogue.since, data.catalogue.until.copy()
    gone = np.arange(data.log.listings) % 3 == 0
    gone[valid.target] = False
    until[gone] = np.minimum(until[gone], valid.at.min())
    data = replace(data, catalogue=Catalogue(since, until))
    model, step_data = pieces(small_market, quick)
    encoded, encode = [], module.encode_listings

    def record(model, inputs, rows, **options):
        encoded.append(rows)
        return encode(model, inputs, rows, **options)

    monkeypatch.setattr(module, "encode_listings", record)
    parts = [(data, step_data.inputs)]
    found = module.validation(parts, quick)(model)
    monkeypatch.setattr(module, "_needed", lambda log, queries, catalogue: np.arange(log.listings))
    assert found == module.validation(parts, quick)(model) and found[0] > 0
    few, every = encoded
    assert len(every) == data.log.listings and len(few) < 0.9 * len(every)
    active = data.catalogue.candidates(data.log, valid).any(axis=0)
    history = np.concatenate([data.log.listing[a:b] for a, b in zip(valid.start, valid.end, strict=True)])
    assert np.isin(np.flatnonzero(active), few).all() and np.isin(history, few).all()
