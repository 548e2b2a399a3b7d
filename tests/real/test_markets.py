"""Real markets: importers, the evaluation beside a naive one, H&M's week, the rooms of houses, and which space compares by default."""

import csv
import fnmatch
import gzip
import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from helpers.agreement import assert_agrees
from listing_vibes.features.featurizer import Featurizer
from listing_vibes.features.market_summary import TransferReport, coverage
from listing_vibes.features.photos.photo_encoder import PhotoEncoder, load_photo_encoder
from listing_vibes.features.photos.photo_vectors import PhotoVectors, embed_photos, load_photo_vectors
from listing_vibes.market.attribute_types import infer_type
from listing_vibes.market.caches import DEMO, MODELS
from listing_vibes.market.importers import import_market
from listing_vibes.market.listings_table import RATING_WORDS
from listing_vibes.market.log import EventLog
from listing_vibes.market.market import Market
from listing_vibes.market.profile import profile
from listing_vibes.market.splits import Catalogue, Queries, Split, make_split
from listing_vibes.run.embedding import default_space
from listing_vibes.run.run import Run
from listing_vibes.scoring.baselines.ease import Ease
from listing_vibes.scoring.baselines.itemknn import ItemKNN
from listing_vibes.scoring.interactions import Interactions

pytestmark = pytest.mark.real


@pytest.fixture(scope="module")
def week(real_data, tmp_path_factory):
    if not (real_data / "hm").is_dir():
        pytest.skip(f"no real data at {real_data / 'hm'}")
    target = tmp_path_factory.mktemp("hm") / "week"
    import_market("hm", real_data / "hm" / "transactions_week.csv.gz", target)
    return Market.open(target)


def test_the_week_has_every_purchase_and_every_article_bought(week, real_data):
    with gzip.open(real_data / "hm" / "transactions_week.csv.gz", "rt", encoding="utf-8") as stream:
        bought = Counter(
            (row["customer_id"], row["article_id"], row["t_dat"]) for row in csv.DictReader(stream)
        )
    events = week.events
    found = zip(
        events["user_id"], events["listing_id"], events["timestamp"].dt.strftime("%Y-%m-%d"), strict=True
    )
    assert Counter(found) == bought
    assert set(week.listings["listing_id"]) == {article for _, article, _ in bought}
    assert (len(week.listings), sum(bought.values())) == (17_986, 240_311)
    photos = profile(week).photos
    assert (photos.count, photos.missing, photos.broken) == (17_960, 0, 0)


def test_next_basket_queries_of_the_week(week):
    log = EventLog.from_market(week)
    split = make_split(log, Catalogue.of(week))
    assert (len(split.valid), len(split.test)) == (2561, 7483)
    # no query is told a purchase of its own day
    assert (log.time[split.test.end - 1] < split.test.at).all()


def test_titles_are_texts_though_nobody_says_so(week):
    raw = pd.read_parquet(week.path / "listings.parquet")
    kinds = {name: infer_type(name, raw[name]) for name in raw.columns if name != "listing_id"}
    assert (kinds["prod_name"], kinds["description"]) == ("text", "text")
    named = [name for name in kinds if name.endswith("_name") and name != "prod_name"]
    assert {kinds[name] for name in named} == {"category"}


#: Indices of ImageNet classes that only a kitchen shows: dishwasher, microwave, refrigerator, stove.
KITCHEN = [534, 651, 760, 827]


@pytest.fixture(scope="module")
def encoder() -> PhotoEncoder:
    return load_photo_encoder("tf_efficientnet_lite0")


@pytest.fixture(scope="module")
def rooms(real_data) -> pd.DataFrame:
    table = pd.read_csv(real_data / "houses" / "photos.csv", dtype=str).rename(
        columns={"item_id": "listing_id"}
    )
    some = table["listing_id"].drop_duplicates().sample(150, random_state=0)
    return table[table["listing_id"].isin(some)].reset_index(drop=True)


@pytest.fixture(scope="module")
def embedded(real_data, rooms, encoder, tmp_path_factory) -> tuple[PhotoVectors, Path]:
    market = tmp_path_factory.mktemp("houses")  # the real folder is only read
    shutil.copytree(real_data / "houses" / "photos", market / "photos")
    return embed_photos(market, rooms, encoder), market


def test_every_photo_is_embedded(embedded, rooms):
    vectors, _ = embedded
    assert len(rooms) == 600
    assert vectors.ok.all() and vectors.broken == []


