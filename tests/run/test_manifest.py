"""run.toml: what an older one does not say."""

import tomllib

import tomli_w

from core.run.manifest import Manifest


def test_a_run_of_before_the_choice_reads_its_histories_by_cls(tmp_path):
    Manifest(market="m", market_name="m", fingerprint="f").save(tmp_path)
    assert Manifest.load(tmp_path).settings.history == "listing-vectors"
    content = tomllib.loads((tmp_path / "run.toml").read_text())
    del content["settings"]["history"]
    (tmp_path / "run.toml").write_text(tomli_w.dumps(content))
    assert Manifest.load(tmp_path).settings.history == "cls"
