"""A run in memory: its lists, what it writes (nothing, until it is saved), and the same lists from its folder."""

import os

import numpy as np
import pandas as pd
import pytest

from helpers.copies import copied
from listing_vibes.errors import VibesError
from listing_vibes.evaluation.run_evaluation import evaluate
from listing_vibes.market.columns import Columns as C
from listing_vibes.market.market import Market
from listing_vibes.run.run import Run


@pytest.fixture
def memory(trained) -> Run:
    """The trained run as objects in memory: a market of frames, vectors and a model."""
    source = trained.market
    market = Market.from_frames(
        *(source.raw_table(name) for name in ("listings", "events")), config=source.config
    )
    manifest = trained.manifest.model_copy(
        update={"fingerprint": market.fingerprint, "trained_on": market.fingerprint}
    )
    spaces = {space: trained.stored_vectors(space) for space in trained.spaces}
    return Run(market, manifest, spaces, trained.engine)


def test_lists_of_a_run_in_memory_are_those_of_its_folder_and_nothing_is_written(
    trained, memory, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    users, listings = trained.log.users[:5], trained.listing_ids[:5]
    rules = {
        "where": "rooms>=2",
        "at_most": 2,
        "seller": "district",
        "diversity": 0.3,
        "boost": "fresh 0.5 14d",
    }
    pd.testing.assert_frame_equal(
        memory.recommend(users, 10, rules=rules), trained.recommend(users, 10, rules=rules)
    )
    pd.testing.assert_frame_equal(memory.similar(listings, 10), trained.similar(listings, 10))
    assert memory.has_model and memory.has_market and not memory.market_changed and not memory.transferred
    assert not list(tmp_path.iterdir()) and "in memory" in repr(memory)
    with pytest.raises(VibesError, match=r"run.save\(FOLDER\)"):
        memory.path  # noqa: B018
    with pytest.raises(VibesError, match="This run has no space 'sound'"):
        memory.similar(listings[0], space="sound")


def test_a_run_in_memory_is_evaluated_and_takes_the_blends_to_its_folder(memory, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = evaluate(memory, baselines="none")
    assert (
        memory.metrics["results"].keys() == set(result.names)
        and memory.fitted_blends
        and not list(tmp_path.iterdir())
    )
    user, blend = memory.log.users[3], memory.fitted_blends[0].parts
    expected = memory.recommend(user, 10, blend=blend)
    saved = memory.save(tmp_path / "run")
    assert saved.metrics["results"] == memory.metrics["results"]
    pd.testing.assert_frame_equal(saved.recommend(user, 10, blend=blend), expected)


def test_a_saved_run_gives_the_same_lists_and_takes_a_new_version(memory, tmp_path):
    users = memory.log.users[:20]
    expected = memory.recommend(users, 10)
    saved = memory.save(tmp_path / "run")
    pd.testing.assert_frame_equal(Run.open(tmp_path / "run").recommend(users, 10), expected)
    assert not saved.market_changed and not saved.transferred and saved.version == 0
    assert (saved.vectors("model") == memory.vectors("model")).all()
    assert saved.engine.encode_listings(rows=np.arange(3)) == pytest.approx(
        memory.engine.encode_listings(rows=np.arange(3))
    )
    again = memory.save(tmp_path / "run")
    assert again.version == 1 and saved.outdated and not again.market_changed
    pd.testing.assert_frame_equal(again.recommend(users, 10), expected)
    os.rename(tmp_path / "run", tmp_path / "moved")
    pd.testing.assert_frame_equal(Run.open(tmp_path / "moved").recommend(users, 10), expected)


def test_a_run_is_never_written_over_other_content(trained, memory, tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(VibesError, match="is not empty and holds no run"):
        memory.save(tmp_path)
    assert [item.name for item in tmp_path.iterdir()] == ["notes.txt"]


def test_a_copy_of_a_stored_run_is_saved_with_its_files(trained, tmp_path):
    run = copied(trained, tmp_path)
    other = run.save(tmp_path / "other")
    assert (tmp_path / "other" / "model.safetensors").read_bytes() == (
        run.path / "model.safetensors"
    ).read_bytes()
    user = run.log.users[4]
    assert other.recommend(user, 5)[C.LISTING].tolist() == run.recommend(user, 5)[C.LISTING].tolist()
