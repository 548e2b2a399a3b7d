"""Small files: whole or not there, and one sentence where they are damaged."""

import json

import pytest
from pydantic import BaseModel, ConfigDict

from listing_vibes.errors import VibesError
from listing_vibes.market.documents import read_json, read_toml, write_json, write_text


class Settings(BaseModel):
    model_config = ConfigDict(extra="forbid")
    weight: float


def test_what_is_written_is_read(tmp_path):
    content = {"name": "Café", "numbers": [1, 2.5, None]}
    write_json(tmp_path / "new" / "a.json", content, indent=1)
    assert (
        read_json(tmp_path / "new" / "a.json", "fix") == content
        and read_json(tmp_path / "none.json", "fix") is None
    )
    write_json(tmp_path / "b.json", {"weight": 0.5})
    assert read_json(tmp_path / "b.json", "fix", Settings.model_validate) == Settings(weight=0.5)
    write_text(tmp_path / "c.toml", 'name = "Café"')
    assert read_toml(tmp_path / "c.toml", "check the path") == {"name": "Café"}


@pytest.mark.parametrize(
    "content",
    [b"{", b'"caf\xe9"', b"[]", b"[" * 100_000, b'{"weight": ' + b"9" * 5000 + b"}", b'{"heavy": 1}', b'{"weight": "much"}', b'{"weight": null}'],
)  # fmt: skip
@pytest.mark.parametrize("parse", [lambda content: float(content["weight"]), Settings.model_validate])
def test_damage_is_one_sentence_with_the_fix(tmp_path, content, parse):
    path = tmp_path / "settings.json"
    path.write_bytes(content)
    with pytest.raises(VibesError) as caught:
        read_json(path, "evaluate the run again", parse)
    sentence = str(caught.value)
    assert sentence.startswith(f"{path} is damaged (") and sentence.endswith("); evaluate the run again.")
    assert "\n" not in sentence


@pytest.mark.parametrize("content", [b"a = " + b"[" * 5000, b"a = " + b"9" * 5000, b"a = ", b"a = 'caf\xe9'"])
def test_toml_that_is_none_is_one_sentence(tmp_path, content):
    (tmp_path / "market.toml").write_bytes(content)
    with pytest.raises(VibesError, match="is not valid TOML"):
        read_toml(tmp_path / "market.toml", "check the path")
    for read, path in ((read_json, tmp_path), (read_toml, tmp_path / "none.toml")):
        with pytest.raises(VibesError, match="check the path"):
            read(path, "check the path")


def test_a_failed_write_leaves_the_file_that_was_there(tmp_path):
    write_json(path := tmp_path / "old.json", [1])
    with pytest.raises(TypeError):
        write_json(path, [object()])
    with pytest.raises(UnicodeEncodeError):
        write_text(path, "\ud800")
    assert json.loads(path.read_text()) == [1] and [one.name for one in tmp_path.iterdir()] == ["old.json"]
