"""The model against its hardest rival, in words."""

from listing_vibes.report.paired import beside, hardest_rival


def test_the_difference_to_the_hardest_rival_is_told_with_its_interval():
    one = {"value": 0.204, "low": 0.19, "high": 0.22, "p_holm": 0.001}
    told = beside({"differences": {"default ranking - als": {"recall@30": one}}}, "als")
    assert told == "Difference: +20.4 points (+19.0 to +22.0), the default ranking is ahead."
    unsure = {"value": 0.056, "low": 0.01, "high": 0.097, "p_value": 0.02, "p_holm": 0.16}
    told = beside({"differences": {"default ranking - als": {"recall@30": unsure}}}, "als")
    assert (
        told
        == "Difference: +5.6 points (−0.8 to +11.3, corrected for the number of methods), no sure difference."
    )
    assert beside({}, "als") == ""


def test_the_hardest_rival_is_the_best_of_any_kind_but_the_ceiling_and_what_is_served():
    def of(**values):
        return {name.replace("_", " "): {"recall@30": {"value": value}} for name, value in values.items()}

    found = of(default_ranking=0.3, ease=0.2, attribute_neighbors=0.25, oracle=0.9)
    found["model only + recency"] = {"recall@30": {"value": 0.35}}
    assert hardest_rival(found) == "attribute neighbors"
    assert hardest_rival(of(default_ranking=0.3)) is None
