"""`vibes embed` encodes only new content, keeps the evaluation of the same model, and says what a model knows of another market."""

import json
import os
import re
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from safetensors.numpy import load_file, save_file

from helpers.commands import vibes
from helpers.copies import copied, resealed
from listing_vibes.errors import VibesError
from listing_vibes.features.featurizer import Featurizer
from listing_vibes.features.transfer import TransferReport
from listing_vibes.market.caches import MODELS
from listing_vibes.market.columns import Columns as C
from listing_vibes.market.documents import write_json
from listing_vibes.market.durable import only_writer
from listing_vibes.market.market import Market
from listing_vibes.market.splits import make_split
from listing_vibes.run.engine import Engine
from listing_vibes.run.manifest import Manifest, named_model
from listing_vibes.run.run import Run
from listing_vibes.run.spaces import embed_market
from listing_vibes.run.versions import RESULTS, building, publish_results

SMALL_RUN = Path(__file__).parent / "small_run"


@pytest.fixture
def encoded(monkeypatch) -> list[int]:
    """How many listings each call encoded."""
    seen, plain = [], Engine.encode_listings

    def count(self, report=None, rows=None):
        seen.append(self.features.tokens.listings if rows is None else len(rows))
        return plain(self, report, rows)

    monkeypatch.setattr(Engine, "encode_listings", count)
    return seen


@pytest.fixture
def place(trained, tmp_path):
    """The run and its market, to be changed."""
    shutil.copytree(trained.market.path, tmp_path / "market")
    shutil.copytree(trained.path, tmp_path / "run")
    return tmp_path


def distinct(run: Run) -> int:
    return len(set(run.engine.features.digests()))


@pytest.mark.slow
def test_known_content_is_not_encoded_again_and_twins_once(place, trained, encoded):
    frame = trained.market.listings
    twin = frame.iloc[[5]].assign(**{C.LISTING: "twin"})
    other = frame.iloc[[7]].assign(**{C.LISTING: "other", "price": 12345.0})
    changed = frame.assign(price=frame["price"].where(frame.index != 3, 4321.0))
    pd.concat([changed, twin, other]).to_parquet(place / "market/listings.parquet", index=False)
    market = Market.open(place / "market")
    embed_market(market, place / "new", None, place / "run")
    assert encoded == [2]  # the changed one and the one with another price

    (place / "run/prepared.safetensors").unlink()  # nothing is known any more
    embed_market(market, place / "whole", None, place / "run")
    whole, new = Run.open(place / "whole"), Run.open(place / "new")
    assert encoded == [2, distinct(whole)] and distinct(whole) < len(market.listings)
    np.testing.assert_allclose(new.vectors("model"), whole.vectors("model"), atol=2e-3)
    vectors = new.vectors("model")
    assert np.array_equal(vectors[new.listing_row["twin"]], vectors[5])
    embed_market(market, place / "new", None, place / "run")  # from its own earlier state
    assert encoded[2:] == []


def test_vectors_of_other_weights_are_not_taken(place, trained, encoded):
    path = place / "run/model.safetensors"
    save_file({name: tensor * 1.01 for name, tensor in load_file(path).items()}, path)
    resealed(place / "run")
    embed_market(Market.open(place / "market"), place / "run", None, place / "run")
    assert encoded == [distinct(trained)]
    assert not np.allclose(Run.open(place / "run").vectors("model"), trained.vectors("model"), atol=1e-3)


def test_an_evaluation_belongs_to_a_model(trained, tmp_path):
    evaluated = copied(trained, tmp_path)
    path, market = evaluated.path, evaluated.market

    def publish(queries: int) -> None:
        with building(path, RESULTS) as built:
            write_json(built / "metrics.json", {"results": {}, "queries": queries})
            publish_results(path, built, evaluated.stamp)

    publish(5)
    embed_market(market, path, None, path)  # the same model
    assert Run.open(path).metrics == {"results": {}, "queries": 5}
    embed_market(market, path, None)  # none
    run = Run.open(path)
    assert run.metrics is None and evaluated.metrics is not None  # a run that is open keeps its own
    publish(6)  # an evaluation that was overtaken
    assert run.metrics is None


@pytest.mark.slow
def test_a_transferred_run_says_what_its_model_knows(trained, tmp_path):
    run = copied(trained, tmp_path)
    folder = run.market.path
    toml = (folder / "market.toml").read_text().replace("[attributes.rooms]", "[attributes.bedrooms]")
    (folder / "market.toml").write_text(toml)
    renamed = run.market.listings.rename(columns={"rooms": "bedrooms"})
    renamed.to_parquet(folder / "listings.parquet", index=False)
    # The last events are not there yet, so that the market's own split would test on what trained the model.
    events = run.market.events.sort_values("timestamp")
    events.iloc[: round(0.9 * len(events))].to_parquet(folder / "events.parquet", index=False)
    market, notices = Market.open(folder), []
    manifest = embed_market(market, tmp_path / "new", None, trained.path, notices.append)
    sentence = "knows 11 of your 12 attributes; `bedrooms` is new; `rooms`, which it knows, is missing"
    assert manifest.carried.sentence == sentence == Manifest.load(tmp_path / "new").carried.sentence
    assert any(sentence in getattr(notice, "text", "") for notice in notices)
    new = Run.open(tmp_path / "new")
    assert make_split(new.log, new.catalogue).t2 < trained.split().t2
    # The listings are those of the training, so that no query lies before its end.
    assert new.transferred and new.split().t2 == trained.split().t2
    embed_market(market, tmp_path / "new", None, tmp_path / "new")
    assert Run.open(tmp_path / "new").manifest.carried == manifest.carried


