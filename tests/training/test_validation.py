"""What a validation encodes, and how often a large market is validated."""

import threading
from concurrent.futures import ThreadPoolExecutor
from copy import deepcopy
from dataclasses import replace
from typing import ClassVar

import numpy as np
import pytest
import torch

from helpers.training_pieces import changed, pieces
from listing_vibes.market.splits import Catalogue, make_split
from listing_vibes.training import train as training
from listing_vibes.training.finetune import _Finetuning
from listing_vibes.training.processes import Processes


@pytest.fixture
def case(small_market, quick):
    """A model, the data of its steps, and a catalogue of which a third ends before the first moment of validation."""
    model, data = pieces(small_market, quick)
    split = make_split(data.log, data.catalogue)
    until, since = data.catalogue.until.copy(), data.catalogue.since
    gone = np.arange(data.log.listings) % 3 == 0
    gone[split.valid.target] = False
    until[gone] = np.minimum(until[gone], split.valid.at.min())
    return model, data, replace(split, valid=split.valid), Catalogue(since, until)


def test_only_what_decides_a_rank_is_encoded_and_the_figure_is_that_of_all(case, quick, monkeypatch):
    model, data, split, catalogue = case
    encoded = []
    encode = training.encode_listings
    monkeypatch.setattr(
        training, "encode_listings", lambda *given, **more: encoded.append(given[2]) or encode(*given, **more)
    )

    def figure() -> tuple[float, float]:
        return training._validation(data.log, split, catalogue, data.inputs, quick)(model)

    found = figure()
    monkeypatch.setattr(training, "_needed", lambda log, queries, catalogue: np.arange(log.listings))
    assert found == figure() and found[0] > 0
    few, every = encoded
    assert len(every) == data.log.listings and len(few) < 0.9 * len(every)
    live = catalogue.candidates(data.log, split.valid).any(axis=0)
    history = np.concatenate(
        [data.log.listing[a:b] for a, b in zip(split.valid.start, split.valid.end, strict=True)]
    )
    assert np.isin(np.flatnonzero(live), few).all() and np.isin(history, few).all()


class Together(Processes):
    """One of several processes in one, each a thread of its own."""

    parts: ClassVar[dict[int, torch.Tensor]] = {}
    here: ClassVar[threading.Barrier]

    def gather(self, own: torch.Tensor, count: int) -> torch.Tensor:
        self.parts[self.rank] = own
        self.here.wait()
        whole = own.new_zeros((count, *own.shape[1:]))
        for rank, part in self.parts.items():
            whole[np.arange(rank, count, self.world)] = part
        self.here.wait()
        return whole


@pytest.mark.parametrize("world", [2, 3])
def test_several_processes_share_a_validation_to_the_figure_of_one(case, quick, monkeypatch, world):
    model, data, split, catalogue = case
    one = training._validation(data.log, split, catalogue, data.inputs, quick)
    alone = one(model)
    encoded, histories, encode, read = {}, {}, training.encode_listings, training.encode_histories
    rank = threading.local()

    def listings(*given, **more):
        encoded[rank.own] = given[2]
        return encode(*given, **more)

    def ends(*given, **more):
        histories[rank.own] = len(given[2])
        return read(*given, **more)

    monkeypatch.setattr(Together, "here", threading.Barrier(world, timeout=60), raising=False)
    monkeypatch.setattr(Together, "parts", {})  # of this number of processes alone
    monkeypatch.setattr(training, "encode_listings", listings)
    monkeypatch.setattr(training, "encode_histories", ends)
    launched = classmethod(lambda cls: Together(rank.own, world))
    monkeypatch.setattr(training.Processes, "launched", launched)

    def figure(number: int) -> tuple[float, float]:
        rank.own = number
        validate = training._validation(data.log, split, catalogue, data.inputs, quick)
        return validate(deepcopy(model))

    with ThreadPoolExecutor(world) as pool:
        figures = list(pool.map(figure, range(world)))
    for found in figures:
        assert found == pytest.approx(alone, abs=1e-6)
    needed = training._needed(data.log, split.valid, catalogue)
    assert np.array_equal(
        np.sort(np.concatenate(list(encoded.values()))), needed
    )  # each listing by one of them
    assert max(map(len, encoded.values())) - min(map(len, encoded.values())) <= 1
    assert sum(histories.values()) == len(split.valid) and max(histories.values()) < len(split.valid)


def test_all_are_encoded_where_all_are_candidates_or_the_spread_over_all_counts(case):
    _, data, split, catalogue = case
    all_of_them = np.arange(data.log.listings)
    open_ones = replace(split.valid, masked=False)
    assert np.array_equal(training._needed(data.log, open_ones, catalogue), all_of_them)
    hidden = replace(split.valid, live=False)  # leave-one-out without the history
    assert np.array_equal(training._needed(data.log, hidden, catalogue), all_of_them)
    log = replace(data.log, unwanted=(data.log.actions[0],))
    assert log.some_unwanted and np.array_equal(training._needed(log, split.valid, catalogue), all_of_them)


def test_a_market_of_many_listings_is_validated_less_often(small_market, quick, tmp_path):
    def planned(**training_changes) -> _Finetuning:
        settings = changed(quick, max_epochs=50, max_steps=400, **training_changes)
        model, data = pieces(small_market, settings)
        return _Finetuning(model, data, settings, tmp_path, None, lambda update: None, resume=False)

    usual = planned(validate_every=5, validations=20, patience=4)
    assert usual.least_between < 5 and (usual.validate_every, usual.patience) == (5, 20)
    small = planned(validate_every=2, validations=20, patience=4, batch=2, fresh=1)
    tokens = small.data.inputs.listing_lengths(np.arange(small.data.log.listings)).sum()
    batches = small.batches(0)
    step = small.data.inputs.history_lengths(batches.first, batches.end).sum() / len(batches)
    assert small.least_between == pytest.approx(tokens / step, rel=0.3) and small.least_between > 5
    assert small.validate_every == small.least_between and small.patience == 4 * small.least_between


def test_epochs_that_read_a_part_of_each_user_are_more(small_market, quick, tmp_path):
    def planned(**training_changes) -> _Finetuning:
        settings = changed(quick, **{"max_epochs": 4, "max_steps": 10_000} | training_changes)
        settings = settings.model_copy(update={"history": "listing-vectors"})
        model, data = pieces(small_market, settings)
        return _Finetuning(model, data, settings, tmp_path, None, lambda update: None, resume=False)

    whole, part = planned(), planned(max_listings=2)
    assert whole.epochs == 4 and whole.planned == 4 * len(whole.batches(0))
    assert part.epochs > 4 and part.planned == part.epochs * len(part.batches(0))
    assert planned(max_steps=3).planned == 3
