"""All baselines together."""

from dataclasses import replace

import numpy as np
import pytest

from listing_vibes.errors import VibesError
from listing_vibes.evaluation.protocol import evaluate
from listing_vibes.market.splits import choosing, make_split
from listing_vibes.progress import Counted
from listing_vibes.scoring.baselines import BASELINES, first_level, in_order
from listing_vibes.scoring.baselines.itemknn import ItemKNN
from listing_vibes.scoring.baselines.popularity import Popularity
from listing_vibes.scoring.interactions import Interactions


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
    assert names[:5] == ["popularity", "recent popularity", "ItemKNN", "EASE", "ALS"]
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


def test_a_market_without_training_events_is_refused(random_log, always_live):
    log = random_log(11)
    catalogue = always_live(log)
    split = replace(make_split(log, catalogue), train=np.zeros(len(log), bool))
    with pytest.raises(VibesError, match="choose a later end"):
        first_level(log, split, catalogue)


def test_without_validation_all_are_tuned_within_what_trains_and_fitted_on_all_of_it(random_log, always_live):
    log = random_log(13, users=60, listings=60, events=900)
    catalogue = always_live(log)
    whole = make_split(log, catalogue)
    refit = make_split(log, catalogue, t1=whole.t2, t2=whole.t2)  # as a refit has it
    assert not len(refit.valid) and refit.train.sum() > whole.train.sum()
    asked = choosing(refit, log, catalogue)
    assert choosing(whole, log, catalogue) is whole
    # 70 of the first 80 percent are seven eighths of these: what chooses is nearly what chose for the run that is repeated
    assert asked.t2 == refit.t2 and abs(int(asked.train.sum()) - int(whole.train.sum())) <= 2
    np.testing.assert_array_equal(
        asked.valid.event, make_split(log, catalogue, t1=asked.t1, t2=whole.t2).valid.event
    )
    blind = first_level(log, replace(refit, test=None), catalogue, slow_too=False)
    chosen = first_level(log, asked, catalogue, slow_too=False)
    assert list(map(settings, blind)) == list(map(settings, chosen))
    batch = refit.test
    popularity, knn = blind[0], blind[2]
    np.testing.assert_array_equal(popularity.score(batch), Popularity.fit(log, refit.train).score(batch))
    fitted = ItemKNN.fit(Interactions.of(log, refit.train), **knn.settings)
    np.testing.assert_array_equal(knn.score(batch), fitted.score(batch))
    assert not np.array_equal(knn.score(batch), chosen[2].score(batch))  # which has learned from less
