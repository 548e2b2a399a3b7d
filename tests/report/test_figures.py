"""Figures of the report: dots, legend and numbers of a group agree, axes hold what they show."""

import json
import re
from html import unescape
from html.parser import HTMLParser
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from browser.mapped import write_map
from browser.painted import embed_run, paint_market
from helpers.commands import vibes
from helpers.copies import copied
from listing_vibes import Run
from listing_vibes.ablation.table import COLUMNS
from listing_vibes.errors import VibesError
from listing_vibes.insight.audience import recent_lists
from listing_vibes.insight.evidence import Bar, Dots, Group, Strip, what_to_choose
from listing_vibes.insight.home import home_evidence
from listing_vibes.insight.map.vibe_map import read_map
from listing_vibes.insight.page_evidence import LIST, evidence_of
from listing_vibes.insight.quality import compare_methods, describe_difference, slices_evidence
from listing_vibes.insight.rankings import best_baseline
from listing_vibes.report import deck
from listing_vibes.report.deck import Slide, deck_html, parse_slides, read_deck, ready_deck
from listing_vibes.report.figures import TICKS, Axis, DotMap, fitting_columns


def drawn(count: int, groups: int) -> DotMap:
    """Places that are all different, in turns of no group and of each."""
    places = np.random.default_rng(0).permutation(1000)[: 2 * count].reshape(count, 2)
    cluster = np.arange(count) % (groups + 1) - 1
    named = tuple(
        Group(name=f"group {number}", size=int((cluster == number).sum()), listing="")
        for number in range(groups)
    )
    x, y, group = (tuple(part.tolist()) for part in (places[:, 0], places[:, 1], cluster))
    return DotMap(Dots(x=x, y=y, group=group, groups=named))


def test_dots_legend_and_numbers_of_a_group_agree_and_lie_within_the_picture():
    one = drawn(90, 8)
    left, top, wide, high = map(int, one.box.split())
    numbers = {number: (x, y) for number, x, y in one.numbers}
    assert [number for number, _ in one.paths] == [-1, *range(8)] == [-1, *numbers]
    assert [number for number, _ in one.legend] == list(range(8))
    for number, path in one.paths:
        found = np.array([tuple(map(int, dot)) for dot in re.findall(r"M(\d+) (\d+)h0", path)])
        own = np.array(one.dots.group) == number
        expected = np.column_stack(
            [np.array(one.dots.x)[own], 1000 - np.array(one.dots.y)[own]]
        )  # y points up
        np.testing.assert_array_equal(found, expected)
        assert ((found > [left, top]) & (found < [left + wide, top + high])).all()
        if number >= 0:
            assert numbers[number] in [tuple(dot) for dot in found.tolist()]
            assert one.dots.groups[number].size == len(found)


def test_photos_of_a_slide_are_as_large_as_its_room_allows():
    def strips(*sizes: int) -> list[Strip]:
        return [Strip(listings=tuple("abcdefghijklmnop"[:size])) for size in sizes]

    assert fitting_columns(strips(12), 145, 66, 4 / 3) == [
        4
    ]  # 4 by 3; 6 by 2 would leave a third of the height
    assert fitting_columns(strips(6), 60, 66, 4 / 3) == [2]
    assert fitting_columns(strips(6, 2), 145, 66, 4 / 3)[1] <= 2


@pytest.mark.parametrize("top", [0.003, 0.01, 0.0999, 0.21, 0.5, 0.87, 1.0])
def test_an_axis_begins_at_0_holds_the_largest_end_and_has_few_ticks(top):
    axis = Axis([Bar(label="a", value=top / 2, low=top / 4, high=top), Bar(label="b", value=top / 3)])
    assert axis.ticks[0] == 0 and axis.ticks[-1] >= top - 1e-9 and 2 <= len(axis.ticks) <= TICKS + 1
    assert axis.at(axis.ticks[-1]) == "100.00%" and axis.at(0.0) == "0.00%"


def test_slices_are_listings_users_and_lengths_of_histories():
    def part(value: float | None) -> dict:
        estimate = {"value": value, "low": 0.1, "high": 0.3}
        return {"queries": 1, "results": {"default ranking": {"recall@30": estimate}}}

    names = ("warm users", "history 1-2", "history 20+", "week 1", "all")
    slices = {name: part(number / 10) for number, name in enumerate(names, 1)} | {"cold users": part(None)}
    rows = slices_evidence(SimpleNamespace(metrics={"slices": slices})).bars
    assert [(row.label, row.value) for row in rows] == [
        ("Warm users", 0.1), ("History 1-2", 0.2), ("History 20+", 0.3),
    ]  # fmt: skip
    assert slices_evidence(SimpleNamespace(metrics={"slices": {"week 1": part(0.2)}})) is None


