"""The demo that ships: complete, small enough, honest about what it is, and worth its photos."""

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from listing_vibes.demo import shipped
from listing_vibes.errors import VibesError
from listing_vibes.features.photos.photo_vectors import load_photo_vectors, photo_center
from listing_vibes.insight.comparison import compare
from listing_vibes.insight.disagreements import LISTED, SHOWN, first_lists, usual_baseline
from listing_vibes.insight.home import home_evidence
from listing_vibes.insight.map.vibe_map import read_map
from listing_vibes.insight.rankings import distinct_examples
from listing_vibes.model.settings import Settings
from listing_vibes.progress import Stage
from listing_vibes.run.engine import load_prepared
from listing_vibes.run.manifest import load_photo_center
from listing_vibes.run.run import Run
from listing_vibes.training.train import train
from studio import bundle

ROOT = Path(__file__).resolve().parents[2]
MIB = 2**20


@pytest.fixture(scope="module")
def demo() -> Run:
    return Run.open(shipped.bundled_run())


@pytest.fixture(scope="module")
def vibes(demo) -> np.ndarray:
    truth = pd.read_parquet(shipped.ROOT / shipped.TRUTH)
    assert list(truth.columns) == ["listing_id", "vibe", "quality"]
    return truth.set_index("listing_id").loc[demo.listing_ids, "vibe"].to_numpy(str)


def size(folder: Path) -> float:
    return sum(path.stat().st_size for path in (folder, *folder.rglob("*")) if path.is_file()) / MIB


def test_it_is_as_large_as_it_says_and_no_larger_than_it_may_be(demo):
    market = demo.market
    assert market.issues == [] and not demo.market_changed
    assert len(market.listings) >= 1000 and len(market.photos) >= 3000
    assert market.events["user_id"].nunique() >= 8000
    span = market.events["timestamp"].max() - market.events["timestamp"].min()
    assert span >= pd.Timedelta(weeks=11.9)
    assert size(shipped.ROOT / "photos") <= 45 and size(demo.path) <= 25


def test_its_photo_vectors_ship_so_that_no_photo_is_embedded_again(demo, tmp_path, monkeypatch):
    monkeypatch.setenv("LISTING_VIBES_CACHE", str(tmp_path))
    photos = load_photo_vectors(demo.market.path, demo.market.photos, demo.manifest.photo_encoder)
    assert photos.ok.all() and size(shipped.ROOT / "photo_vectors.safetensors") <= 9
    np.testing.assert_allclose(photo_center(photos), load_photo_center(demo.path), atol=1e-4)


@pytest.mark.slow
def test_the_photos_name_the_vibe_and_the_words_do_not(demo, vibes):
    known = demo.index("photos").known
    assert known.mean() > 0.99
    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=500))
    photos = cross_val_score(model, demo.vectors("photos")[known], vibes[known], cv=5).mean()
    assert photos >= 0.80
    attributes = cross_val_score(model, demo.vectors("attributes"), vibes, cv=5).mean()
    assert attributes <= 0.35
    words = demo.market.listings["title"].str.cat(demo.market.listings["description"].fillna(""), sep=" ")
    text = make_pipeline(
        TfidfVectorizer(ngram_range=(1, 2), min_df=3, sublinear_tf=True), LogisticRegression()
    )
    assert cross_val_score(text, words, vibes, cv=5).mean() <= 0.35


def test_the_run_holds_all_that_the_explorer_shows(demo):
    assert set(demo.spaces) == {"model", "photos", "attributes"}
    results = demo.metrics["results"]
    recall = {name: one["recall@30"]["value"] for name, one in results.items()}
    assert recall["popularity"] < recall["ALS"] < recall["default ranking"] < recall["oracle"]
    places = pd.read_parquet(demo.path / "map.parquet")
    assert set(places["space"]) == set(demo.spaces) and places[["x", "y"]].notna().all().all()
    ladder = pd.read_parquet(demo.path / "ablation.parquet")
    assert {"variant", "metric", "value", "low", "high", "difference", "p_value"} <= set(ladder.columns)


