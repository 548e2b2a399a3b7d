"""Baselines by name, and the text space that one of them looks at."""

from dataclasses import replace

import numpy as np
import pytest

from listing_vibes.errors import VibesError
from listing_vibes.market.log import EventLog
from listing_vibes.market.market import Market
from listing_vibes.market.splits import Catalogue, make_split
from listing_vibes.progress import Counted
from listing_vibes.scoring.baselines import first_level
from listing_vibes.scoring.named import named_baseline, neighbors_by
from listing_vibes.scoring.text_space import text_vectors
from listing_vibes.scoring.tuning import recall, validation_sample


@pytest.fixture
def setting(tiny_market):
    market = Market.open(tiny_market(listings=40, users=60, events_per_user=8, photos=0))
    log, catalogue = EventLog.from_market(market), Catalogue.of(market)
    return market, log, make_split(log, catalogue), catalogue


@pytest.mark.slow
def test_the_best_id_model_is_the_one_that_validation_likes_best(setting):
    market, log, split, catalogue = setting
    chosen = named_baseline("best-id", market, log, split, catalogue)
    queries = validation_sample(split, 0, log.listings)
    reached = {one.name: recall(one, log, queries, catalogue) for one in first_level(log, split, catalogue)}
    assert reached[chosen.name] == max(reached.values())


@pytest.mark.slow
@pytest.mark.parametrize(
    "name, label",
    [
        ("popularity", "popularity"),
        ("recent-popularity", "recent popularity"),
        ("itemknn", "ItemKNN"),
        ("ease", "EASE"),
        ("sparse-ease", "sparse EASE"),
        ("als", "ALS"),
        ("attribute-neighbors", "attribute neighbors"),
        ("text-neighbors", "text neighbors"),
    ],
)
def test_every_name_gives_its_baseline(setting, name, label):
    market, log, split, catalogue = setting
    found = named_baseline(name, market, log, split, catalogue)
    assert found.name == label and found.score(split.test).shape == (len(split.test), log.listings)


def test_what_a_market_lacks_is_said(setting):
    market, log, split, catalogue = setting
    with pytest.raises(VibesError, match="no photos, so there are no photo neighbors"):
        named_baseline("photo-neighbors", market, log, split, catalogue)
    with pytest.raises(VibesError, match="no baseline 'sasrec'"):
        named_baseline("sasrec", market, log, split, catalogue)
    silent = replace(market, attributes=[a for a in market.attributes if a.kind != "text"])
    assert text_vectors(silent, np.ones(40, bool)) is None
    with pytest.raises(VibesError, match="no text, so there are no text neighbors"):
        neighbors_by("text", silent, log, split, catalogue)


def test_alike_texts_are_near_and_a_listing_without_text_has_no_vector(tiny_market):
    market = Market.open(tiny_market(listings=6, photos=0))
    texts = [
        "A quiet flat by the sea with a balcony",
        "Sunny flat at the beach, with a balcony",
        "Workshop with a crane for heavy machines",
        "Heavy machine hall, crane included",
        None,
        "Room for students near the university",
    ]
    market.listings["title"] = texts
    told: list[object] = []
    vectors = text_vectors(market, np.arange(6) < 4, report=told.append)
    assert told[-1] == Counted("texts", 5, 5)  # an evaluation may be the first that asks for them
    cosine = vectors @ vectors.T
    assert np.linalg.norm(vectors, axis=1) == pytest.approx([1, 1, 1, 1, 0, 1], abs=1e-5)
    assert cosine[0, 1] > cosine[0, 2] and cosine[2, 3] > cosine[2, 1]


def test_the_text_space_is_fitted_on_what_is_known_by_then(tiny_market):
    """In Greek, whose texts go by their words: what a later listing says moves no vector of the earlier ones."""
    market = Market.open(tiny_market(listings=6, photos=0))
    texts = ["σπίτι με κήπο", "σπίτι με θέα", "κήπος και θέα", "μικρό σπίτι", "θέα στη θάλασσα", "κήπος"]
    vectors = []
    for later in ("μικρό σπίτι με θέα", "θάλασσα θάλασσα θάλασσα"):
        market.listings["title"] = [*texts, later][1:]
        vectors.append(text_vectors(market, np.arange(6) < 5))
    np.testing.assert_allclose(vectors[0][:5], vectors[1][:5], atol=1e-6)
    assert np.abs(vectors[0][5] - vectors[1][5]).max() > 0.1
