"""The score that a response lists is the score that its explanation explains, and the parts of that score add up to it."""

import numpy as np
import pytest

from helpers.blends import KNN, fixed_blend
from helpers.copies import change_settings, copied
from helpers.serving import app_of, serving
from listing_vibes.run.blends import save_blends

#: Rules that move scores, reorder a list, or only leave listings out.
RULES: list[dict[str, object]] = [
    {},
    {"boost": ["fresh 0.5 14d", "rooms>=3 0.8"]},
    {"boost": ["near 48.1,11.5 2 5km"], "dial": ["x 1.5 model +home-0003 -home-0007"]},
    {"not": ["home-0002", "home-0009"]},
    {"diversity": 0.5},
    {"at_most": 2, "seller": "district", "boost": ["rooms>=2 1.5"], "fill": True},
    {"pin": ["home-0010"], "where": ["rooms>=2"], "dial": ["x 2 model +home-0010"]},
]
EXPLAINED = {"k": 8, "explain": True, "explain_ms": 10_000}
TOLERANCE = 1e-5


@pytest.fixture(scope="module")
def client(trained, tmp_path_factory):
    run = copied(trained, tmp_path_factory.mktemp("blended"))
    change_settings(run.path, blend=fixed_blend(recent=0.05, age=-0.02, attributes=0.3))
    fits = [
        fixed_blend("recency", recent=0.5),
        fixed_blend("neighbors+ids", KNN, model=-0.4, attributes=2.0, ids=0.5),
    ]
    save_blends(run.path, fits)
    with serving(app_of(run.path, tmp_path_factory.mktemp("events"))) as client:
        yield client


def check(response) -> list[dict]:
    """Check that each listing is explained, with its own score as the sum of its parts."""
    assert response.status_code == 200, response.text
    rows = response.json()["results"]
    assert rows
    for row in rows:
        explanation = row["explanation"]
        np.testing.assert_allclose(explanation["score"], row["score"], atol=TOLERANCE, err_msg=str(row))
        total = sum(explanation["parts"].values())
        np.testing.assert_allclose(total, row["score"], atol=TOLERANCE, err_msg=str(row))
    return rows


@pytest.mark.parametrize("rules", RULES, ids=str)
@pytest.mark.parametrize("blend", [None, "", "recency", "neighbors+ids"])
def test_a_recommended_listing_has_one_score_that_is_the_sum_of_its_parts(client, trained, rules, blend):
    chosen = rules | EXPLAINED | ({} if blend is None else {"blend": blend})
    user, history = trained.log.users[3], trained.listing_ids[4:7]
    for response in (
        client.get(f"/recommend/{user}", params=chosen),
        client.post("/recommend", json={"history": history} | chosen),
    ):
        rows = check(response)
        scores = [row["score"] for row in rows]
        if not {"diversity", "at_most", "pin"} & set(rules):  # these do not sort by score
            assert scores == sorted(scores, reverse=True)
            assert [row["explanation"]["rank"] for row in rows] == [*range(1, len(rows) + 1)]


def test_so_has_one_after_posted_events(client, trained):
    user, ids = trained.log.users[5], trained.listing_ids
    posted = [{"user_id": user, "listing_id": listing} for listing in ids[20:23]]
    assert client.post("/events", json=posted).status_code == 200
    check(client.get(f"/recommend/{user}", params=EXPLAINED))


@pytest.mark.parametrize("rules", RULES, ids=str)
@pytest.mark.parametrize("space", [None, "attributes"])
def test_a_similar_listing_has_one_score_that_is_the_sum_of_its_parts(client, rules, space):
    chosen = rules | EXPLAINED | ({} if space is None else {"space": space})
    rows = check(client.get("/similar/home-0001", params=chosen))
    if not {"diversity", "at_most", "pin"} & set(rules):
        assert [row["explanation"]["rank"] for row in rows] == [*range(1, len(rows) + 1)]
