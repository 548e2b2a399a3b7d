"""Photos as weighted means of class names, against the plain sum; and what is read back."""

import numpy as np
import pytest

from listing_vibes.features.photos.looks import Looks, class_names, load_looks, save_looks


@pytest.fixture
def looks() -> Looks:
    rng = np.random.default_rng(0)
    order = np.array([rng.permutation(6)[:3] for _ in range(9)])
    shares = rng.random((9, 3)).astype(np.float16)
    shares[4] = 0  # a photo that could not be read
    words = rng.normal(size=(6, 5)).astype(np.float16)
    names = np.array([f"thing {number}" for number in range(6)])
    return Looks(order.astype(np.int16), shares, names, words, np.array(["words-1"]))


def test_similarity_is_the_cosine_to_the_weighted_mean_of_the_words(looks):
    query = np.array([1.0, -2, 0, 1, 0.5], np.float32)
    query /= np.linalg.norm(query)
    found, words = looks.similarity(query), looks.words.astype(np.float32)
    for photo in range(9):
        mean = looks.shares[photo].astype(np.float32) @ words[looks.classes[photo]]
        expected = -1 if photo == 4 else float(mean @ query / np.linalg.norm(mean))
        assert found[photo] == pytest.approx(expected, abs=1e-5)
    assert looks.ok.tolist() == [photo != 4 for photo in range(9)]
    query = words[looks.classes[0][1]] / np.linalg.norm(words[looks.classes[0][1]])
    near = looks.shares[0].astype(np.float32) * np.maximum(0, words[looks.classes[0]] @ query)
    names = looks.seen(np.array([0, 4]), query, most=1)
    assert names == [f"thing {looks.classes[0][near.argmax()]}", ""]
    assert looks.seen(np.array([0]), np.zeros(5, np.float32)) == [""]


def test_what_several_photos_clearly_show_is_offered_the_most_frequent_first():
    classes = np.array([[0, 1]] * 5 + [[1, 0]] * 3 + [[2, 0]] * 2, np.int16)
    shares = np.tile(np.array([0.6, 0.1], np.float16), (10, 1))
    looks = Looks(classes, shares, np.array(["bed", "sofa", "prison"]), np.zeros((3, 2)), np.array(["t"]))
    assert looks.frequent(8) == ["bed", "sofa"] and looks.frequent(1) == ["bed"]


def test_they_are_read_back_for_the_same_photos_only(looks, tmp_path):
    save_looks(looks, tmp_path / "looks.npz", "abc")
    back = load_looks(tmp_path / "looks.npz", "abc")
    np.testing.assert_array_equal(back.shares, looks.shares)
    assert load_looks(tmp_path / "looks.npz", "other") is None
    assert load_looks(tmp_path / "nothing.npz", "abc") is None
    (tmp_path / "looks.npz").write_bytes(b"PK\x03\x04 torn")
    assert load_looks(tmp_path / "looks.npz", "abc") is None


def test_the_classes_are_those_of_imagenet():
    names = class_names()
    assert len(names) == 1000
    assert names[760].startswith("refrigerator, icebox: ") and names[564].startswith("four-poster: a bed")
