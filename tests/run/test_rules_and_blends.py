"""Every rule under every kind of blend: a rule means the same whatever the weight of the model."""

import numpy as np
import pytest

from helpers.blends import fixed_blend
from helpers.copies import change_settings, copied
from listing_vibes.market.columns import Columns as C
from listing_vibes.run.embedding import embed_market
from listing_vibes.run.run import Run

#: The weight of the model in the blend; the other features keep theirs.
WEIGHTS = {"large": 1.0, "small": 0.001, "none": 0.0, "negative": -0.5}
RULES = {
    "live_only": {"live_only": False}, "drop_seen": {"drop_seen": False}, "same": {"same": "district"},
    "at_most": {"at_most": 2, "seller": "district"}, "diversity": {"diversity": 0.8}, "where": {"where": "rooms>=2"},
    "pin": {"pin": ["home-0011", "home-0012"]}, "pin condition": {"pin": ["home-0011", "building=villa"]}, "block": {"block": "home-0011"}, "not": {"not": "home-0020"},
    "boost fresh": {"boost": "fresh 1 14d"}, "boost near": {"boost": "near 50.0,10.0 1 2km"},
    "dial": {"dial": "east 2 attributes +home-0003 -home-0004"},
    "fill": {"where": "rooms=4", "same": "district", "fill": True},
}  # fmt: skip


@pytest.fixture(scope="module")
def runs(trained, tmp_path_factory) -> dict[str, Run]:
    """A run by the kind of its default ranking."""
    folder = tmp_path_factory.mktemp("blends")
    result = {"model only": trained}
    for name, weight in WEIGHTS.items():
        blend = fixed_blend(attributes=0.3, recent=0.2, age=-0.1)
        blend = blend.model_copy(update={"weights": {**blend.weights, "model": weight}})
        run = copied(trained, folder / name)
        change_settings(run.path, blend=blend)
        result[name] = Run.open(run.path)
    embed_market(trained.market, folder / "untrained", None)
    return result | {"untrained": Run.open(folder / "untrained")}


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("kind", ["model only", *WEIGHTS, "untrained"])
def test_a_list_keeps_its_rule_under_every_blend(runs, kind, rule):
    run, rules = runs[kind], RULES[rule]
    users = run.log.users[:10]
    found = run.recommend(users, 10, rules=rules)
    plain = run.recommend(users, 10)
    assert np.isfinite(found["score"]).all()
    table = run.market.listings.set_index(C.LISTING)
    for user, rows in found.groupby(C.USER):
        ids, before = rows[C.LISTING].tolist(), plain[C.LISTING][plain[C.USER] == user].tolist()
        assert len(set(ids)) == len(ids) > 0
        district = table["district"][ids]
        match rule:
            case "same":
                assert district.nunique() == 1
            case "at_most":
                assert district.value_counts().max() <= 2
            case "where":
                assert (table["rooms"][ids] >= 2).all()
            case "pin":
                assert [item for item in RULES["pin"]["pin"] if item in ids] == ids[
                    : (rows["rule"] == "pinned").sum()
                ]
            case "pin condition":
                is_villa, is_pinned = (
                    (table["building"][ids] == "villa").to_numpy(),
                    (rows["rule"] == "pinned").to_numpy(),
                )
                assert (
                    is_pinned.sum() >= min(10, is_villa.sum())
                    and not np.diff(is_pinned.astype(int)).max() > 0
                )
                assert (is_villa | (np.array(ids) == "home-0011"))[is_pinned].all()
            case "boost condition":
                villas = [(table["building"][part] == "villa").mean() for part in (ids, before)]
                assert villas[0] >= villas[1]
            case "owner":
                assert set(ids) == set(before)  # No user of this log owns a listing.
            case "block" | "not":
                assert not set(ids) & {"home-0011" if rule == "block" else "home-0020"}
            case "fill":
                assert len(ids) == 10
            case "drop_seen" | "live_only" | "diversity" | "boost fresh" | "boost near" | "dial":
                assert len(ids) == len(before)


@pytest.mark.parametrize("rule", ["diversity", "boost fresh", "dial"])
def test_the_strength_of_a_rule_does_not_depend_on_the_unit_of_scores(runs, trained, tmp_path, rule):
    """Weights times a number are the same ranking, so a rule changes it as much."""
    run = copied(trained, tmp_path)
    lists = []
    for size in (1.0, 0.2, 50.0):
        blend = fixed_blend(attributes=0.3 * size, recent=0.2 * size)
        blend = blend.model_copy(
            update={"weights": {**blend.weights, "model": -0.5 * size}}
        )  # so no unit is a weight
        change_settings(run.path, blend=blend)
        lists.append(
            Run.open(run.path).recommend(run.log.users[:20], 10, rules=RULES[rule])[C.LISTING].tolist()
        )
    same = [np.mean([one == two for one, two in zip(lists[0], other, strict=True)]) for other in lists[1:]]
    assert min(same) > 0.9  # The rest are ties, since scores are rounded to five decimals.


def test_diversity_replaces_about_as_much_of_a_list_whatever_the_weight_of_the_model(runs):
    replaced = {}
    for kind in WEIGHTS:
        run = runs[kind]
        users = run.log.users[:40]
        plain, varied = (run.recommend(users, 10, rules={"diversity": value}) for value in (0, 0.8))
        pairs = zip(plain.groupby(C.USER)[C.LISTING], varied.groupby(C.USER)[C.LISTING], strict=True)
        replaced[kind] = float(np.mean([len(set(one[1]) - set(two[1])) / 10 for one, two in pairs]))
    assert min(replaced.values()) > 0.3 and max(replaced.values()) < 2 * min(replaced.values()), replaced
