"""Columns that look like leaks, by name, by their text and by what they foretell."""

import numpy as np
import pandas as pd
import pytest

from listing_vibes.market.leaks import leaks_by_counts, leaks_by_name, leaks_by_text

LEAKS = [
    "number_of_reviews", "number_of_reviews_ltm", "number_of_reviews_l30d", "review_scores_rating", "reviews_per_month",
    "estimated_occupancy_l365d", "estimated_revenue_l365d", "availability_365", "has_availability", "first_review",
    "last_review", "calendar_updated", "calendar_last_scraped", "host_is_superhost", "host_acceptance_rate", "Rating",
    "sold_price", "final_price", "days_on_market", "views", "number_of_views", "view_count", "num_clicks", "total_favorites",
    "likes", "favourites", "n_views", "nviews", "bookings",
]  # fmt: skip
SOUND = [
    "price", "room_type", "bedrooms", "amenities", "name", "host_id", "year", "place", "minimum_nights", "overview", "sea_view", "total_area",
]  # fmt: skip


def test_names_of_leaks_and_of_sound_columns():
    assert leaks_by_name(LEAKS + SOUND) == LEAKS


def test_a_rating_in_texts_is_seen_and_ordinary_texts_are_none():
    ratings = ["Flat · ★4.87 · 2 beds", "Flat · ★New", "4.9/5 host", "231 reviews", "4,5 out of 5"]
    for text in ratings:
        assert leaks_by_text(pd.DataFrame({"name": [text] * 3 + ["Flat"] * 7})) == ["name"]
    texts = ["★MODERN loft ★", "★New York loft", "2.5 baths", "open 24/7", None, "10 minutes to 5th avenue"]
    assert leaks_by_text(pd.DataFrame({"name": texts})) == []
    sold = ["Flat"] * 440_000 + ratings[:1] * 60_000  # some of very many are read evenly
    assert leaks_by_text(pd.DataFrame({"name": sold, "other": ["Flat"] * 500_000})) == ["name"]


def test_a_count_taken_afterwards_is_found_and_a_price_is_not():
    rng = np.random.default_rng(0)
    events = rng.poisson(5, 200)
    table = pd.DataFrame({"price": rng.lognormal(4, 1, 200), "bookings": events + rng.normal(0, 1, 200)})
    table["gaps"] = table["bookings"].where(rng.random(200) < 0.6)
    assert leaks_by_counts(table, events) == ["bookings", "gaps"]


@pytest.mark.filterwarnings("error")
def test_too_little_to_judge_accuses_nobody():
    table = pd.DataFrame({"x": np.arange(60.0)})
    assert leaks_by_counts(table, np.full(60, 3)) == []  # all listings have as many events
    assert leaks_by_counts(table, np.zeros(60, int)) == []
    assert leaks_by_counts(table[:10], np.arange(10)) == []
