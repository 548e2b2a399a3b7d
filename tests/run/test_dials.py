"""Dials: read, the direction against a slow one, and lists that move along it; what is none is one sentence."""

import numpy as np
import pytest

from listing_vibes.errors import VibesError
from listing_vibes.run.score_moves import SHRUNK, Dial, position, read_dial

MORE, LESS = ("home-0003", "home-0010"), ("home-0020", "home-0031", "home-0044")


def written(weight=1.0, space="model"):
    return str(Dial("more rustic", weight, space, MORE, LESS))


def test_what_is_written_is_read_back():
    strange = Dial("lighter", -0.25, "photos", ("a b;c", "-7", "+x"), ("é/%",))
    assert read_dial(str(strange)) == strange
    assert read_dial("more rustic 1.5 photos +a -b +c") == Dial(
        "more rustic", 1.5, "photos", ("a", "c"), ("b",)
    )


@pytest.mark.parametrize("space", ["model", "attributes"])
def test_the_direction_is_that_of_a_slow_discriminant(trained, space):
    vectors = trained.vectors(space).astype(np.float64)
    more, less = (np.mean([vectors[trained.row(one)] for one in side], axis=0) for side in (MORE, LESS))
    covariance = sum(np.outer(one, one) for one in vectors - vectors.mean(axis=0)) / len(vectors)
    shrunk, width = SHRUNK[space], vectors.shape[1]
    mixed = (1 - shrunk) * covariance + shrunk * np.trace(covariance) / width * np.eye(width)
    along = vectors @ (np.linalg.inv(mixed) @ (more - less))
    slow = np.clip((along - along.mean()) / along.std(), -4, 4)
    found = position(trained, read_dial(written(space=space)))
    np.testing.assert_allclose(found, slow, atol=1e-4)
    assert (
        found[[trained.row(one) for one in MORE]].mean()
        > 1
        > found[[trained.row(one) for one in LESS]].mean()
    )


def test_one_side_is_enough_and_the_other_is_what_is_usual(trained):
    both = position(trained, Dial("x", 1, "model", MORE, ()))
    turned = position(trained, Dial("x", 1, "model", (), MORE))
    np.testing.assert_allclose(both, -turned, atol=1e-5)


def test_a_list_moves_along_it_and_at_0_stays(trained):
    along = position(trained, read_dial(written()))
    place = {listing: along[row] for listing, row in trained.listing_row.items()}
    plain = trained.recommend("user-0001", k=20)["listing_id"].tolist()
    assert trained.recommend("user-0001", k=20, rules={"dial": written(0.0)})["listing_id"].tolist() == plain
    means = [
        np.mean(
            [
                place[one]
                for one in trained.recommend("user-0001", 20, rules={"dial": written(weight)})["listing_id"]
            ]
        )
        for weight in (-2.0, -0.5, 0.5, 2.0)
    ]
    assert means == sorted(means) and means[-1] - means[0] > 1
    near = trained.similar("home-0003", k=10, rules={"dial": [written(9.0)]})["listing_id"]
    assert np.mean([place[one] for one in near]) > 1


@pytest.mark.parametrize(
    ("dial", "told"),
    [
        ("lighter", "write for example"), ("lighter 1 sound +home-0003", "write for example"),
        ("lighter 1 model", "write for example"), ("lighter 11 model +home-0003", "from -10 to 10"),
        ("lighter 1 model +nobody", "not a listing of"), ("lighter 1 photos +home-0003", "no space 'photos'"),
    ],
)  # fmt: skip
def test_what_is_no_dial_is_one_sentence(trained, dial, told):
    with pytest.raises(VibesError, match=told):
        trained.recommend("user-0001", rules={"dial": dial})
