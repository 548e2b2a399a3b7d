"""Beat the model: the answer is among the choices, none of the others was in the history, and scorers name what they rank first."""

import pytest

from browser.painted import embed_run, paint_market
from listing_vibes import Run
from listing_vibes.errors import VibesError
from listing_vibes.insight.quiz import CHOICES, quiz


@pytest.mark.slow
def test_a_round_holds_the_next_listing_and_five_that_were_not_seen(trained):
    rounds = quiz(trained, rounds=4, seed=3)
    assert rounds == quiz(trained, rounds=4, seed=3) != quiz(trained, rounds=4, seed=4)
    assert len({item.user for item in rounds}) == len(rounds) == 4
    for item in rounds:
        assert len(set(item.choices)) == CHOICES and not set(item.choices) & set(item.history)
        number, log = trained.user_number[item.user], trained.log
        later = [trained.listing_ids[row] for row in log.listing[log.start[number] : log.start[number + 1]]]
        at = later.index(item.history[-1])
        assert item.choices[item.answer] in later[at:]
        assert 0 <= item.model < CHOICES and 0 <= item.popularity < CHOICES


def test_a_market_without_events_has_nothing_to_guess(tmp_path):
    run = embed_run(paint_market(tmp_path / "market", listings=8, users=0), tmp_path / "run")
    with pytest.raises(VibesError, match="no events"):
        quiz(Run.open(run))
