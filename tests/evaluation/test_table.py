"""Results as text: every figure in its place, and lines that fit a screen."""

from listing_vibes.evaluation.table import slices_table

SCORERS = ["model", "attribute neighbors"]


def slices(names):
    value = {name: round(0.01 * (at + 1), 3) for at, name in enumerate(names)}
    return {
        name: {
            "queries": 1000 + at,
            "results": {
                scorer: {"recall@30": {"value": value[name] + 0.5 * place}}
                for place, scorer in enumerate(SCORERS)
            },
        }
        for at, name in enumerate(names)
    }


def test_slices_are_columns_a_few_at_a_time():
    names = ["cold listings", "warm listings", "cold users", "warm users", "history 1", "history 2-3"]
    weeks = [f"week {number}" for number in range(1, 12)]
    text = slices_table(slices([*names, *weeks]), SCORERS, "recall@30")
    assert max(map(len, text.splitlines())) <= 110
    first, second, third = text.removeprefix("recall@30\n").split("\n\n")
    assert [line.split() for line in first.splitlines()] == [
        ["cold", "warm", "cold", "warm", "history", "history"],
        ["listings", "listings", "users", "users", "1", "2-3"],
        ["queries", "1,000", "1,001", "1,002", "1,003", "1,004", "1,005"],
        ["model", "0.010", "0.020", "0.030", "0.040", "0.050", "0.060"],
        ["attribute", "neighbors", "0.510", "0.520", "0.530", "0.540", "0.550", "0.560"],
    ]
    assert second.splitlines()[1].split() == list("12345678")
    assert third.splitlines()[3].split() == ["model", "0.150", "0.160", "0.170"]


def test_many_weeks_are_left_to_the_document_and_an_empty_slice_has_no_figure():
    table = slices([f"week {number}" for number in range(1, 14)])
    table["cold users"] = {"queries": 0, "results": {}}
    text = slices_table(table, SCORERS, "recall@30")
    assert (
        "The 13 weeks after training: vibes evaluate RUN --json, under slices." in text
        and "0.010" not in text
    )
    assert ["model", "-"] in [line.split() for line in text.splitlines()]
