"""Small files: whole or not there, and one sentence where they are damaged."""

import json

import pytest
from pydantic import BaseModel, ConfigDict

from listing_vibes.errors import VibesError
from listing_vibes.market.documents import read_json, read_toml, write_json, write_text
from listing_vibes.market.io import read_kept, read_table, write_table


class Told(BaseModel):
    model_config = ConfigDict(extra="forbid")
    weight: float


def test_what_is_written_is_read(tmp_path):
    content = {"name": "Café", "numbers": [1, 2.5, None]}
    write_json(tmp_path / "new" / "a.json", content, indent=1)
    assert read_json(tmp_path / "new" / "a.json", "mend") == content
    assert read_json(tmp_path / "none.json", "mend") is None
    write_json(tmp_path / "b.json", {"weight": 0.5})
    assert read_json(tmp_path / "b.json", "mend", Told.model_validate) == Told(weight=0.5)
    write_text(tmp_path / "c.toml", 'name = "Café"')
    assert read_toml(tmp_path / "c.toml", "check the path") == {"name": "Café"}


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"{", "Expecting property name"),
        (b'"caf\xe9"', "codec can't decode"),
        (b"[]", "list indices|model_type|valid dictionary"),
        (b"[" * 100_000, "nested too deeply"),
        (b'{"weight": ' + b"9" * 5000 + b"}", "Exceeds the limit"),
        (b'{"heavy": 1}', "'weight'"),
        (b'{"weight": "much"}', "'weight' is 'much'|could not convert"),
        (b'{"weight": null}', "'weight' is None|must be"),
    ],
)
@pytest.mark.parametrize("parse", [lambda content: float(content["weight"]), Told.model_validate])
def test_damage_is_one_sentence_with_the_mend(tmp_path, content, reason, parse):
    path = tmp_path / "told.json"
    path.write_bytes(content)
    with pytest.raises(VibesError, match=reason) as caught:
        read_json(path, "evaluate the run again", parse)
    told = str(caught.value)
    assert told.startswith(f"{path} is damaged (") and told.endswith("); evaluate the run again.")
    assert "\n" not in told


def test_a_file_that_cannot_be_opened_says_why(tmp_path):
    with pytest.raises(VibesError, match=r"is damaged \(.*Is a directory.*\); remove it\."):
        read_json(tmp_path, "remove it")
    with pytest.raises(VibesError, match=r"^Cannot read .*none\.toml \(No such file.*\); check the path\.$"):
        read_toml(tmp_path / "none.toml", "check the path")


def test_a_failed_write_leaves_the_file_that_was_there(tmp_path):
    path = tmp_path / "kept.json"
    write_json(path, [1])
    with pytest.raises(TypeError):
        write_json(path, [object()])
    with pytest.raises(UnicodeEncodeError):
        write_text(path, "\ud800")
    assert json.loads(path.read_text()) == [1] and [one.name for one in tmp_path.iterdir()] == ["kept.json"]


def test_a_kept_table_has_the_columns_that_are_asked_for(tmp_path):
    path = tmp_path / "kept.parquet"
    assert read_kept(path, ["rank"], "evaluate the run again") is None
    write_table(path, read_table_of(tmp_path))
    found = read_kept(path, ["user_id", "rank"], "evaluate the run again")
    assert found is not None and found["rank"].tolist() == ["1", "2"]
    with pytest.raises(VibesError, match=r"kept\.parquet lacks the column at; evaluate the run again\."):
        read_kept(path, ["user_id", "at"], "evaluate the run again")


def read_table_of(folder):
    (folder / "some.csv").write_text("user_id,rank\nu,1\nv,2\n")
    return read_table(folder / "some.csv")


@pytest.mark.parametrize(
    ("content", "reason"),
    [(b"a = " + b"[" * 5000, "nested too deeply"), (b"a = " + b"9" * 5000, "Exceeds the limit")],
)
def test_toml_that_python_cannot_take_is_told(tmp_path, content, reason):
    path = tmp_path / "market.toml"
    path.write_bytes(content)
    with pytest.raises(VibesError, match=reason):
        read_toml(path, "check the path")
