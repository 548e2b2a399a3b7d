"""Results as frames: every figure in its place; and the one renderer of tables."""

import pandas as pd

from listing_vibes.evaluation.result import differences_frame, results_frame, slices_frames
from listing_vibes.tables import WIDTH, render_table

SCORERS = ["model", "model + recency"]


def estimate(value, low=0.1, high=0.2):
    return {"value": value, "low": low, "high": high, "p_holm": 0.0001}


def slices(names):
    return {
        name: {
            "queries": 1000 * (place + 1),
            "results": {
                scorer: {"recall@30": {"value": (place + row) / 1000}} for row, scorer in enumerate(SCORERS)
            },
        }
        for place, name in enumerate(names)
    }


def test_slices_have_a_column_each_and_weeks_a_frame_of_their_own_where_they_are_few():
    names = ["cold listings", "warm listings", "history 1", "history 10+"]
    others, weeks = slices_frames(slices([*names, "week 1", "week 2"]), SCORERS, "recall@30")
    assert others.columns.tolist() == ["", *names] and weeks.columns.tolist() == ["", "week 1", "week 2"]
    assert others["history 1"].tolist() == ["3,000", "0.002", "0.003"]
    many = slices([f"week {number}" for number in range(1, 14)])
    many["cold users"] = {"queries": 0, "results": {}}
    (only,) = slices_frames(many, SCORERS, "recall@30")
    assert only["cold users"].tolist() == ["0", "-", "-"]


def test_results_and_differences_have_their_intervals():
    results = results_frame({"model": {"recall@30": estimate(0.15), "ndcg@30": estimate(0.05, None, None)}})
    assert results.to_numpy().tolist() == [["model", "0.150 .100-.200", "0.050 one user"]]
    assert results.columns.tolist() == ["", "recall@30", "NDCG@30"]
    pairs = differences_frame({"model - ease": {"recall@30": estimate(0.15)}}, "recall@30")
    assert pairs.to_numpy().tolist() == [["model - ease", "+0.150", "+0.100 to +0.200", "< .001"]]


def test_a_table_aligns_numbers_to_the_right_keeps_every_text_and_fits_the_screen():
    frame = pd.DataFrame({"id": ["a[b]", ":smile:"], "score": [0.5, 12], "missing": [None, "x"]})
    lines = render_table(frame).splitlines()
    assert len({len(line) for line in lines}) <= 3 and lines[1].split() == ["a[b]", "0.5", "-"]
    assert lines[2].split() == [":smile:", "12.0", "x"] and lines[1].index("0.5") > lines[2].index("12.0")
    wide = pd.DataFrame({f"a long heading {place}": ["word " * 9] for place in range(9)})
    text = render_table(wide)
    assert max(map(len, text.splitlines())) <= WIDTH and text.count("word") == 81
