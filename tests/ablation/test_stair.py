"""The ladder of the method: a chain of variants, each compared with the one before it."""

from itertools import pairwise

import numpy as np
import pytest

from listing_vibes.ablation.stair import stair
from listing_vibes.ablation.table import Measured, ablation_table

USER = np.repeat(np.arange(30), 2)
CHAIN = ("popularity", "best id model", "attributes", "+ meta", "full", "oracle")


def table(*names: str, without: str = ""):
    """An ablation in which each variant has one more hit in ten queries than the one before it in the chain."""
    names = [name for name in names if name != without]
    ranks = {name: np.where(np.arange(len(USER)) % 10 <= CHAIN.index(name), 1, 99) for name in names}
    references = dict(zip(names[1:], names, strict=False))
    return ablation_table(
        [Measured(name, references.get(name), {0: ranks[name]}) for name in names], USER, {}
    )


def test_each_rung_is_what_it_adds_to_the_one_before():
    steps = stair(table(*CHAIN))
    assert [step.label for step in steps] == ["Ids alone", "Attributes", "+ actions", "+ photos", "Ceiling"]
    assert steps[0].gain is None
    assert all(step.gain == pytest.approx(step.value - before.value) for before, step in pairwise(steps))
    assert steps[-1].low <= steps[-1].value <= steps[-1].high


@pytest.mark.parametrize(
    "lacking, last", [("full", "+ actions"), ("+ meta", "+ photos"), ("oracle", "+ photos")]
)
def test_what_a_market_lacks_is_no_rung(lacking, last):
    labels = [step.label for step in stair(table(*CHAIN, without=lacking)) if step.label != "Ceiling"]
    assert labels[-1] == last and len(labels) == (4 if lacking == "oracle" else 3)


def test_a_grid_without_such_a_chain_has_no_ladder():
    assert stair(table(*CHAIN, without="best id model")) == []
    assert stair(table("popularity", "best id model", "oracle")) == []
    broken = table(*CHAIN)
    broken.loc[broken["variant"] == "full", "reference"] = "popularity"
    assert stair(broken) == []