def test_nearest_neighbour_names_the_room(embedded, rooms):
    names, listings = rooms["room"].to_numpy(), rooms["listing_id"].to_numpy()
    plain, others = neighbour_accuracy(embedded[0].vectors, names, listings)
    # of all 2,140 photos .97: the more there are, the nearer is the nearest
    assert min(plain, others) >= 0.95, f"leave-one-out {plain:.4f}, without the same listing {others:.4f}"


def test_the_cache_gives_the_same_vectors(embedded, rooms):
    vectors, market = embedded
    again = load_photo_vectors(market, rooms, vectors.encoder)
    assert again is not None
    np.testing.assert_array_equal(again.vectors, vectors.vectors)


def test_imagenet_sees_kitchens_in_kitchens(embedded, rooms, encoder):
    seen = encoder.classify(embedded[0].vectors)[:, KITCHEN].sum(axis=1) > 0.1  # (P,)
    kitchen = (rooms["room"] == "kitchen").to_numpy()
    assert seen[kitchen].mean() > 0.8
    assert seen[~kitchen].mean() < 0.1


def neighbour_accuracy(vectors: np.ndarray, rooms: np.ndarray, listings: np.ndarray) -> tuple[float, float]:
    """Share of photos whose nearest other photo, and nearest of another listing, shows the same room."""
    unit = vectors.astype(np.float32)
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    cosine = unit @ unit.T  # (P, P)
    np.fill_diagonal(cosine, -np.inf)
    plain = (rooms[cosine.argmax(axis=1)] == rooms).mean()
    cosine[listings[:, None] == listings] = -np.inf
    return float(plain), float((rooms[cosine.argmax(axis=1)] == rooms).mean())


TOWNS = (
    "trentino-2015-10", "singapore-2023-09", "salem-or-2023-03", "albany-2024-11", "barossa-valley-2023-06",
    "antwerp-2015-10", "santa-cruz-county-2015-10", "oakland-2015-07",
)  # fmt: skip


def chosen(market: Market, photos: bool = False) -> str:
    """The default space of a run over `market` with the model `homes`."""
    featurizer = Featurizer.load(MODELS / "homes")
    carried = TransferReport.of(market, featurizer, MODELS / "homes", "homes")
    there = np.ones((len(market.listings), 1), np.float32)
    spaces = dict.fromkeys(("model", "attributes", *(["photos"] if photos else [])), there)
    return default_space(market, spaces, coverage(market, featurizer, carried)).space


@pytest.mark.parametrize("town", TOWNS)
def test_a_town_is_compared_by_the_model_until_half_of_its_columns_have_other_names(
    town, real_data, tmp_path
):
    import_market("inside-airbnb", real_data / "inside-airbnb" / town, tmp_path / "market")
    market = Market.open(tmp_path / "market")
    assert chosen(market) == "model"
    names = sorted(one.name for one in market.attributes if one.kind != "place")[1::2]
    assert chosen(market.renamed({name: f"my_{name}" for name in names})) == "attributes"


def test_houses_with_photos_are_compared_by_their_attributes(real_data: Path, tmp_path):
    homes = pd.read_csv(real_data / "houses" / "houses.csv").rename(columns={"item_id": "listing_id"})
    market = Market.from_frames(homes, attributes={"zipcode": "category"}).save(tmp_path / "market")
    assert chosen(market, photos=True) == "attributes"


def test_the_demo_is_compared_by_its_own_model_or_by_its_attributes():
    assert Run.open(DEMO / "run").spaces[0] == "model"
    assert chosen(Market.open(DEMO), photos=True) == "attributes"


#: The leaking columns, as the README of the data lists them.
LEAKING = (
    "number_of_reviews*", "review_scores_*", "reviews_per_month", "estimated_*", "availability_*", "has_availability",
    "first_review", "last_review", "calendar_*",
)  # fmt: skip


