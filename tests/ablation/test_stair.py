"""The stair of the method: a chain of variants, each compared with the one before it."""

from itertools import pairwise

import numpy as np
import pytest

from listing_vibes.ablation.stair import stair
from listing_vibes.ablation.table import Measured, ablation_table

USER = np.repeat(np.arange(30), 2)
CHAIN = ("popularity", "best id model", "attributes", "+ meta", "full", "oracle")


def table(*names: str, without: str = ""):
    kept = [name for name in names if name != without]
    hits = {name: CHAIN.index(name) for name in kept}  # of ten queries, more the further up
    measured = [
        Measured(
            name,
            kept[at - 1] if at else None,
            {0: np.where(np.arange(len(USER)) % 10 <= hits[name], 1, 99)},
        )
        for at, name in enumerate(kept)
    ]
    return ablation_table(measured, USER, {})


def test_each_step_tells_what_it_adds_to_the_one_before():
    steps = stair(table(*CHAIN))
    assert [one.label for one in steps] == ["Ids alone", "Attributes", "+ actions", "+ photos", "Ceiling"]
    assert steps[0].gain is None
    assert all(one.gain == pytest.approx(one.value - last.value) for last, one in pairwise(steps))
    assert steps[-1].low <= steps[-1].value <= steps[-1].high


@pytest.mark.parametrize(
    "lacking, last", [("full", "+ actions"), ("+ meta", "+ photos"), ("oracle", "+ photos")]
)
def test_what_a_market_lacks_is_no_step(lacking, last):
    steps = [one.label for one in stair(table(*CHAIN, without=lacking)) if one.label != "Ceiling"]
    assert steps[-1] == last and len(steps) == (4 if lacking == "oracle" else 3)


def test_a_grid_without_such_a_chain_has_no_stair():
    assert stair(table(*CHAIN, without="best id model")) == []
    assert stair(table("popularity", "best id model", "oracle")) == []
    broken = table(*CHAIN)
    broken.loc[broken["variant"] == "full", "reference"] = "popularity"
    assert stair(broken) == []
