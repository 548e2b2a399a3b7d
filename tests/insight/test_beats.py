"""The five beats of a run: those that its market can tell, of its own lists, and computed once."""

import pytest

from browser.painted import embed_run, paint_market
from listing_vibes.demo.shipped import bundled_run
from listing_vibes.evaluation.run_evaluation import evaluate_run
from listing_vibes.evaluation.saved import save_metrics
from listing_vibes.insight.beats import FILE, five_beats
from listing_vibes.insight.disagreements import usual_baseline
from listing_vibes.insight.rankings import best_baseline
from listing_vibes.run.run import Run


def test_a_market_without_photos_and_events_has_the_beat_of_similar_listings(bare):
    (beat,) = five_beats(bare)
    listing, neighbors = (strip.listings for strip in beat.strips)
    assert beat.key == "similar" and bare.spaces[0] in beat.url
    assert list(neighbors) == bare.similar(listing[0], k=6)["listing_id"].tolist()


@pytest.mark.slow
def test_the_beats_are_of_the_lists_of_the_run_and_are_computed_again_once_it_was_evaluated(tmp_path):
    market = paint_market(tmp_path / "market", listings=40, photos=2, users=30, events=9)
    run = Run.open(embed_run(market, tmp_path / "run"))
    before = {beat.key: beat for beat in five_beats(run)}
    assert list(before)[:3] == ["vibes", "similar", "visitor"] and "recall" not in before
    shown = [name for strip in before["vibes"].strips for name in strip.listings]
    assert len(shown) == len(set(shown)) and set(shown) <= set(run.market.cover)
    save_metrics(run, evaluate_run(run))
    after = {beat.key: beat for beat in five_beats(run)}
    bars = {bar.method: bar.value for bar in after["recall"].bars}
    assert bars["popularity"] == run.metrics["results"]["popularity"]["recall@30"]["value"]

    history, listed = after["visitor"].strips
    user, known = (part.partition("=")[2] for part in after["visitor"].url.partition("?")[2].split("&"))
    events = run.market.events[run.market.events["user_id"] == user]["listing_id"].tolist()
    assert history.listings[-1] == events[int(known) - 1]
    assert listed.hits and set(listed.hits) == set(listed.listings) & set(events[int(known) :])
    assert not set(listed.listings) & set(events[: int(known)])
    if newcomer := after.get("newcomer"):
        (listing,) = newcomer.strips[0].listings
        assert listing not in set(run.market.events["listing_id"])

    (run.path / FILE).write_text("damaged")
    assert five_beats(run) == list(after.values())


def test_home_and_compare_name_the_same_best_simple_method():
    run = Run.open(bundled_run())
    simple = usual_baseline(run)
    assert simple == best_baseline(run.metrics["results"]) == "neighbors + recency"
    (beat,) = (beat for beat in five_beats(run) if beat.key == "recall")
    assert simple in [bar.method for bar in beat.bars]
