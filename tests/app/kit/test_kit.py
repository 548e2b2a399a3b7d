"""Shared pieces of pages: the theme, rules of lists, style directions, and the meaning of scores."""

from pathlib import Path
from types import SimpleNamespace

import pytest
from contrast import THEME, contrast, mixed
from looking import click, labelled, links, texts

import listing_vibes_app
from helpers.blends import fixed_blend
from listing_vibes import Run, selection
from listing_vibes.insight.selection.page_lists import Selection
from listing_vibes.model.settings import Resolved
from listing_vibes.run.blends import NO_BLEND
from listing_vibes.scoring.late_interaction import LateInteraction
from listing_vibes_app.kit.list_options import describe_score

ASKED = {"user": "u1", "at": "4", "k": "6"}


@pytest.mark.parametrize("name", ["light", "dark"])
def test_every_text_and_series_stands_out(name):
    theme = THEME[name]
    grounds = [theme["backgroundColor"], theme["secondaryBackgroundColor"]]
    names = ("textColor", "linkColor", "grayTextColor", "blueTextColor", "greenTextColor", "primaryColor")
    for ground in grounds:
        for text in names:
            assert contrast(theme[text], ground) >= 4.5, (text, ground)
        assert contrast(mixed(theme["textColor"], ground, 0.6), ground) >= 4.5, ground  # captions
    assert contrast(theme["greenTextColor"], theme["greenBackgroundColor"]) >= 4.5
    for color in theme["chartCategoricalColors"]:
        assert contrast(color, grounds[0]) >= 3
    # Streamlit writes in white on the primary color, which stands out from the dark ground as text.
    for source in Path(listing_vibes_app.__file__).parent.rglob("*.py"):
        assert 'type="primary"' not in source.read_text(encoding="utf-8"), source


def test_a_score_is_called_a_cosine_only_where_it_is_one():
    def of(weight, blend=None):
        manifest = SimpleNamespace(settings=Resolved(blend=blend))
        late = LateInteraction(weight)
        return SimpleNamespace(run=SimpleNamespace(has_model=True, late_interaction=late, manifest=manifest))

    def described(opened, blend=None):
        return describe_score(opened, Selection("recommend", "", 30, blend=blend))

    assert "the cosine of their vectors" in described(of(0.0))[1]
    assert "greatest cosine to one listing of it, weighted 1.5" in described(of(1.5))[1]
    assert described(of(1.5), "recency")[0] == "Score"
    blended = of(0.0, fixed_blend(recent=0.05))
    assert described(blended)[0] == "Score" and described(blended, NO_BLEND)[0] == "Similarity"


def recommended(page):
    return labelled(page, "Recommendations, the best first")


