"""Looks: photos as weighted means of words, against the plain sum; what is written is read back."""

import numpy as np
import pytest

from listing_vibes.features.photos.looks import Looks, class_names, load_looks, save_looks


def made(seed=0, photos=9, classes=6, width=5) -> Looks:
    rng = np.random.default_rng(seed)
    order = np.array([rng.permutation(classes)[:3] for _ in range(photos)])
    shares = rng.random((photos, 3)).astype(np.float16)
    shares[4] = 0  # a photo that could not be read
    words = rng.normal(size=(classes, width)).astype(np.float16)
    names = np.array([f"thing {number}" for number in range(classes)])
    return Looks(order.astype(np.int16), shares, names, words, np.array(["words-1"]))


def test_similarity_is_the_cosine_to_the_weighted_mean_of_the_words():
    looks, query = made(), np.array([1.0, -2, 0, 1, 0.5], np.float32)
    query /= np.linalg.norm(query)
    found = looks.similarity(query)
    for photo in range(9):
        mean = sum(
            float(share) * looks.words[number].astype(np.float32)
            for number, share in zip(looks.classes[photo], looks.shares[photo], strict=True)
        )
        expected = -1 if photo == 4 else float(mean @ query / np.linalg.norm(mean))
        assert found[photo] == pytest.approx(expected, abs=1e-5)
    assert looks.ok.tolist() == [photo != 4 for photo in range(9)]


def test_what_brought_a_photo_near_is_named_first():
    looks = made()
    first, second = looks.classes[0][:2]
    query = looks.words[second].astype(np.float32)
    query /= np.linalg.norm(query)
    near = [float(share) * max(0.0, float(looks.words[n].astype(np.float32) @ query))
            for n, share in zip(looks.classes[0], looks.shares[0], strict=True)]  # fmt: skip
    zeros = np.zeros_like(looks.words[0], np.float32)
    names = looks.seen(np.array([0, 4]), query, most=1)
    assert names == [f"thing {looks.classes[0][int(np.argmax(near))]}", ""]
    assert looks.seen(np.array([0]), zeros) == [""]
    assert first != second


def test_what_several_photos_clearly_show_is_offered_the_most_frequent_first():
    classes = np.array([[0, 1]] * 5 + [[1, 0]] * 3 + [[2, 0]] * 2, np.int16)
    shares = np.tile(np.array([0.6, 0.1], np.float16), (10, 1))
    looks = Looks(classes, shares, np.array(["bed", "sofa", "prison"]), np.zeros((3, 2)), np.array(["t"]))
    assert looks.frequent(8) == ["bed", "sofa"] and looks.frequent(1) == ["bed"]


def test_they_are_read_back_for_the_same_photos_only(tmp_path):
    looks = made()
    save_looks(looks, tmp_path / "looks.npz", "abc")
    back = load_looks(tmp_path / "looks.npz", "abc")
    np.testing.assert_array_equal(back.shares, looks.shares)
    np.testing.assert_array_equal(back.names, looks.names)
    assert load_looks(tmp_path / "looks.npz", "other") is None
    assert load_looks(tmp_path / "nothing.npz", "abc") is None
    (tmp_path / "looks.npz").write_bytes(b"PK\x03\x04 torn")
    assert load_looks(tmp_path / "looks.npz", "abc") is None


def test_the_classes_are_those_of_imagenet():
    names = class_names()
    assert len(names) == 1000
    assert names[760].startswith("refrigerator, icebox: ") and names[564].startswith("four-poster: a bed")
