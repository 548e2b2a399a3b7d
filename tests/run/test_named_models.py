"""The models that ship, by name: what is in their files, and three small tables with them."""

import json
import re
from pathlib import Path

import pandas as pd
import pytest

from helpers.commands import vibes
from listing_vibes.errors import VibesError
from listing_vibes.features.featurizer import Featurizer
from listing_vibes.features.transfer import TransferReport
from listing_vibes.market.caches import MODELS
from listing_vibes.market.market import Market
from listing_vibes.run.manifest import Manifest, named_model

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
