"""What the number beside a listing is said to be is what the run computes."""

from types import SimpleNamespace

from app.kit.score_help import ADDED, user_score_help
from core.scoring.late_interaction import LateInteraction


def of(weight):
    return SimpleNamespace(run=SimpleNamespace(late_interaction=LateInteraction(weight)))


def test_a_score_beside_the_listings_of_a_history_is_not_called_a_cosine_alone():
    assert "the cosine of their vectors" in user_score_help(of(0.0))
    assert "greatest cosine to one listing of it, which counts 1.5 times" in user_score_help(of(1.5))
    assert user_score_help(of(1.5), "recency") == ADDED
