"""A history that says "not this", asked for by whatever way: as a request's `not`, and the same everywhere."""

import shutil

import numpy as np
import pytest

from helpers.blends import fixed_blend
from listing_vibes.insight.occlusion import occlude_history
from listing_vibes.market.columns import Columns as C
from listing_vibes.market.market import Market
from listing_vibes.run.fits import save_fits
from listing_vibes.run.histories import Event, of_histories
from listing_vibes.run.manifest import Manifest
from listing_vibes.run.run import Run

NEAR = fixed_blend("neighbors", attributes=0.6)
RECENT = fixed_blend("recency", recent=0.3)


@pytest.fixture(scope="module", params=[0.0, 0.5], ids=["plain", "late"])
def run(trained, tmp_path_factory, request) -> Run:
    path = tmp_path_factory.mktemp("hidden") / "run"
    shutil.copytree(trained.path, path)
    manifest = Manifest.load(path)
    training = manifest.settings.training.model_copy(update={"late_interaction": request.param})
    plain = manifest.settings.model_copy(update={"inference": "float32", "training": training})
    manifest.model_copy(update={"settings": plain}).save(path)
    save_fits(path, [NEAR, RECENT])
    return Run.open(path)


@pytest.mark.slow
@pytest.mark.parametrize("rules", [{}, {"drop_seen": False}], ids=["dropped", "kept"])
def test_a_hidden_listing_is_a_not_of_the_request(run, rules):
    ids = run.listing_ids
    history = [Event(ids[3], "view"), Event(ids[40]), Event(ids[77], "view")]
    hidden = [ids[8], ids[50]]
    told = [history[0], Event(hidden[0], "hide"), *history[1:], Event(hidden[1], "hide")]
    by_history = run.recommend(told, 120, rules=rules)
    by_request = run.recommend(history, 120, rules=rules | {"not": hidden})
    assert by_history[C.LISTING].tolist() == by_request[C.LISTING].tolist()
    assert not set(hidden) & set(by_history[C.LISTING])
    np.testing.assert_allclose(by_history["score"], by_request["score"], atol=1e-5)
    plain = run.recommend(history, 120, rules=rules)
    assert by_history[C.LISTING].tolist() != plain[C.LISTING].tolist()
    # What is recent is added to that.
    recent = [run.recommend(one, 120, rules=rules, blend="recency") for one in (told, history)]
    more = [
        (one.set_index(C.LISTING)["score"] - bare.set_index(C.LISTING)["score"]).dropna()
        for one, bare in zip(recent, (by_history, plain), strict=True)
    ]
    assert len(more[0]) > 20
    np.testing.assert_allclose(more[0], more[1][more[0].index], atol=1e-4)


def test_others_beside_it_keep_their_lists(run):
    ids = run.listing_ids
    plain, hiding = [Event(ids[3]), Event(ids[40])], [Event(ids[3]), Event(ids[40]), Event(ids[8], "hide")]
    both = run.recommend([plain, hiding, plain], 20)
    alone = [run.recommend(one, 20) for one in (plain, hiding, plain)]
    for number, found in enumerate(alone):
        part = both[20 * number : 20 * (number + 1)].drop(columns=C.USER).reset_index(drop=True)
        assert part[C.LISTING].tolist() == found[C.LISTING].tolist()
        np.testing.assert_allclose(part["score"], found["score"], atol=1e-4)


def test_a_long_history_with_much_unwanted_is_read_as_the_list_reads_it(run):
    """The model reads its newest 50 wanted events, and what is unwanted takes from what is like it, however old it is."""
    ids, rng = run.listing_ids, np.random.default_rng(0)
    seen = rng.permutation(len(ids))[:100]
    told = [Event(ids[row], "hide" if 5 <= number < 45 else "view") for number, row in enumerate(seen)]
    log = of_histories(run, [told]).log
    found = run.recommend(told, 5, rules={"live_only": False})
    scores = occlude_history(run, log, 0, len(log), 3).scores  # (1 + 3, L)
    rows = [run.listing_row[one] for one in found[C.LISTING]]
    np.testing.assert_allclose(scores[0, rows], found["score"], atol=1e-3)
    without = run.recommend(told[:-1], len(ids), rules={"live_only": False, "drop_seen": False})
    rows = [run.listing_row[one] for one in without[C.LISTING]]
    np.testing.assert_allclose(scores[3, rows], without["score"], atol=1e-3)


def test_of_other_words_the_market_says_which_are_unwanted(run, tmp_path):
    ids, market = run.listing_ids, tmp_path / "market"
    shutil.copytree(run.market.path, market)
    config = (market / "market.toml").read_text("utf-8")
    (market / "market.toml").write_text('unwanted = ["view"]\n' + config, "utf-8")
    other = Run.open(run.path, Market.open(market))
    told = [Event(ids[3], "favourite"), Event(ids[8], "view")]
    expected = run.recommend([told[0], Event(ids[8], "hide")], 10)
    assert other.recommend(told, 10).equals(expected)
    for blend in (None, "neighbors", "recency"):  # who hid everything still has a list
        found = run.recommend([Event(ids[8], "hide")], 5, blend=blend)
        assert len(found) == 5 and ids[8] not in found[C.LISTING].tolist()
