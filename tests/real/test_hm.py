"""H&M as the competition publishes it: counts equal the raw files, and titles are texts where nobody says so."""

import csv
import gzip
from collections import Counter

import pandas as pd
import pytest

from listing_vibes.market.attribute_types import infer_type
from listing_vibes.market.importers import import_market
from listing_vibes.market.log import EventLog
from listing_vibes.market.market import Market
from listing_vibes.market.profile import profile
from listing_vibes.market.splits import Catalogue, make_split

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