@pytest.mark.slow
def test_a_copy_without_any_cache_recommends(demo, tmp_path):
    copy = tmp_path / "demo"
    shutil.copytree(shipped.ROOT, copy, ignore=shutil.ignore_patterns("photos", ".cache"))
    moved = Run.open(copy / shipped.RUN)
    assert moved.market.path.resolve() == copy.resolve()
    user = moved.log.users[int(np.diff(moved.log.start).argmax())]
    pd.testing.assert_frame_equal(moved.recommend(user, 10), demo.recommend(user, 10))


@pytest.mark.slow
def test_smaller_runs_lie_beside_it_so_that_runs_can_be_compared(demo):
    first, *others = map(Run.open, shipped.bundled_runs())
    assert first.path == demo.path and [one.path for one in others] == [
        shipped.ROOT / name for name in shipped.BESIDE
    ]
    assert [one.transferred for one in others] == [False, True]
    assert [one.manifest.settings.features.photos for one in (first, others[0])] == [4, 0]
    assert others[0].manifest.settings.seed == demo.manifest.settings.seed
    mine, plain, foreign = (one.metrics["results"]["default ranking"]["recall@30"] for one in (demo, *others))
    assert mine["low"] > plain["high"] and plain["low"] > foreign["high"]
    assert foreign["low"] > demo.metrics["results"]["popularity"]["recall@30"]["high"]
    asked = ["user_id", "at", "target"]
    queries = pd.read_parquet(demo.path / "queries.parquet", columns=asked).sort_values(
        asked, ignore_index=True
    )
    for one in others:
        assert size(one.path) <= 6 and set(one.spaces) == {"model", "attributes"}
        assert not one.market_changed and one.listing_ids == demo.listing_ids
        assert load_prepared(one.path, demo.market.fingerprint) is not None  # opening encodes no text
        told = (one.path / "run.toml").read_text(encoding="utf-8")
        assert str(ROOT) not in told and "/tmp" not in told
        theirs = pd.read_parquet(one.path / "queries.parquet", columns=asked)
        pd.testing.assert_frame_equal(queries, theirs.sort_values(asked, ignore_index=True))


def test_the_beats_and_the_map_of_each_run_ship_so_that_pages_compute_nothing(tmp_path, monkeypatch):
    monkeypatch.setenv("LISTING_VIBES_CACHE", str(tmp_path))
    monkeypatch.setattr(
        Run, "recommend", lambda *args, **options: pytest.fail("run ship_caches of studio/bundle.py")
    )
    for path in shipped.bundled_runs():
        run = Run.open(path)
        assert [beat.key for beat in home_evidence(run)][-1] == "recall" and read_map(run) is not None
        if (baseline := usual_baseline(run)) is not None:
            rows = pd.concat(distinct_examples(*compare(run, run, other=baseline).ahead, SHOWN))
            for name in ("default ranking", baseline):
                assert len(first_lists(run, name, rows, LISTED, pytest.fail)) == len(rows)


def test_a_place_without_the_demo_is_told_how_to_get_it(tmp_path, monkeypatch):
    monkeypatch.setattr(shipped, "ROOT", tmp_path)
    with pytest.raises(VibesError, match="clone"):
        shipped.bundled_run()


@pytest.mark.slow
def test_building_makes_market_truth_and_run_from_the_photos(tmp_path, demo):
    stages = []
    source = tmp_path / "source"
    for path in (demo.market.path / path for path in demo.market.photos["path"].head(60)):
        target = source / "photos" / path.name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)
    quick = {"encoder": {"layers": 1, "width": 32, "heads": 2, "ffn": 64}, "training": {"max_steps": 4}}
    made = bundle.make_market(tmp_path / "demo", source, stages.append, listings=40, users=150)
    train(
        made.market,
        tmp_path / "demo" / shipped.RUN,
        Settings.model_validate({**bundle.SHIPPED, **quick}),
        made.photos,
    )
    run = bundle.finish(made, tmp_path / "demo" / shipped.RUN, stages.append)
    assert len(run.market.photos) and len(run.market.listings) == 40
    assert len(pd.read_parquet(tmp_path / "demo" / shipped.TRUTH)) == 40
    assert "oracle" in run.metrics["results"]
    document = json.loads((run.path / "metrics.json").read_text())
    assert document["queries"] > 0
    assert stages[0] == Stage("simulating")
    with pytest.raises(VibesError, match="holds no photos"):
        bundle.make_market(tmp_path / "other", tmp_path / "nowhere", stages.append, listings=5, users=5)
