"""A rule that is declared once is in every face: requests, addresses of pages and the reference."""

import pytest

from listing_vibes.cli.shared import read_rules
from listing_vibes.errors import VibesError
from listing_vibes.run.rules import Rules, declared
from listing_vibes.serving.service.models import MAX_RULES, PostedHistory


def test_every_rule_is_a_field_of_requests_and_has_a_description():
    properties = PostedHistory.model_json_schema()["properties"]
    assert {rule.field for rule in declared()} == set(Rules.model_fields) - {"k"}
    assert all(rule.name in properties and rule.description for rule in declared())


def test_a_request_gives_the_rules_that_python_takes():
    given = {"not": ["a"], "where": ["price<=3"], "fill": True, "at_most": 2, "seller": "host", "k": 5}
    posted = PostedHistory.model_validate_json(
        PostedHistory.model_validate(given | {"history": []}).model_dump_json(by_alias=True)
    )
    assert posted.rules == Rules.of(given)
    for wrong in (
        {"unlike": ["a"]},
        {"pin": ["a"] * (MAX_RULES + 1)},
        {"fill": 1},
        {"same": [1]},
    ):
        with pytest.raises(ValueError):
            PostedHistory.model_validate({"history": []} | wrong)


@pytest.mark.parametrize(
    ("name", "text"),
    [("r.json", '{"same": ["district"], "k": 3, "where": ["price<=1"]}'), ("r.toml", 'same = "district"\nk = 3\nwhere = "price<=1"')],
)  # fmt: skip
def test_an_option_replaces_the_value_of_a_file_of_rules(tmp_path, name, text):
    (tmp_path / name).write_text(text)
    rules = Rules(same=("district",), where=("price<=1",), k=3)
    assert read_rules(tmp_path / name, None, []) == rules
    replaced = rules.model_copy(update={"k": 5, "where": ("rooms=2",)})
    assert read_rules(tmp_path / name, 5, ["rooms=2"]) == replaced


@pytest.mark.parametrize(
    "text", ["[1]", "{", '{"pins": []}', '{"diversity": 1}', '{"at_most": 0}', '{"wher": "a"}']
)
def test_a_file_that_holds_no_rules_is_refused(tmp_path, text):
    (tmp_path / "r.json").write_text(text)
    with pytest.raises(VibesError, match=r"r\.json"):
        read_rules(tmp_path / "r.json", None)
