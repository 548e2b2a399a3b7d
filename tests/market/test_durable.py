"""Small files and locks: atomic and durable writes, one writer a folder, and what killed writers left."""

import json
import os
import subprocess
import sys

import pytest
from pydantic import BaseModel, ConfigDict

from listing_vibes.errors import VibesError
from listing_vibes.market.documents import read_json, read_toml, write_json, write_text
from listing_vibes.market.durable import atomic_path, only_writer, sweep_left

DIES = """
import os, sys
from pathlib import Path
from listing_vibes.market.durable import atomic_path, only_writer
with only_writer(Path(sys.argv[1]), "vibes train"), atomic_path(Path(sys.argv[1]) / "weights") as temporary:
    temporary.write_text("half")
    os._exit(9)
"""


class Settings(BaseModel):
    model_config = ConfigDict(extra="forbid")
    weight: float


def test_temporary_files_of_a_killed_writer_are_removed_and_others_stay(tmp_path):
    assert subprocess.run([sys.executable, "-c", DIES, str(tmp_path)]).returncode == 9
    (left,) = tmp_path.glob(".writing-*")
    with only_writer(tmp_path, "vibes embed"), atomic_path(tmp_path / ("x" * 255)) as temporary:
        temporary.write_text("complete")
        sweep_left(tmp_path)
        assert temporary.exists() and not left.exists()
    assert [path.name for path in tmp_path.iterdir()] == ["x" * 255]


def test_a_second_writer_is_refused_with_the_name_of_the_first(tmp_path):
    run, says = tmp_path / "run", rf"`vibes train` \(process {os.getpid()}\)"
    with only_writer(run, "vibes train"), pytest.raises(VibesError, match=says), only_writer(run, "other"):
        pass
    assert not run.exists()  # nothing was written into it
    with only_writer(run, "vibes evaluate"), only_writer(run, "vibes embed", name=".other"):
        (run / "file").touch()
    assert [path.name for path in run.iterdir()] == ["file"]


def test_file_and_folder_are_synced_before_and_after_the_rename(tmp_path, monkeypatch):
    order: list[str] = []
    real_sync, real_replace = os.fsync, os.replace

    def sync(opened: int) -> None:
        order.append("folder" if os.path.isdir(f"/proc/self/fd/{opened}") else "file")
        real_sync(opened)

    monkeypatch.setattr(os, "fsync", sync)
    monkeypatch.setattr(os, "replace", lambda *paths: order.append("rename") or real_replace(*paths))
    for durable, expected in ((True, ["file", "rename", "folder"]), (False, ["rename"])):
        order.clear()
        with atomic_path(tmp_path / "a", durable=durable) as temporary:
            temporary.write_text("a")
        assert order == expected


def test_documents_are_read_as_written_and_a_failed_write_leaves_the_old_file(tmp_path):
    content, path = {"name": "Café", "numbers": [1, 2.5, None]}, tmp_path / "new" / "a.json"
    write_json(path, content, indent=1)
    assert read_json(path, "fix") == content and read_json(tmp_path / "none.json", "fix") is None
    write_json(tmp_path / "b.json", {"weight": 0.5})
    assert read_json(tmp_path / "b.json", "fix", Settings.model_validate) == Settings(weight=0.5)
    write_text(tmp_path / "c.toml", 'name = "Café"')
    assert read_toml(tmp_path / "c.toml", "check the path") == {"name": "Café"}
    with pytest.raises(TypeError):
        write_json(path, [object()])
    with pytest.raises(UnicodeEncodeError):
        write_text(path, "\ud800")
    assert json.loads(path.read_text()) == content and len(list(path.parent.iterdir())) == 1


@pytest.mark.parametrize(
    "content",
    [b"{", b'"caf\xe9"', b"[]", b"[" * 100_000, b'{"weight": ' + b"9" * 5000 + b"}", b'{"heavy": 1}', b'{"weight": "much"}', b'{"weight": null}'],
)  # fmt: skip
@pytest.mark.parametrize("parse", [lambda content: float(content["weight"]), Settings.model_validate])
def test_a_damaged_json_file_is_one_sentence_with_the_fix(tmp_path, content, parse):
    path = tmp_path / "settings.json"
    path.write_bytes(content)
    with pytest.raises(VibesError) as caught:
        read_json(path, "evaluate the run again", parse)
    sentence = str(caught.value)
    assert sentence.startswith(f"{path} is damaged (") and sentence.endswith("); evaluate the run again.")
    assert "\n" not in sentence


@pytest.mark.parametrize("content", [b"a = " + b"[" * 5000, b"a = " + b"9" * 5000, b"a = ", b"a = 'caf\xe9'"])
def test_invalid_toml_is_one_sentence(tmp_path, content):
    (tmp_path / "market.toml").write_bytes(content)
    with pytest.raises(VibesError, match="is not valid TOML"):
        read_toml(tmp_path / "market.toml", "check the path")
    for read, path in ((read_json, tmp_path), (read_toml, tmp_path / "none.toml")):
        with pytest.raises(VibesError, match="check the path"):
            read(path, "check the path")
