"""What was measured belongs to a model: it goes with it, and stays where the same model is embedded again."""

import pytest

from helpers.copies import copied
from listing_vibes.market.documents import write_json
from listing_vibes.market.splits import make_split
from listing_vibes.run.manifest import Manifest
from listing_vibes.run.run import Run
from listing_vibes.run.spaces import embed_market
from listing_vibes.run.versions import RESULTS, building, publish_results


@pytest.fixture
def measured(trained, tmp_path) -> Run:
    run = copied(trained, tmp_path)
    with building(run.path, RESULTS) as built:
        write_json(built / "metrics.json", {"results": {}, "queries": 5})
        publish_results(run.path, built, run.stamp)
    return run


def test_figures_go_with_the_model_that_they_are_of(measured, tmp_path):
    path, market = measured.path, measured.market
    embed_market(market, path, None, path)
    assert Run.open(path).metrics == {"results": {}, "queries": 5}  # the same model
    embed_market(market, path, None)  # none
    assert Run.open(path).metrics is None
    assert measured.metrics is not None  # who opened the run before still reads what belongs to it
    run = Run.open(path)
    with building(path, RESULTS) as built:
        write_json(built / "metrics.json", {"results": {}, "queries": 6})
        publish_results(path, built, measured.stamp)  # an evaluation that was overtaken
    assert run.metrics is None


@pytest.mark.slow
def test_a_transferred_run_says_what_its_model_knows(trained, tmp_path):
    run = copied(trained, tmp_path)
    toml = (
        (run.market.path / "market.toml").read_text().replace("[attributes.rooms]", "[attributes.bedrooms]")
    )
    (run.market.path / "market.toml").write_text(toml)
    run.market.listings.rename(columns={"rooms": "bedrooms"}).to_parquet(
        run.market.path / "listings.parquet", index=False
    )
    # The last events are not there yet, so that the market's own split would test on what trained the model.
    events = run.market.events.sort_values("timestamp")
    events.iloc[: round(0.9 * len(events))].to_parquet(run.market.path / "events.parquet", index=False)
    market = type(run.market).open(run.market.path)
    heard: list[object] = []
    manifest = embed_market(market, tmp_path / "new", None, trained.path, heard.append)
    sentence = "knows 11 of your 12 attributes; `bedrooms` is new; `rooms`, which it knows, is missing"
    assert manifest.carried.sentence == sentence == Manifest.load(tmp_path / "new").carried.sentence
    assert any(sentence in getattr(one, "text", "") for one in heard)
    new = Run.open(tmp_path / "new")
    assert make_split(new.log, new.catalogue).t2 < trained.split().t2
    # The listings are those of the training, so that no query lies before its end.
    assert new.transferred and new.split().t2 == trained.split().t2
    embed_market(market, tmp_path / "new", None, tmp_path / "new")
    assert Run.open(tmp_path / "new").manifest.carried == manifest.carried