@pytest.mark.slow
def test_rules_go_to_the_url_and_the_cards_say_what_they_did(show, trained):
    page = show("users", trained, **ASKED)
    before = links(recommended(page))
    page.text_input(key="where").set_value("room_type=Shared room").run()
    few = len(links(recommended(page)))
    assert page.query_params["where"] == "room_type=Shared room" and 0 < few < len(before)
    page.checkbox(key="fill").set_value(True).run()
    scores = [card["score"] for card in recommended(page)["cards"]]
    assert page.query_params["fill"] == "1" and len(scores) == 6
    assert ["beyond “only where”" in score for score in scores] == [number >= few for number in range(6)]
    page.button(key="no-rules").click().run()
    assert page.query_params == ASKED and links(recommended(page)) == before
    page = show("users", trained, **ASKED, pin=before[3], block=f"{before[0]}; {before[1]}")
    shown = links(recommended(page))
    assert shown[0] == before[3] and not {before[0], before[1]} & set(shown)
    assert recommended(page)["cards"][0]["score"] == "pinned"
    page = show("users", trained, **ASKED, per="taste", same="mood", variety="x", live="2")
    assert links(recommended(page)) == before
    page = show("users", trained, **ASKED, where="color=red")
    assert "color" in texts(page) and not page.exception
    for where, params in (("users", ASKED), ("simulate", {"h": "l05", "h2": "l06", "two": "1"})):
        page = show(where, trained, **params, where="price>=1000000", live="0")
        ways_out = [button.key for button in page.button if "nothing-recommended" in str(button.key)]
        assert len(ways_out) == (2 if "two" in params else 1)
        page.button(key=ways_out[0]).click().run()
        assert "where" not in page.query_params and "There is nothing to recommend" not in texts(page)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("where", "params", "label"),
    [
        ("similar", {"listing": "l05", "k": "6"}, "neighbors by"),
        ("users", ASKED, "Recommendations"),
    ],
)
def test_a_style_direction_is_made_moved_and_taken_away(show, trained, where, params, label):
    page = show(where, trained, **params)
    plain = links(labelled(page, label))
    page.button(key="open-dial").click().run()
    assert page.button(key="make-dial").disabled
    page.text_input(key="dial-name").set_value("more; rustic")
    page.multiselect(key="dial-more").set_value(plain[4:6]).run()
    page.multiselect(key="dial-less").set_value([plain[0], plain[5]]).run()  # leaves the other side
    marked = [(card["id"], card["side"]) for card in labelled(page, label)["cards"] if card["side"]]
    assert marked == [(plain[0], "less"), (plain[4], "more"), (plain[5], "less")]
    page.multiselect(key="dial-more").set_value(plain[4:6]).run()
    page.button(key="make-dial").click().run()
    made = page.query_params["dial"]
    assert made == f"more rustic 1 model +{plain[4]} +{plain[5]} -{plain[0]}"
    assert page.slider(key="dial-0").value == 1.0 and not labelled(page, label)["examples"]
    page.slider(key="dial-0").set_value(3.0).run()
    moved = links(labelled(page, label))
    assert moved != plain
    dial = made.replace(" 1 ", " 3 ").replace(" ", "%20").replace("+", "%2B")
    query = "&".join(f"{name}={value}" for name, value in params.items())
    assert selection(Run.open(trained), f"/{where}?{query}&dial={dial}")["listing_id"].tolist() == moved
    page.slider(key="dial-0").set_value(0.0).run()
    assert links(labelled(page, label)) == plain
    page.button(key="no-dial-0").click().run()
    assert "dial" not in page.query_params


@pytest.mark.slow
def test_a_style_direction_in_a_link(show, trained):
    making = {"new-dial": "1", "more": "l01,l02,l01", "less": "l03,nobody"}
    page = show("similar", trained, listing="l05", **making)
    sides = [page.multiselect(key=f"dial-{side}").value for side in ("more", "less")]
    assert sides == [["l01", "l02"], ["l03", "nobody"]]
    page.button(key="make-dial").click().run()
    assert page.query_params["dial"] == "like these 1 model +l01 +l02 -l03"
    assert not set(making) & set(page.query_params)
    dial = "lighter 3 attributes +l01 -l02"
    page = show("simulate", trained, h="l05,l06", k="6", dial=dial)
    expected = Run.open(trained).recommend(["l05", "l06"], 6, rules={"dial": dial})
    shown = links(labelled(page, "Recommended"))
    assert shown == expected["listing_id"].tolist()
    page = show("users", trained, **ASKED, dial="lighter 1 model +nobody")
    assert "names 'nobody'" in texts(page) and not page.exception
    # Without a list no card is an example, until there is one again.
    page = show("simulate", trained, h="l04", **{"new-dial": "1"})
    assert labelled(page, "Recommended")["examples"]
    click(page, "Start empty")
    assert "make-dial" not in [button.key for button in page.button]
    # The form is there where the list is empty.
    page = show("similar", trained, listing="l05", where="price>=1000000", **{"new-dial": "1"})
    assert page.multiselect(key="dial-more") is not None
