"""The OpenAPI document is kept: schemathesis asks all it can think of, and every answer is one that the document names."""

import subprocess
import sys

import pytest

from helpers.serving import listening
from listing_vibes.serving.impressions.recorder import Impressions
from listing_vibes.serving.service.api import Options, make_app
from listing_vibes.serving.service.guard import Access
from listing_vibes.serving.service.newest import NewestState

TOKEN = "a-token-of-many-characters"


@pytest.mark.slow
def test_every_answer_is_one_of_the_document(trained, tmp_path):
    state = NewestState(trained.path, events=tmp_path / "events")
    app = make_app(state, Options(pause=0, access=Access(TOKEN.encode())), Impressions(tmp_path / "shown"))
    with listening(app) as port:
        command = [
            sys.executable, "-m", "schemathesis.cli", "run", f"http://127.0.0.1:{port}/openapi.json",
            "--header", f"Authorization: Bearer {TOKEN}", "--max-examples", "30", "--generation-deterministic",
            # No document can say which listings, attributes and moments a run has: what it allows may be refused.
            "--exclude-checks", "positive_data_acceptance", "--suppress-health-check", "all",
            "--request-timeout", "60", "--continue-on-failure", "--no-color",
        ]  # fmt: skip
        done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "7 selected / 7 total" in done.stdout