@pytest.mark.parametrize(
    ("words", "written"),
    [
        ("train {f}/market {f}/fresh --preset tiny", "fresh"),
        ("embed {f}/market {f}/run --model {f}/run", "run"),
        ("refresh {f}/run --events {f}/market", "run"),
        ("batch {f}/run {f}/lists", "lists"),
    ],
)
def test_a_second_writer_is_refused_and_a_reader_is_not(words, written, tmp_path):
    folder = shutil.copytree(SMALL_RUN, tmp_path / "small")
    with only_writer(folder / written, "vibes train"):
        done = vibes(*words.format(f=folder).split(), check=2)
        assert f"`vibes train` (process {os.getpid()})" in done.stderr
        assert len(Run.open(folder / "run").recommend("user-0001", k=3)) == 3
    assert not (folder / "fresh").exists() and not (folder / "lists").exists()


def test_a_market_whose_events_have_one_moment_is_embedded(tmp_path):
    homes = pd.DataFrame({C.LISTING: ["a", "b", "c"], "rooms": [1, 2, 3]})
    events = pd.DataFrame({C.USER: "u", C.LISTING: homes[C.LISTING], C.TIMESTAMP: "2024-03-01"})
    embed_market(Market.from_frames(homes, events, path=tmp_path / "market"), tmp_path / "run", None)
    run = Run.open(tmp_path / "run")
    assert run.similar("a", 2)[C.LISTING].tolist() == ["b", "c"] and len(run.recommend("u", 3)) == 0


HOMES = MODELS / "homes"


def test_a_name_is_a_model_that_ships_unless_there_is_such_a_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert named_model("homes") == HOMES and (named_model("demo") / "run.toml").is_file()
    with pytest.raises(VibesError, match="the included models are demo and homes"):
        named_model("house")
    (tmp_path / "homes").mkdir()
    assert named_model("homes") == Path("homes")


def test_homes_is_small_and_tells_no_path():
    files = {
        "README.md",
        "features.safetensors",
        "model.safetensors",
        "run.toml",
        "seen.json",
        "vocabulary.json",
    }
    assert {path.name for path in HOMES.iterdir()} == files
    assert sum(path.stat().st_size for path in HOMES.iterdir()) < 8 * 2**20
    manifest = Manifest.load(HOMES)
    assert manifest.market == "" and all(one.path == "" for one in manifest.markets)
    head = json.loads((HOMES / "vocabulary.json").read_text())
    hosts = [entry["values"] for entry in head["vocabulary"]["attributes"] if entry["name"] == "host_id"]
    assert hosts == [[]] and not any(head["within"]["numbers"].values())


@pytest.mark.real
def test_homes_holds_no_listing_no_user_and_no_title(real_data):
    inside = "\n".join(
        (HOMES / name).read_text() for name in ("vocabulary.json", "seen.json", "run.toml", "README.md")
    )
    words = set(re.findall(r"[\w.-]+", inside))
    for one in Manifest.load(HOMES).markets:
        town = re.sub(r"[^a-z0-9]+", "-", re.sub(r"^Homes in |,| \(Inside Airbnb\)", "", one.name).lower())
        folder = real_data / "inside-airbnb" / town
        listings = pd.read_csv(folder / "listings.csv.gz", dtype=str, usecols=["id", "name", "host_id"])
        users = pd.read_csv(folder / "reviews.csv.gz", dtype=str, usecols=["reviewer_id"])["reviewer_id"]
        ids = {*listings["id"], *listings["host_id"], *users}
        assert not {one for one in ids & words if len(one) > 4}  # "2015" is a word of titles as well
        assert not [name for name in listings["name"].dropna() if name.count(" ") > 2 and name in inside]


@pytest.mark.slow
def test_three_small_tables_get_recommendations_from_homes(tmp_path):
    market = tmp_path / "market"
    market.mkdir()
    (market / "listings.csv").write_text(
        "listing_id,name,room_type,bedrooms,price,amenities,latitude,longitude\n"
        + "".join(
            f"h{n},Flat {n} by the sea,{'Private room' if n % 2 else 'Entire home/apt'},{n % 4},{40 + 9 * n},Wifi|Kitchen,"
            f"{43 + n / 100},{7 + n / 90}\n"
            for n in range(12)
        )
    )
    (market / "events.csv").write_text(
        "user_id,listing_id,timestamp\nann,h1,2024-05-01\nann,h3,2024-05-02\nbob,h2,2024-05-03\n"
    )
    (market / "photos.csv").write_text("listing_id,position,path\n")
    vibes("embed", market, tmp_path / "run", "--model", "homes")
    found = [
        one["listing_id"] for one in json.loads(vibes("recommend", tmp_path / "run", "ann", "--json").stdout)
    ]
    assert len(found) == 10 and not {"h1", "h3"} & set(found)


def test_an_attribute_of_two_kinds_is_refused_in_a_sentence(tmp_path):
    rows = "".join(f"h{n},{n % 3 + 1} PN,{40 + 9 * n}\n" for n in range(12))
    (tmp_path / "listings.csv").write_text(f"listing_id,bedrooms,price\n{rows}")
    market = Market.open(tmp_path)
    with pytest.raises(VibesError, match=r"'bedrooms' has the type category in .* but the type number in"):
        TransferReport.of(market, Featurizer.load(HOMES), HOMES, "homes")
