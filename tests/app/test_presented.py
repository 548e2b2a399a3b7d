"""What a page shows is what its slide shows; a group has one name and one color everywhere; figures of one kind are of the same number."""

import json

import numpy as np
import pytest
from looking import components

from browser.mapped import write_map
from listing_vibes import Run
from listing_vibes.errors import VibesError
from listing_vibes.insight.evidence import what_to_choose
from listing_vibes.insight.home import home_evidence
from listing_vibes.insight.map.colors import VALUES
from listing_vibes.insight.map.parts import map_part
from listing_vibes.insight.map.space_map import group_map, load_maps
from listing_vibes.insight.page_evidence import evidence_of
from listing_vibes.insight.quality import quality_evidence, slices_evidence
from listing_vibes.report.deck import Slide, deck_html
from listing_vibes_app.app_pages.map.vibe_map import VALUES as MAP_COLORS


def listings_on(page):
    """Return the listings of all cards on a page."""
    shown = components(page) + [part for one in components(page, "evidence") for part in one["strips"]]
    return {card["id"] for gallery in shown for card in gallery["cards"]}


STATES = [
    ("overview", {}), ("overview", {"part": "similar"}), ("similar", {"listing": "l05"}),
    ("similar", {"listing": "l05", "space": "photos", "k": "4"}), ("similar", {"listing": "l05", "view": "spaces"}),
    ("users", {"user": "USER"}), ("simulate", {"h": "l01,l03"}), ("simulate", {"h": "l01", "h2": "l03", "two": "1"}),
]  # fmt: skip


@pytest.mark.parametrize(("page", "params"), STATES)
def test_a_slide_has_the_listings_of_its_page(show, trained, page, params):
    run = Run.open(trained)
    user = run.log.users[int(np.argmax(np.diff(run.log.start)))]
    params = {name: user if value == "USER" else value for name, value in params.items()}
    assert not what_to_choose("" if page == "overview" else page, params)
    query = "&".join(f"{name}={value}" for name, value in params.items())
    evidence = evidence_of({"run": run}, f"/{'' if page == 'overview' else page}?{query}")
    listings = {listing for strip in evidence.strips for listing in strip.listings} | {evidence.lead} - {""}
    assert (
        evidence.headline and not evidence.is_empty and listings <= listings_on(show(page, trained, **params))
    )
    html = deck_html({"run": run}, [Slide(url=evidence.url)])
    assert f'data-key="{evidence.key}"' in html and all(
        f'data-listing="{name}"' in html for name in listings - {evidence.lead}
    )


@pytest.mark.parametrize("page", ["similar", "users", "simulate"])
def test_a_page_without_a_choice_is_no_slide_and_says_what_to_choose(show, trained, page):
    (presenter,) = components(show(page, trained), "presenter")
    assert presenter["why"] == what_to_choose(page, {}) != ""
    with pytest.raises(VibesError):
        evidence_of({"run": Run.open(trained)}, f"/{page}")


def test_a_group_has_one_name_and_color_on_map_wall_deck_and_in_notebooks(trained, tmp_path):
    from helpers.copies import copied

    run = copied(Run.open(trained), tmp_path)
    write_map(run.path)
    drawn = load_maps(run)["photos"]
    drawn.name(0, "Brick lofts")
    assert group_map(run, "photos").names == drawn.names and drawn.names[0] == "Brick lofts"
    (wall,) = (item for item in home_evidence(run) if item.key == "looks")
    for strip in wall.strips:
        assert strip.label == (drawn.names[strip.group] if drawn.is_named(strip.group) else "")
        at = [drawn.ids.tolist().index(listing) for listing in strip.listings]
        assert set(drawn.cluster[at]) == {strip.group}
    listed = [
        group["name"] for group in map_part(drawn, "groups", {})
    ]  # of the page and of the notebook's map
    labels = {label["group"]: label["text"] for label in map_part(drawn, "names", {})}
    dots = evidence_of({"run": run}, "/map?space=photos").dots
    assert listed == drawn.names == [group.name for group in dots.groups]
    assert labels == {number: drawn.names[number] for number in drawn.groups}
    html = deck_html({"run": run}, [Slide(url="/map?space=photos")])
    assert VALUES is MAP_COLORS and len(set(VALUES["light"][:10])) == len(set(VALUES["dark"][:10])) == 10
    for number in drawn.groups:
        assert f"--g{number}: {VALUES['light'][number]}" in html and f'stroke="var(--g{number})"' in html


def test_figures_of_one_evaluation_name_the_same_number_of_queries_and_users(run_with_figures):
    run = run_with_figures
    (recall,) = (item for item in home_evidence(run) if item.key == "recall")
    populations = {item.population for item in (recall, quality_evidence(run), slices_evidence(run))}
    assert populations == {"40 test queries of 12 users"}


@pytest.fixture
def run_with_figures(trained, tmp_path):
    from helpers.copies import copied

    run, figure = copied(Run.open(trained), tmp_path), {"value": 0.3, "low": 0.2, "high": 0.4}
    results = {name: {"recall@30": figure} for name in ("default ranking", "popularity")}
    slices = {"cold listings": {"queries": 7, "users": 5, "results": results}}
    metrics = {"protocol": "temporal", "queries": 40, "users": 12, "results": results, "slices": slices}
    (run.path / "metrics.json").write_text(json.dumps(metrics))
    return Run.open(run.path)