@pytest.mark.parametrize(
    ("value", "p_holm", "verdict"),
    [(0.2, 0.001, "better"), (0.056, 0.16, "different"), (-0.1, 0.001, "worse")],
)
def test_a_difference_has_its_interval_and_corrected_verdict(value, p_holm, verdict):
    difference = {"recall@30": {"value": value, "low": value - 0.05, "high": value + 0.05, "p_holm": p_holm}}
    differences = {"default ranking - ALS": difference, "default ranking - oracle": difference}
    text = describe_difference({"differences": differences}, "ALS")
    assert (
        verdict in text
        and f"{100 * abs(value):.1f} points" in text
        and f"{100 * (value + 0.05):+.1f}".replace("-", "−") in text
    )
    words = compare_methods(differences)
    assert verdict in words and words.endswith(" ALS") and ";" not in words
    assert describe_difference({}, "ALS") == ""


def test_the_best_baseline_uses_no_model_and_is_not_the_ceiling():
    values = {
        "default ranking": 0.3,
        "EASE": 0.2,
        "attribute neighbors": 0.25,
        "oracle": 0.9,
        "model + recency": 0.35,
    }
    results = {name: {"recall@30": {"value": value}} for name, value in values.items()}
    assert best_baseline(results) == "attribute neighbors"
    assert best_baseline({"default ranking": results["default ranking"]}) is None


METRICS = {
    "protocol": "temporal", "queries": 40, "users": 12,
    "results": {
        "default ranking": {"recall@30": {"value": 0.3217, "low": 0.25, "high": 0.4}, "mrr": {"value": 0.1, "low": 0.0, "high": 0.2}},
        "popularity": {"recall@30": {"value": 0.2504, "low": None, "high": None}, "mrr": {"value": 0.05, "low": None, "high": None}},
    },
    "differences": {"default ranking - popularity": {"recall@30": {"value": 0.0713, "low": 0.0, "high": 0.1, "p_value": 0.01, "p_holm": 0.03}}},
    "slices": {"cold listings": {"queries": 7, "users": 5, "results": {"default ranking": {"recall@30": {"value": 0.142, "low": 0.1, "high": 0.2}}}}},
}  # fmt: skip
ABLATION = [
    ("full", None, "all", "recall", 30, 0.4, 0.3, 0.5, 40, None, None, None),
    ("no <photos>", None, "all", "recall", 30, 0.3, 0.2, 0.4, 40, "full", -0.1, 0.004),
]


def write_ablation(run, rows):
    table = pd.DataFrame(rows, columns=list(COLUMNS)).astype({"seed": "Int64", "k": "Int64"})
    table.to_parquet(run / "ablation.parquet")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("deck")
    market = paint_market(
        folder / "market", listings=12, users=4, events=6, ending=True, note="Its <events> are simulated."
    )
    write_map(embed_run(market, folder / "run"))
    return folder / "run"


@pytest.fixture(scope="module")
def run(made):
    return Run.open(made)


@pytest.fixture
def copy(run, tmp_path):
    return copied(run, tmp_path).path


def words(html):
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html.split("</style>")[1].split("<script")[0]))


def view(run, url):
    return evidence_of({"run": run}, url)


def listings(strip):
    return list(strip.listings)


class Structure(HTMLParser):
    """Every tag with the names of its attributes, as a browser finds them."""

    def __init__(self, html):
        super().__init__()
        self.tags = []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, [name for name, _ in attrs]))


def test_the_ready_deck_is_one_small_file_that_opens_again(made, run, tmp_path):
    vibes("report", made, tmp_path / "out.html")
    html = (tmp_path / "out.html").read_text(encoding="utf-8")
    assert html == deck_html({"run": run}) and len(html) < deck.LARGEST
    assert not re.findall(r"(?:src|href)=[\"'](?!data:)|url\((?!data:)", html) and "@import" not in html
    assert html.count("<script") == 2 and "default-src 'none'" in html and "@media print" in html
    assert str(made) not in html and str(made.parent) not in html
    slides = ready_deck(run)
    assert [slide.url for slide in read_deck(tmp_path / "out.html")] == [slide.url for slide in slides]
    shown = home_evidence(run)
    assert [slide.url for slide in slides] == [*(item.url for item in shown), "/map"]
    assert [slide.title for slide in read_deck(tmp_path / "out.html")][: len(shown)] == [
        item.headline for item in shown
    ]
    assert html.count("data:image/webp;base64,") > 10


