"""`vibes index`: a store filled with what is live, its index measured."""

import json

import pytest
from typer.testing import CliRunner

from listing_vibes.cli import app
from listing_vibes.demo.shipped import bundled_run
from listing_vibes.errors import VibesError
from listing_vibes.search.store.opening import open_store


@pytest.mark.slow
def test_a_folder_gets_what_is_live_and_a_measured_index(tmp_path):
    def call(*more):
        outcome = CliRunner().invoke(
            app, ["index", str(bundled_run()), str(tmp_path / "store"), "--json", *more]
        )
        if isinstance(outcome.exception, VibesError):
            raise outcome.exception
        return json.loads(outcome.stdout)

    plain, graph = call(), call("--kind", "hnsw")
    assert plain["index"] == "exact" and plain["recall@30"] == 1
    assert (
        graph["index"] == "hnsw" and graph["recall@30"] >= 0.98 and graph["listings"] == plain["listings"] > 0
    )
    assert len(open_store(tmp_path / "store")) == graph["listings"]
    with pytest.raises(VibesError, match="no index 'fast'"):
        call("--kind", "fast")
    assert open_store(tmp_path / "store").indexed["kind"] == "hnsw"
