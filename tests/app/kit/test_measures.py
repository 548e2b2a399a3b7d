"""What the number beside a listing is said to be is what the run computes."""

from types import SimpleNamespace

from listing_vibes.model.settings import Resolved
from listing_vibes.run.fits import NOTHING
from listing_vibes.scoring.late_interaction import LateInteraction
from listing_vibes_app.kit.measures import ADDED, user_score_help


def of(weight, **training):
    settings = Resolved.of({"training": training})
    return SimpleNamespace(
        run=SimpleNamespace(
            has_model=True,
            late_interaction=LateInteraction(weight),
            manifest=SimpleNamespace(settings=settings),
        )
    )


def test_a_score_beside_the_listings_of_a_history_is_not_called_a_cosine_alone():
    assert "the cosine of their vectors" in user_score_help(of(0.0))
    assert "greatest cosine to one listing of it, weighted 1.5" in user_score_help(of(1.5))
    assert user_score_help(of(1.5), "recency") == ADDED


def test_with_recency_of_its_own_it_is_none_unless_that_is_left_out():
    opened = of(0.0, recency_days=60, recency_served=True)
    assert user_score_help(opened) == ADDED
    assert "the cosine of their vectors" in user_score_help(opened, NOTHING)
