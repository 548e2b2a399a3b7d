"""Which list is surely better than the one that is made unasked."""

from listing_vibes.evaluation.better import surely_better

ASKED = {"model only + recency": "recency", "model only + neighbors": "neighbors", "model only": "nothing"}


def differences(**of: tuple[float, float]) -> dict:
    return {
        f"default ranking - {name.replace('_', ' ')}": {
            "recall@30": {"value": value, "p_holm": p},
            "mrr": {"value": -1.0, "p_holm": 0.0},
        }
        for name, (value, p) in of.items()
    }


def test_the_one_furthest_ahead_is_named_with_its_option_where_it_is_sure():
    found = differences(model_only=(-0.05, 0.04), popularity=(-0.9, 0.0)) | {
        "default ranking - model only + recency": {"recall@30": {"value": -0.2, "p_holm": 0.06}},
        "default ranking - model only + neighbors": {"recall@30": {"value": -0.095, "p_holm": 0.001}},
    }
    assert surely_better(found, ASKED, "default ranking") == (
        "model only + neighbors, by 0.095 of recall@30: ask for such lists with `--blend neighbors`"
    )
    del found["default ranking - model only + neighbors"]
    assert surely_better(found, ASKED, "default ranking").endswith("`--blend nothing`")


def test_nothing_is_said_where_nothing_is_surely_ahead():
    assert surely_better(differences(model_only=(0.05, 0.0)), ASKED, "default ranking") == ""
    assert surely_better(differences(model_only=(-0.05, 0.05)), ASKED, "default ranking") == ""
    assert surely_better(differences(popularity=(-0.5, 0.0)), ASKED, "default ranking") == ""
    assert surely_better({}, ASKED, "default ranking") == ""
