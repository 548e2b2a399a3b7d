"""`vibes embed` encodes only new content, keeps the evaluation of the same model, and a listing entered by hand gets the same vectors."""

import json
import os
import re
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from safetensors.numpy import load_file, save_file

from browser.painted import ColourEncoder, embed_run, paint_market, train_run
from helpers.commands import vibes
from helpers.copies import copied, resealed
from listing_vibes.errors import VibesError
from listing_vibes.features.featurizer import Featurizer
from listing_vibes.features.market_summary import TransferReport
from listing_vibes.features.photos.encoders import market_photos
from listing_vibes.market.caches import MODELS
from listing_vibes.market.columns import Columns as C
from listing_vibes.market.documents import write_json
from listing_vibes.market.durable import only_writer
from listing_vibes.market.market import Market
from listing_vibes.market.splits import make_split
from listing_vibes.run.embedding import embed_market
from listing_vibes.run.engine import Engine
from listing_vibes.run.manifest import Manifest, named_model
from listing_vibes.run.newcomers import Newcomers
from listing_vibes.run.run import Run
from listing_vibes.run.versions import RESULTS, building, publish_results
from listing_vibes.variants import vae

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
    embed_market(market, path, None, drop_model=True)
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
    embed_market(Market.from_frames(homes, events).save(tmp_path / "market"), tmp_path / "run", None)
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


def test_an_attribute_of_two_kinds_is_refused_in_a_sentence(tmp_path):
    rows = "".join(f"h{n},{n % 3 + 1} PN,{40 + 9 * n}\n" for n in range(12))
    (tmp_path / "listings.csv").write_text(f"listing_id,bedrooms,price\n{rows}")
    market = Market.open(tmp_path)
    with pytest.raises(VibesError, match=r"'bedrooms' has the type category in .* but the type number in"):
        TransferReport.of(market, Featurizer.load(HOMES), HOMES, "homes")


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Run:
    folder = tmp_path_factory.mktemp("cold")
    return Run.open(train_run(paint_market(folder / "market"), folder / "run"))


@pytest.fixture(scope="module")
def newcomers(run) -> Newcomers:
    return Newcomers(run, lambda name: {"colour-1": ColourEncoder()}[name])


def entered(run, listing):
    """Cells and photos of a listing of the market, as somebody would enter them."""
    market = run.market
    row = market.listings.iloc[market.listing_row[listing]]
    cells = {item.name: row[item.name] for item in market.attributes}
    cells = {name: value for name, value in cells.items() if isinstance(value, list) or not pd.isna(value)}
    shots = market.photos[market.photos["listing_id"] == listing]["path"]
    return cells, [(market.path / path).read_bytes() for path in shots]


@pytest.mark.slow
@pytest.mark.parametrize("listing", ["l04", "l01", "l11"])  # l01 has no year, l11 no photo
def test_an_existing_listing_entered_anew_gets_the_vectors_of_the_run(run, newcomers, listing):
    cells, photos = entered(run, listing)
    found = newcomers.encode(cells, photos)
    row = run.listing_row[listing]
    assert set(found.vectors) == ({"model", "photos", "attributes"} if photos else {"model", "attributes"})
    for space in {"model", "photos"} & set(found.vectors):
        np.testing.assert_allclose(found.vectors[space], run.vectors(space)[row], atol=2e-3, err_msg=space)
    for space, scores in found.scores.items():
        assert scores[row] == pytest.approx(1, abs=2e-3)
        expected = run.similar(listing, k=4, space=space)
        mine = run.nearest(found.scores[space], 12)
        mine = mine[mine["listing_id"] != listing][:4].reset_index(drop=True)
        np.testing.assert_allclose(mine["score"], expected["score"], atol=0.02, err_msg=space)


@pytest.mark.slow
def test_photos_of_the_market_need_no_encoder(run, newcomers):
    cells, photos = entered(run, "l04")
    found = Newcomers(run, lambda name: pytest.fail(f"{name} was loaded")).encode(cells, photos)
    expected = newcomers.encode(cells, photos)
    for space, vector in expected.vectors.items():
        np.testing.assert_array_equal(found.vectors[space], vector)


@pytest.mark.slow
def test_photos_and_values_move_it_and_a_broken_photo_is_left_out(run, newcomers):
    (cells, photos), other = entered(run, "l04"), entered(run, "l08")[1]
    first, second = (newcomers.encode(cells, shown, ["model", "photos"]) for shown in (photos, other))
    third = newcomers.encode(cells | {"price": 10_000}, photos, ["model"])
    assert run.nearest(first.scores["photos"], 1)["listing_id"][0] == "l04"
    assert run.nearest(second.scores["photos"], 1)["listing_id"][0] == "l08"
    for changed in (second, third):
        assert not np.allclose(first.vectors["model"], changed.vectors["model"], atol=1e-3)
    broken = newcomers.encode(cells, [photos[0], b"no image", photos[1]], ["photos"])
    assert [number for number, _ in broken.broken] == [1]
    np.testing.assert_allclose(broken.vectors["photos"], first.vectors["photos"], atol=1e-6)


@pytest.mark.slow
def test_without_a_model_and_events_the_other_spaces_answer(tmp_path):
    run = Run.open(embed_run(paint_market(tmp_path / "market", users=0), tmp_path / "run"))
    cells, photos = entered(run, "l04")
    found = Newcomers(run, lambda name: ColourEncoder()).encode(cells, photos)
    assert set(found.vectors) == {"photos", "attributes"}
    assert run.nearest(found.scores["attributes"], 1)["listing_id"][0] == "l04"


@pytest.mark.slow
def test_a_photo_for_a_run_with_the_market_s_own_autoencoder_is_read_by_it(tmp_path, monkeypatch):
    pytest.importorskip("diffusers")
    monkeypatch.setattr(vae, "STEPS", 2)
    market = Market.open(paint_market(tmp_path / "market"))
    embed_market(market, tmp_path / "run", market_photos(market, "vae"))
    run = Run.open(tmp_path / "run")
    cells, shots = entered(run, "l04")
    found = Newcomers(run).encode(cells, shots, ["photos"])
    np.testing.assert_allclose(
        found.vectors["photos"], run.vectors("photos")[run.listing_row["l04"]], atol=2e-3
    )