def test_slides_have_their_headlines_and_notes_in_their_order(run, made, tmp_path):
    slides = [
        Slide(url="/similar?listing=l05", title="B", note="</script><b>bold</b>"),
        Slide(url="/map", title="A"),
    ]
    html = deck_html({"run": run}, slides)
    assert "&lt;b&gt;bold" in html and "<b>bold" not in html
    assert html.index("<bdi>B</bdi>") < html.index("<bdi>A</bdi>")
    assert html.count('<section class="slide') == 3  # the cover, and the slides as given
    assert parse_slides(html) == slides
    (tmp_path / "deck.html").write_text(html, encoding="utf-8")
    vibes("report", made, tmp_path / "again.html", "--deck", tmp_path / "deck.html")
    assert (tmp_path / "again.html").read_text(encoding="utf-8") == html
    refused = vibes("report", made, tmp_path / "no.html", "--deck", tmp_path / "none", check=2)
    assert "Cannot read the deck" in refused.stderr and not (tmp_path / "no.html").exists()


def test_a_deck_is_never_larger_than_allowed(run, monkeypatch):
    slides = [Slide(url="/similar?listing=l05")]
    whole = len(deck_html({"run": run}, slides).encode())
    monkeypatch.setattr(deck, "LARGEST", whole - 1)
    monkeypatch.setattr(deck, "SIZES", (320, 2))
    assert len(deck_html({"run": run}, slides).encode()) < whole


@pytest.mark.parametrize(
    "text", ["{", '{"url": 1}', '[{"url": "https://example.org"}]', '[{"url": "//x"}]', json.dumps([{"url": "/"}] * 61), "[" * 9999]
)  # fmt: skip
def test_a_file_without_slides_is_refused(text):
    with pytest.raises(VibesError, match="slides"):
        parse_slides(text)


def test_a_listing_stands_beside_the_rows_of_its_page(run):
    shown = view(run, "/similar?listing=l05&space=photos&k=4")
    (strip,) = shown.strips
    assert shown.lead == "l05" and strip.is_ranked
    assert listings(strip) == run.similar("l05", 4, space="photos")["listing_id"].tolist()


def test_a_user_has_the_history_and_the_list_with_what_they_opened_later(trained):
    log, ids = trained.log, trained.listing_ids
    number = int(np.argmax(np.diff(log.start)))
    user, start, end = log.users[number], int(log.start[number]), int(log.start[number + 1])
    history, listed = view(trained, f"/users?user={user}&at=4").strips
    newest = dict.fromkeys(ids[row] for row in log.listing[start : start + 4][::-1])
    assert listings(history) == list(newest)[::-1]
    expected = trained.recommend(user, at=pd.Timestamp(int(log.time[start + 4])))["listing_id"].tolist()
    assert listings(listed) == expected[:LIST]
    later = {ids[row] for row in log.listing[start + 4 : end]} - set(newest)
    assert list(listed.hits) == [listing for listing in expected if listing in later] != []


@pytest.mark.slow
def test_a_cold_listing_has_its_neighbors_and_its_first_audience(trained):
    listing = trained.listing_ids[3]
    shown = view(trained, f"/cold?listing={listing}")
    near, *audience = shown.strips
    assert shown.lead == listing and listings(near) == trained.similar(listing, 6)["listing_id"].tolist()
    assert all(strip.listings for strip in audience) and "% of users" in shown.headline
    assert shown.population == recent_lists(trained)[1].describe()


def test_the_map_has_the_group_on_the_day_and_its_listings(run):
    frame = read_map(run)
    frame = frame[frame["space"] == "photos"].set_index("listing_id")["cluster"]
    shown = view(run, "/map")
    assert len(shown.dots.x) == len(frame) and not shown.columns
    group = int(frame["l00"])  # of the listing that ends
    later = view(run, f"/map?group={group}&day=2024-03-04")
    members = {name for name in frame.index[frame == group] if name != "l00"}
    (strip,) = later.strips
    assert set(listings(strip)) <= members and len(listings(strip)) == min(LIST, len(members))
    assert later.dots.group.count(group) == len(members)
    active = view(run, "/map?day=2024-03-04").dots
    assert active.group.count(-1) > shown.dots.group.count(-1)


