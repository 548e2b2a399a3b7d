"""The table of an ablation against loops, its text and its figure."""

import json

import numpy as np
import pandas as pd
import pytest

from listing_vibes.ablation.figure import save_figure
from listing_vibes.ablation.table import COLUMNS, Measured, ablation_table
from listing_vibes.ablation.text import ablation_document, ablation_text
from listing_vibes.evaluation.intervals import holm, paired_difference


@pytest.fixture
def setting():
    rng = np.random.default_rng(0)
    user = np.sort(rng.integers(0, 40, 120))
    good, bad = rng.integers(1, 60, (3, 120)), rng.integers(20, 200, 120)
    measured = [
        Measured("ids", None, {0: bad}, "ladder", {0: (0.5, 0.4, 0.6)}),
        Measured(
            "full",
            "ids",
            {s: good[s] for s in range(3)},
            "ladder",
            {s: (0.1 * s, None, None) for s in range(3)},
        ),
        Measured("same", "full", {s: good[s] + (good[s] == 30) for s in range(3)}, "losses"),
    ]
    slices = {"cold listings": rng.random(120) < 0.3, "week 9": np.zeros(120, bool)}
    return measured, user, slices


def by_hand(ranks: np.ndarray, user: np.ndarray, k: int) -> np.ndarray:
    return np.array([np.mean(ranks[user == one] <= k) for one in np.unique(user)])


def row(table: pd.DataFrame, variant: str, seed: int | None, name: str = "all", metric: str = "recall", k=30):
    mine = table[(table["variant"] == variant) & (table["slice"] == name) & (table["metric"] == metric)]
    mine = mine[mine["seed"].isna()] if seed is None else mine[mine["seed"] == seed]
    mine = mine[mine["k"].isna()] if k is None else mine[mine["k"] == k]
    assert len(mine) == 1
    return mine.iloc[0]


def test_values_and_differences_are_those_of_a_slow_twin(setting):
    measured, user, slices = setting
    table = ablation_table(measured, user, slices)
    assert tuple(table.columns) == COLUMNS
    ids, full, same = (one.ranks for one in measured)
    mean = np.mean([by_hand(full[s], user, 30) for s in range(3)], axis=0)
    base = by_hand(ids[0], user, 30)
    found = row(table, "full", None)
    assert found["value"] == pytest.approx(mean.mean()) and found["queries"] == 120
    assert found["reference"] == "ids"
    slow = paired_difference(mean, base)
    assert found["difference"] == pytest.approx(slow.value)
    other = paired_difference(np.mean([by_hand(same[s], user, 30) for s in range(3)], axis=0), mean)
    corrected = holm(np.array([slow.p_value, other.p_value]))
    assert found["p_value"] == pytest.approx(corrected[0])
    assert row(table, "same", None)["p_value"] == pytest.approx(corrected[1])
    assert corrected[0] > slow.p_value  # two comparisons
    one_seed = row(table, "full", 1)
    assert one_seed["value"] == pytest.approx(by_hand(full[1], user, 30).mean())
    assert one_seed["difference"] == pytest.approx(by_hand(full[1], user, 30).mean() - base.mean())
    assert found["low"] < found["value"] < found["high"]
    first = row(table, "ids", None)
    assert first["reference"] is None or pd.isna(first["reference"])
    assert pd.isna(first["difference"]) and pd.isna(first["p_value"])


def test_slices_count_their_own_queries_and_empty_ones_have_no_rows(setting):
    measured, user, slices = setting
    table = ablation_table(measured, user, slices)
    mask = slices["cold listings"]
    found = row(table, "full", None, "cold listings", "mrr", None)
    ranks = measured[1].ranks
    slow = [
        np.mean([np.mean(1 / ranks[s][mask & (user == one)]) for one in np.unique(user[mask])])
        for s in range(3)
    ]
    assert found["value"] == pytest.approx(np.mean(slow)) and found["queries"] == mask.sum()
    assert set(table["slice"]) == {"all", "cold listings"}
    assert table[table["slice"] != "all"]["seed"].isna().all()


def test_the_order_is_that_of_the_grid_and_baselines_have_one_seed(setting):
    measured, user, slices = setting
    table = ablation_table(measured, user, slices)
    assert list(dict.fromkeys(table["variant"])) == ["ids", "full", "same"]
    assert set(table[table["variant"] == "ids"]["seed"].dropna()) == {0}
    assert set(table[table["variant"] == "full"]["seed"].dropna()) == {0, 1, 2}


def test_coverage_is_kept_and_has_no_difference(setting):
    measured, user, slices = setting
    table = ablation_table(measured, user, slices)
    found = row(table, "full", None, metric="coverage")
    assert found["value"] == pytest.approx(0.1) and pd.isna(found["low"]) and pd.isna(found["difference"])
    assert row(table, "ids", 0, metric="coverage")["high"] == 0.6


def test_the_table_survives_parquet(setting, tmp_path):
    table = ablation_table(*setting)
    table.to_parquet(tmp_path / "a.parquet", index=False)
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "a.parquet"), table, check_dtype=False)


def test_the_document_is_plain_and_says_what_the_table_says(setting):
    measured, user, slices = setting
    table = ablation_table(measured, user, slices)
    document = json.loads(
        json.dumps(
            ablation_document(
                table, measured, {"queries": 120}, {"x": "left"}, {"y": "broke"}, {"ids": "It is ease."}
            )
        )
    )
    assert (
        document["queries"] == 120
        and document["left_out"] == {"x": "left"}
        and document["failed"] == {"y": "broke"}
    )
    full = document["variants"][1]
    assert (full["name"], full["reference"], full["question"]) == ("full", "ids", "ladder")
    assert full["results"]["recall@30"]["value"] == pytest.approx(row(table, "full", None)["value"])
    assert set(full["results"]["recall@30"]["seeds"]) == {"0", "1", "2"}
    assert document["variants"][0]["note"] == "It is ease."
    assert document["variants"][0]["results"]["mrr"]["difference"] is None


def test_the_text_shows_every_variant_in_order_and_what_is_missing(setting):
    measured, _, _ = setting
    text = ablation_text(
        ablation_table(*setting), measured, "A market", {"x": "'x' is left out."}, {"y": "broke."}, {}
    )
    lines = text.splitlines()
    assert lines[0] == "A market" and lines[-2:] == ["'x' is left out.", "'y' failed: broke."]
    rows = [line.split() for line in lines if line.startswith(("ladder ", "losses "))]
    assert [row[:2] for row in rows] == [["ladder", "ids"], ["ladder", "full"], ["losses", "same"]]
    assert "ids" not in rows[0][2:] and "ids" in rows[1][2:]  # the reference of the second


@pytest.mark.slow
def test_the_figure_is_written_twice_the_same_and_names_variants_in_order(setting, tmp_path):
    measured, _, _ = setting
    table = ablation_table(*setting)
    for name in ("one", "two"):
        assert [p.suffix for p in save_figure(table, measured, tmp_path / f"{name}.x", "A market")] == [
            ".png",
            ".svg",
        ]
    for ending in (".png", ".svg"):
        one, two = ((tmp_path / name).with_suffix(ending).read_bytes() for name in ("one", "two"))
        assert one == two and len(one) > 3000
    drawn = (tmp_path / "one.svg").read_text()
    places = [drawn.index(f">{name}<") for name in ("ids", "full", "same")]
    assert places == sorted(places)
    assert f"{row(table, 'full', None)['difference']:+.3f}".replace("-", "-") in drawn
