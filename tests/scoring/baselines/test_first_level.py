"""All baselines together."""

import logging
from dataclasses import replace

import numpy as np
import pytest

from core.errors import VibesError
from core.evaluation.protocol import evaluate
from core.market.splits import make_split
from core.progress import Counted
from core.scoring.baselines import BASELINES, ease, first_level, in_order


@pytest.mark.slow
@pytest.mark.parametrize("timed", [True, False])
def test_all_are_tuned_and_scored(random_log, always_live, timed):
    log = random_log(11, timed=timed, users=60, listings=60, events=900)
    catalogue = always_live(log)
    split = make_split(log, catalogue)
    seen = []
    scorers = first_level(log, split, catalogue, report=seen.append)
    names, count = [one.name for one in in_order().values() if not one.stands_in_for], len(BASELINES)
    assert [scorer.name for scorer in scorers] == names
    assert names[:5] == ["popularity", "recent popularity", "itemknn", "ease", "als"]
    places = [place for place, one in enumerate(in_order().values()) if not one.stands_in_for]
    begun = [Counted(f"baseline {name}", done, count) for done, name in zip(places, names, strict=True)]
    assert seen == [*begun, Counted("baselines", count, count)]
    for scorer in scorers:
        scores = scorer.score(split.test)
        assert scores.shape == (len(split.test), log.listings) and scores.dtype == np.float32
    found = evaluate(scorers, log, split, catalogue).results
    # tastes were planted, so whoever looks at the history beats popularity
    best = max(found[name]["recall@10"]["value"] for name in names[2:])
    assert best > 1.5 * found["popularity"]["recall@10"]["value"]


def settings(scorer) -> dict:
    """What tuning has chosen."""
    chosen = vars(scorer) | (vars(scorer.recent) if hasattr(scorer, "recent") else {})
    return {name: value for name, value in chosen.items() if isinstance(value, int | float)}


@pytest.mark.slow
def test_nothing_is_tuned_on_the_test_queries(random_log, always_live):
    log = random_log(12, users=60, listings=60, events=900)
    catalogue = always_live(log)
    split = make_split(log, catalogue)
    blind = first_level(log, replace(split, test=None), catalogue)  # whoever looks at them fails
    assert list(map(settings, blind)) == list(map(settings, first_level(log, split, catalogue)))
    assert all(map(settings, blind[1:5]))


def test_a_large_catalogue_tries_fewer_penalties(random_log, always_live, monkeypatch):
    tried = []
    fit = ease.Ease.fit
    monkeypatch.setattr(ease.Ease, "fit", lambda data, penalty: tried.append(penalty) or fit(data, penalty))
    log = random_log(12)
    catalogue = always_live(log)
    for quick, count in ((10, 2), (6000, len(ease.PENALTIES))):
        monkeypatch.setattr(ease, "QUICK", quick)
        tried.clear()
        ease.Ease.tune(log, make_split(log, catalogue), catalogue)
        assert tried == list(ease.PENALTIES[:count])


@pytest.mark.slow
def test_ease_is_left_out_of_a_large_catalogue_with_a_word(random_log, always_live, monkeypatch, caplog):
    monkeypatch.setattr(ease, "MOST_LISTINGS", 10)
    log = random_log(11)
    catalogue, left_out = always_live(log), {}
    with caplog.at_level(logging.WARNING):
        scorers = first_level(log, make_split(log, catalogue), catalogue, left_out=left_out)
    assert left_out == {"EASE": "too many listings"}
    assert [scorer.name for scorer in scorers] == [
        one.name for one in in_order().values() if one.name != "ease"
    ]
    assert "it is left out" in caplog.text


def test_a_market_without_training_events_is_refused(random_log, always_live):
    log = random_log(11)
    catalogue = always_live(log)
    split = replace(make_split(log, catalogue), train=np.zeros(len(log), bool))
    with pytest.raises(VibesError, match="choose a later one"):
        first_level(log, split, catalogue)
