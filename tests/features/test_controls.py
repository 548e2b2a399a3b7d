"""Controls keep what makes a fingerprint (norms, equal rows, who has content) and take away the meaning."""

import numpy as np
import pandas as pd

from listing_vibes.features.controls import donors, permuted, random_like, random_texts, shuffled_texts


def test_everybody_with_content_gets_anothers_and_nobody_else_does():
    has = np.random.default_rng(0).random(50) < 0.6
    donor = donors(has, seed=3)
    with_content = np.flatnonzero(has)
    assert sorted(donor[with_content]) == with_content.tolist()
    assert (donor[with_content] != with_content).all()
    assert (donor[~has] == np.flatnonzero(~has)).all()
    np.testing.assert_array_equal(donor, donors(has, seed=3))
    assert not np.array_equal(donor, donors(has, seed=4))


def test_who_is_alone_with_content_or_has_none_keeps_it():
    assert donors(np.array([False, True, False]), 0).tolist() == [0, 1, 2]
    assert donors(np.zeros(0, bool), 0).tolist() == []


def test_random_vectors_keep_norms_and_equalities_and_nothing_else():
    vectors = np.random.default_rng(0).normal(size=(200, 32)).astype(np.float32)
    vectors[7] = vectors[3]
    vectors[9] = 0
    found = random_like(vectors, seed=1)
    assert found.dtype == np.float32 and found.shape == vectors.shape
    np.testing.assert_allclose(
        np.linalg.norm(found, axis=1), np.linalg.norm(vectors, axis=1), rtol=1e-5, atol=1e-7
    )
    np.testing.assert_array_equal(found[7], found[3])
    cosine = (found * vectors).sum(1) / np.maximum(np.linalg.norm(vectors, axis=1) ** 2, 1e-9)
    assert abs(cosine.mean()) < 0.05 and np.abs(cosine).max() < 0.8
    np.testing.assert_array_equal(found, random_like(vectors, seed=1))
    assert random_like(np.zeros((0, 4), np.float32), 0).shape == (0, 4)


def texts() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "title": ["a b", "c d e", None, "f", "a b"],
            "story": ["one", "two", None, None, "five"],
            "price": [1.0, 2.0, 3.0, 4.0, 5.0],
        }
    )


def test_texts_move_whole_from_listing_to_listing():
    before = texts()
    after = shuffled_texts(before, ["title", "story", "not there"], 0)
    pairs = {(t, s) for t, s in before[["title", "story"]].astype(object).fillna("").to_numpy().tolist()}
    moved = after[["title", "story"]].astype(object).fillna("").to_numpy().tolist()
    assert {(t, s) for t, s in moved} == pairs
    assert moved[2] == ["", ""] and moved[1] != ["c d e", "two"]
    assert after["price"].tolist() == before["price"].tolist()
    assert before["title"].tolist()[:2] == ["a b", "c d e"]  # the table that was given stays as it was


def test_random_words_are_as_many_and_the_same_for_the_same_text():
    after = random_texts(texts(), ["title", "story"], ["x", "y", "z"], 5)
    assert [len(t.split()) if isinstance(t, str) else 0 for t in after["title"]] == [2, 3, 0, 1, 2]
    assert after["title"][0] == after["title"][4]
    assert set(" ".join(after["title"].dropna()).split()) <= {"x", "y", "z"}
    assert set(after["story"].dropna()) <= {"x", "y", "z"} and after["story"].notna().sum() == 3
    assert after["price"].equals(texts()["price"])
    assert random_texts(texts(), ["title"], [], 5)["title"].isna().all()


def test_events_trade_their_meta():
    order = permuted(30, 2)
    assert sorted(order) == list(range(30)) and order.tolist() != list(range(30))
    np.testing.assert_array_equal(order, permuted(30, 2))
