"""Whatever JSON or TOML is put where a run or a market is read: it is taken, or told in one sentence."""

import contextlib
import json
import tempfile
from pathlib import Path

import pytest
import tomli_w
from hypothesis import given
from hypothesis import strategies as st
from tests.fuzz.targets.run_files import METRICS, SMALL_RUN

from listing_vibes.errors import VibesError
from listing_vibes.market.config import MarketConfig
from listing_vibes.market.documents import read_json
from listing_vibes.run.fits import Metrics, load_fits, parse_metrics
from listing_vibes.run.manifest import Manifest
from listing_vibes.run.versions import stamp_of

WORDS = st.sampled_from(
    ["results", "model", "recall@30", "value", "low", "high", "slices", "queries", "users", "name", "base", "generation", "days"]
)  # fmt: skip
KEYS = WORDS | st.text(max_size=8)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=12,
)


@given(VALUES)
def test_any_json_is_taken_or_told(content):
    with tempfile.TemporaryDirectory() as name:
        run = Path(name)
        text = json.dumps(content)
        for file in ("metrics.json", "serving.json", "current.json"):
            (run / file).write_text(text)
        with contextlib.suppress(VibesError):
            found = read_json(run / "metrics.json", "evaluate the run again", parse_metrics)
            assert found == content and Metrics.model_validate(found)
        for read in (load_fits, stamp_of):
            with contextlib.suppress(VibesError):
                read(run)


@given(st.data())
def test_metrics_with_one_other_value_are_taken_or_told(data):
    document = json.loads(METRICS)
    part, key = document, data.draw(st.sampled_from(sorted(document)))
    while isinstance(part[key], dict) and part[key] and data.draw(st.booleans()):
        part = part[key]
        key = data.draw(st.sampled_from(sorted(part)))
    part[key] = data.draw(VALUES)
    with contextlib.suppress(ValueError):
        parse_metrics(document)


TOML = st.recursive(
    st.booleans() | st.integers(-(2**60), 2**60) | st.floats() | st.text(max_size=20) | st.datetimes(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=12,
)
SETTINGS = st.sampled_from(
    ["name", "note", "currency", "title", "attributes", "actions", "excluded", "format", "market", "settings", "versions", "files"]
)  # fmt: skip


@pytest.mark.slow
@given(st.dictionaries(SETTINGS | KEYS, TOML, max_size=5))
def test_any_toml_is_taken_or_told(content):
    with tempfile.TemporaryDirectory() as name:
        path = Path(name)
        (path / "market.toml").write_text(tomli_w.dumps(content), encoding="utf-8", errors="replace")
        with contextlib.suppress(VibesError):
            MarketConfig.load(path / "market.toml")
        whole = (SMALL_RUN / "run" / "run.toml").read_text()
        for key, value in content.items():
            (path / "run.toml").write_text(
                f"{tomli_w.dumps({key: value})}\n{whole}", encoding="utf-8", errors="replace"
            )
            with contextlib.suppress(VibesError):
                Manifest.load(path)