@pytest.mark.parametrize(
    "url", ["/similar?listing=l05&run=other", "/similar?listing=l99", "/users", "//[x", "/cold?view=listings", "/cold?view=new&draft=x", "/compare", "/?part=recall"]
)  # fmt: skip
def test_what_cannot_be_shown_says_why(run, url):
    with pytest.raises(VibesError) as error:
        view(run, url)
    if url.startswith("//"):  # no slide has such an address
        return
    assert str(error.value) in unescape(words(deck_html({"run": run}, [Slide(url=url)])))


@pytest.mark.parametrize(
    ("page", "params", "is_ready"),
    [
        ("similar", {}, False), ("similar", {"listing": "l05"}, True), ("similar", {"by": "look", "q": "bed"}, True), ("similar", {"q": "bed"}, False),
        ("users", {}, False), ("users", {"user": "u1"}, True), ("simulate", {}, False), ("simulate", {"h2": "l05"}, True),
        ("compare", {"part": "runs"}, True), ("compare", {}, True), ("", {}, True),
    ],
)  # fmt: skip
def test_a_page_says_what_to_choose_before_it_can_be_a_slide(page, params, is_ready):
    assert bool(what_to_choose(page, params)) is not is_ready


def test_the_figures_are_those_of_the_metrics(copy):
    blend = {
        "default ranking - model only + neighbors": METRICS["differences"]["default ranking - popularity"]
    }
    (copy / "metrics.json").write_text(json.dumps(METRICS | {"differences": METRICS["differences"] | blend}))
    write_ablation(copy, ABLATION)
    html = deck_html({"run": Run.open(copy)})
    text = words(html)
    assert "32 of 100 next listings" in text and "40 test queries of 12 users" in text
    assert "the default ranking is significantly better than Popularity." in text  # a blend is no baseline
    assert "Cold listings 7 queries 14%" in text
    assert "▼ No &lt;photos&gt;" in html and "-10.0 points against Full model, p .004" in html
    table = html.split("<summary>All measures</summary>")[1].split("</table>")[0]
    lines = [re.findall(r"<td[^>]*>([^<]*)</td>", line) for line in table.split("<tr>")[2:]]
    assert lines == [["Default ranking", "32.2%", "10.0%"], ["Popularity", "25.0%", "5.0%"]]


def test_a_market_without_photos_and_events_has_a_deck_that_says_so(tmp_path):
    market = paint_market(tmp_path / "market", listings=6, users=0, photos=0, titles=False)
    text = words(deck_html({"run": Run.open(embed_run(market, tmp_path / "run"))}))
    assert "no photos, so nothing here is about how listings look" in text
    assert "no events, so nothing here is about what people did" in text and "nothing to measure" in text
    assert "No photo" not in text and "Photos are first turned into numbers" not in text


@pytest.mark.slow
def test_no_word_of_a_market_or_a_run_becomes_markup(tmp_path):
    """The same deck from harmless and from hostile words has the same tags and attributes."""

    def make(word, folder):
        market = paint_market(folder / "market", listings=9, users=4, note=f"note {word}")
        config = (market / "market.toml").read_text(encoding="utf-8")
        (market / "market.toml").write_text(
            config.replace('"Tiny town"', f"'''town {word}'''"), encoding="utf-8"
        )
        table = pd.read_parquet(market / "listings.parquet")
        table["title"] = word + " " + table["title"].str[:20]
        table["room_type"] = word + " " + table["room_type"]
        table.to_parquet(market / "listings.parquet")
        path = embed_run(market, folder / f"run {word.replace('/', ' ')}")
        write_map(path)
        results = METRICS["results"] | {
            f"{name} {word}": result for name, result in METRICS["results"].items()
        }
        notes = {
            "results": results,
            "differences": {f"default ranking - {word}": next(iter(METRICS["differences"].values()))},
        }
        (path / "metrics.json").write_text(json.dumps(METRICS | notes | {"notes": {"default ranking": word}}))
        write_ablation(path, [(word, *ABLATION[0][1:]), (f"no {word}", *ABLATION[1][1:9], word, -0.1, 0.004)])
        run = Run.open(path)
        return deck_html(
            {"run": run}, [Slide(url=slide.url, title=word, note=word) for slide in ready_deck(run)]
        )

    hostile = """<img src=x onerror="alert(1)"></li>& "' onload={{ 7 * 7 }}"""
    harmless, html = make("word", tmp_path / "a"), make(hostile, tmp_path / "b")
    assert html.count("&lt;img src=x") > 10 and unescape(html).count(hostile) > 10
    assert Structure(html).tags == Structure(harmless).tags