def raw(path: Path) -> list[dict[str, str]]:
    """Return the rows of a CSV file, read without any code of ours."""
    with gzip.open(path, "rt", encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


@pytest.mark.parametrize(
    ("name", "rated"), [("albany-2024-01", 348), ("albany-2024-11", 0), ("singapore-2023-09", 1372)]
)
def test_a_snapshot_has_the_rows_of_its_files_and_no_leak(real_data, tmp_path, name, rated):
    folder = real_data / "inside-airbnb" / name
    listings, reviews = raw(folder / "listings.csv.gz"), raw(folder / "reviews.csv.gz")
    import_market("inside-airbnb", folder, tmp_path / "market")
    market = Market.open(tmp_path / "market")
    table, days = market.listings, market.events["timestamp"].dt.strftime("%F")
    assert table["listing_id"].tolist() == [row["id"] for row in listings]
    keys = zip(market.events["user_id"], market.events["listing_id"], days, strict=True)
    assert Counter(keys) == Counter((row["reviewer_id"], row["listing_id"], row["date"]) for row in reviews)
    prices = [float(row["price"].strip("$").replace(",", "") or "nan") for row in listings]
    assert np.array_equal(table["price"], prices, equal_nan=True)
    leaking = {column for column in listings[0] if any(fnmatch.fnmatch(column, rule) for rule in LEAKING)}
    assert len(leaking) >= 20 and leaking <= set(market.config.excluded)
    assert not leaking & {*table.columns, *(attribute.name for attribute in market.attributes)}
    assert profile(market).leaks == {} and len(market.attributes) <= 20 and len(market.issues) <= 3
    before, after = [row["name"] for row in listings], table["name"].tolist()
    changed = [row for row, text in enumerate(before) if after[row] != text]
    assert len(changed) == rated and not any("★" in after[row] for row in changed)
    assert not table["name"].str.contains(RATING_WORDS, case=False).any()
    # Its columns of bedrooms and bathrooms may be empty.
    assert table[["bedrooms", "bathrooms", "bathroom_shared"]].isna().mean().max() < 0.02


def test_films_have_all_events_and_the_split_is_leave_one_out(real_data, tmp_path):
    import_market("movielens-1m", real_data / "movielens-1m", tmp_path / "market")
    market = Market.open(tmp_path / "market")
    history = raw(real_data / "movielens-1m" / "events.csv.gz")
    assert len(market.events) == len(history) == 1_000_209 and len(market.photos) == 3256
    log = EventLog.from_market(market)
    split = make_split(log, Catalogue(*market.live_interval()))
    for queries, part in ((split.valid, "val"), (split.test, "test")):
        users, listings = (
            market.events[name].to_numpy()[queries.event] for name in ("user_id", "listing_id")
        )
        expected = {(row["user_id"], row["item_id"]) for row in history if row["split"] == part}
        assert set(zip(users, listings, strict=True)) == expected


def test_amazon_has_every_event_in_its_order(real_data, tmp_path):
    folder = real_data / "amazon-scientific"
    import_market("unisrec", folder, tmp_path / "market")
    market = Market.open(tmp_path / "market")
    items, users = (
        dict(
            line.split("\t")[::-1] for line in (folder / f"Scientific.{kind}2index").read_text().splitlines()
        )
        for kind in ("item", "user")
    )
    events = market.events
    assert (len(market.listings), events["user_id"].nunique(), len(events)) == (4385, 8442, 59_427)
    assert market.listings["listing_id"].tolist() == sorted(items.values())
    sequences = events.groupby("user_id")["listing_id"].apply(list)
    for part, cut in (("test", 1), ("valid", 2)):
        for line in (folder / f"Scientific.{part}.inter").read_text().splitlines()[1:]:
            user, history, item = line.split("\t")
            sequence = sequences[users[user]]
            assert sequence[-cut] == items[item]
            assert sequence[:-cut][-50:] == [items[number] for number in history.split()]


class Coarse:
    """Another scorer, rounded until many of its scores are equal."""

    def __init__(self, scorer, digits: int) -> None:
        self.scorer, self.digits, self.name = scorer, digits, f"coarse {scorer.name}"

    def score(self, batch: Queries) -> np.ndarray:
        return np.round(self.scorer.score(batch), self.digits)


def others(log: EventLog, split: Split) -> list:
    interactions = Interactions.of(log, split.train)
    return [ItemKNN.fit(interactions), Coarse(Ease.fit(interactions), 2)]


def test_agrees_on_an_airbnb_market_by_time(real_data, tmp_path):
    import_market("inside-airbnb", real_data / "inside-airbnb" / "albany-2024-11", tmp_path / "albany")
    assert_agrees(Market.open(tmp_path / "albany"), others, days=120, batch=100)


def test_agrees_on_a_part_of_movielens_with_the_last_event_left_out(real_data, tmp_path):
    source = real_data / "movielens-1m"
    part = tmp_path / "part"
    part.mkdir()
    shutil.copy(source / "items.csv", part)
    pd.DataFrame({"item_id": [], "path": []}).to_csv(part / "photos.csv", index=False)
    events = pd.read_csv(source / "events.csv.gz")
    some = events["user_id"].drop_duplicates().sample(150, random_state=0)
    events[events["user_id"].isin(some)].to_csv(part / "events.csv.gz", index=False)
    import_market("movielens-1m", part, tmp_path / "market")
    assert_agrees(Market.open(tmp_path / "market"), others, days=120, batch=100)
