"""Importers of public data sets on small sources: what each column becomes, and sources with missing or invalid files."""

import gzip
import shutil

import pandas as pd
import pytest

from helpers.commands import vibes
from listing_vibes.errors import VibesError
from listing_vibes.market.importers import IMPORTERS, import_market
from listing_vibes.market.listings_table import leaks_by_text
from listing_vibes.market.market import Market

AIRBNB = """id,name,description,host_id,host_name,host_is_superhost,neighbourhood_cleansed,latitude,longitude,room_type,\
accommodates,bathrooms,bathrooms_text,bedrooms,amenities,price,instant_bookable,number_of_reviews,review_scores_rating,\
availability_365,estimated_revenue_l365d,calendar_last_scraped,license,column_of_2031
11,Home in Ulm · ★4.87 · 3 bedrooms · 1 bath,"Quiet<br />and <b>light</b> &amp; dry",7,Ann,t,East,48.4,10.0,Entire home/apt,\
4,,1.5 shared baths,,"[""Wifi"", ""Hot tub""]","$1,200.00",t,99,4.87,12,5000,2024-01-06,,x
12,Loft in Ulm · ★New · Studio,,8,Bob,f,West,48.5,10.1,Private room,2,,Half-bath,,[],,f,0,,300,0,2024-01-06,,y
13,★New York style flat,,8,Bob,f,West,48.5,10.1,Private room,2,2.0,1 bath,4.0,[],$80.00,f,0,,300,0,2024-01-06,,y
"""
REVIEWS = """listing_id,id,date,reviewer_id,reviewer_name,comments
11,1,2023-05-01,u1,Eve,fine
11,1,2023-05-01,u1,Eve,fine
12,2,2023-05-02,u2,Sue,good
99,3,2023-05-03,u2,Sue,gone
"""
ARTICLE = "{},{},{},253,{},Upper,1,Solid,9,Black,4,Dark,5,Black,16,Basic,A,Ladieswear,1,Ladieswear,16,Everyday,10,Jersey,{}\n"
ARTICLES = (
    "article_id,product_code,prod_name,product_type_no,product_type_name,product_group_name,graphical_appearance_no,"
    "graphical_appearance_name,colour_group_code,colour_group_name,perceived_colour_value_id,"
    "perceived_colour_value_name,perceived_colour_master_id,perceived_colour_master_name,department_no,department_name,"
    "index_code,index_name,index_group_no,index_group_name,section_no,section_name,garment_group_no,garment_group_name,"
    "detail_desc\n"
    + ARTICLE.format("0108775015", "108775", "Strap top", "Vest", "A jersey top.")
    + ARTICLE.format("0108775044", "108775", "Strap top", "Vest", "")
    + ARTICLE.format("0110065001", "110065", "OP T-shirt", "Bra", "A bra.")
)
BOUGHT = """t_dat,customer_id,article_id,price,sales_channel_id
2020-09-16,anna,0108775015,0.01,2
2020-09-16,anna,0108775044,0.01,2
2020-09-17,bert,0108775015,0.01,1
"""
FILMS = """item_id,ml_title,ml_genres,imdb_id,title,year,rated,released,runtime,genre,director,writer,actors,plot,\
language,country,production
1,"Bug's Life, A (1998)",Animation|Comedy,tt1,A Bug's Life,1998,G,25 Nov 1998,95 min,"Animation, Family",\
"John Lasseter, Andrew Stanton(co-director)","Joe Ranft (story by), Joe Ranft (screenplay by)","a, b, c, d, e, f, g",\
"Ants, and grasshoppers.","English, French",USA,
2,Serial (1990),Drama,tt2,Serial,1990–1991,NOT RATED,,,,,,,,,,
"""
BASKETS = "transactions_train.csv"
#: The files of each source, text or bytes by path.
SOURCES = {
    "inside-airbnb": {"listings.csv": AIRBNB, "reviews.csv.gz": gzip.compress(REVIEWS.encode())},
    "hm": {
        "articles.csv.gz": gzip.compress(ARTICLES.encode()), BASKETS: BOUGHT, "images/010/0108775015.webp": "0108775015",
        "images/010/0108775044.jpg": "0108775044", "images/011/0110065001.jpg": "0110065001",
    },
    "movielens-1m": {
        "items.csv": FILMS, "events.csv": "user_id,item_id,position,split\n5,2,1,test\n5,1,0,train\n",
        "photos.csv": "item_id,path\n1,photos/1.jpg\n", "photos/1.jpg": "poster",
    },
}  # fmt: skip


@pytest.fixture
def source(tmp_path):
    """`source("hm", **{"articles.csv.gz": None})`: the folder of a source with other files, or without one."""

    def write(name, **changes):
        folder = tmp_path / "source" / name
        for path, content in (SOURCES[name] | changes).items():
            file = folder / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.unlink(missing_ok=True)
            if content is not None:
                file.write_bytes(content if isinstance(content, bytes) else content.encode())
        return folder

    return write


@pytest.fixture
def imported(source, tmp_path):
    """`imported("movielens-1m")`: the market of a source, opened."""

    def run(name, path="", **changes):
        import_market(name, source(name, **changes) / path, tmp_path / "market")
        return Market.open(tmp_path / "market")

    return run


def test_an_airbnb_snapshot_becomes_a_market(imported):
    market = imported("inside-airbnb")
    first, second, third = (row for _, row in market.listings.iterrows())
    assert (first["name"], first["description"]) == (
        "Home in Ulm · 3 bedrooms · 1 bath",
        "Quiet and light & dry",
    )
    assert first[["price", "bedrooms", "bathrooms", "bathroom_shared"]].tolist() == [1200, 3, 1.5, True]
    assert first["amenities"] == ["Wifi", "Hot tub"]
    assert second[["name", "bedrooms", "bathrooms"]].tolist() == ["Loft in Ulm · Studio", 0, 0.5]
    assert third[["name", "bedrooms", "bathrooms"]].tolist() == ["★New York style flat", 4, 2]
    assert (market.config.currency, market.config.title) == ("$", "name")
    assert market.name == "Homes of inside-airbnb (Inside Airbnb)"
    assert len(pd.read_parquet(market.path / "events.parquet")) == 4  # the check counts, nothing is lost
    assert market.events["user_id"].tolist() == ["u1", "u1", "u2"] and market.issues[-1].value == "99"
    assert {
        "number_of_reviews", "review_scores_rating", "availability_365", "estimated_revenue_l365d", "host_is_superhost",
        "calendar_last_scraped", "license", "column_of_2031",
    } <= set(market.config.excluded)  # fmt: skip
    assert {attribute.name for attribute in market.attributes} == {
        "name", "description", "host_id", "neighbourhood_cleansed", "room_type", "accommodates", "bathrooms",
        "bathroom_shared", "bedrooms", "amenities", "price", "instant_bookable", "place",
    }  # fmt: skip
    assert leaks_by_text(market.listings[["name"]]) == []
    assert "host_name" not in pd.read_parquet(market.path / "listings.parquet").columns


def test_invalid_prices_and_dates_of_a_snapshot_are_issues_of_the_market(imported):
    reviews = gzip.compress(REVIEWS.replace("2023-05-02", "last May").encode())
    market = imported(
        "inside-airbnb", **{"listings.csv": AIRBNB.replace("$80.00", "eighty"), "reviews.csv.gz": reviews}
    )
    values = {(issue.column, issue.row, issue.value) for issue in market.issues}
    assert {("price", 3, "eighty"), ("timestamp", 3, "last May")} <= values


def test_films_become_a_market(imported):
    market = imported("movielens-1m")
    film = market.listings.iloc[0]
    assert film[["title", "year", "runtime"]].tolist() == ["A Bug's Life", 1998, 95]
    assert film["genres"] == ["Animation", "Comedy"] and film["director"] == [
        "John Lasseter",
        "Andrew Stanton",
    ]
    assert film["writer"] == ["Joe Ranft"] and film["actors"] == ["a", "b", "c", "d", "e"]
    assert market.listings.loc[1, ["year", "rated"]].tolist() == [1990, "Not Rated"]
    assert market.listings["production"].isna().all()
    assert market.events["listing_id"].tolist() == ["1", "2"] and not market.timed
    assert {"imdb_id", "released", "genre", "ml_title"} == set(market.config.excluded)
    assert (market.path / "photos" / "1.jpg").read_bytes() == b"poster"


def test_purchases_become_a_market_without_unsold_articles(imported, source, tmp_path):
    market = imported("hm", BASKETS)
    assert market.listings["listing_id"].tolist() == ["0108775015", "0108775044"]
    assert market.listings["product_code"].tolist() == ["108775", "108775"]
    kinds = {attribute.name: attribute.kind for attribute in market.attributes}
    assert kinds.pop("prod_name") == kinds.pop("description") == "text" and set(kinds.values()) == {
        "category"
    }
    assert "colour_group_name" in kinds and not any(name.endswith(("_no", "_id")) for name in kinds)
    assert market.photos["path"].tolist() == ["images/010/0108775015.webp", "images/010/0108775044.jpg"]
    assert (market.path / "images/010/0108775044.jpg").read_bytes() == b"0108775044"
    assert not (market.path / "images/011").exists() and market.issues == []
    assert market.events["user_id"].tolist() == ["anna", "anna", "bert"]  # a day is one moment
    days = pd.to_datetime(["2020-09-16", "2020-09-16", "2020-09-17"], utc=True)
    assert (market.events["timestamp"] == days).all()
    shop = source("hm")
    shutil.rmtree(shop / "images")
    import_market("hm", shop / BASKETS, tmp_path / "bare")
    assert len(Market.open(tmp_path / "bare").photos) == 0


HEAD = "user_id:token\titem_id_list:token_seq\titem_id:token\n"


def write_unisrec(path, train, valid, test):
    path.mkdir(exist_ok=True)
    for part, rows in (("train", train), ("valid", valid), ("test", test)):
        lines = [f"{user}\t{' '.join(map(str, history))}\t{item}\n" for user, history, item in rows]
        (path / f"Toy.{part}.inter").write_text(HEAD + "".join(lines))
    (path / "Toy.item2index").write_text("".join(f"{'ZYXWVUTS'[n]}\t{n}\n" for n in range(8)))
    (path / "Toy.user2index").write_text("ann\t0\nbob\t1\n")
    texts = "".join(f"{letter}\tThing {letter}. \n" for letter in "ZYXWVUTS")
    (path / "Toy.text").write_text("item_id:token\ttext:token_seq\n" + texts)
    return path


@pytest.mark.parametrize("order", [1, -1], ids=["forward", "backward"])
@pytest.mark.parametrize("most", [50, 3], ids=["complete", "truncated"])
def test_unisrec_histories_are_rebuilt(tmp_path, order, most):
    sequences = {0: [0, 1, 2, 1, 3, 3, 4, 5, 6, 0], 1: [7, 1, 0]}
    rows = {
        user: [(user, items[max(0, n - most) : n], items[n]) for n in range(1, len(items))]
        for user, items in sequences.items()
    }
    train = [row for user in rows for row in rows[user][:-2][::order]]
    valid, test = ([user_rows[n] for user_rows in rows.values()] for n in (-2, -1))
    import_market("unisrec", write_unisrec(tmp_path / "toy", train, valid, test), tmp_path / "market")
    market = Market.open(tmp_path / "market")
    for user, name in ((0, "ann"), (1, "bob")):
        items = market.events.loc[market.events["user_id"] == name, "listing_id"].tolist()
        assert items == ["ZYXWVUTS"[item] for item in sequences[user]]
    assert market.listings["listing_id"].tolist() == sorted("ZYXWVUTS")  # not by first occurrence
    assert market.listings["text"].iloc[0] == "Thing S."


@pytest.mark.parametrize(
    ("file", "content", "says"),
    [
        ("Toy.train.inter", "user\titem\n", r"Toy\.train\.inter"), ("Toy.valid.inter", HEAD + "0\t1\n", r"Toy\.valid\.inter"),
        ("Toy.test.inter", HEAD + "0\t0 1 2\t99\n", r"Toy\.item2index.*99"), ("Toy.test.inter", HEAD + "7\t0 1 2\t3\n", r"Toy\.user2index.*7"),
        ("Toy.test.inter", HEAD + "0\t0 3 2\t4\n", "user 0"), ("Toy.item2index", "Z 0\n", r"Toy\.item2index"),
        ("Toy.text", b"item_id:token\ttext:token_seq\nZ\tcaf\xe9\n", r"Toy\.text"), ("Toy.text", None, r"Toy\.text"), ("Toy.train.inter", None, "none"),
        ("Other.train.inter", HEAD, "Other, Toy"),
    ],
)  # fmt: skip
def test_an_invalid_unisrec_file_is_named(tmp_path, file, content, says):
    path = write_unisrec(tmp_path / "toy", [(0, [0], 1)], [(0, [0, 1], 2)], [(0, [0, 1, 2], 3)])
    if content is None:
        (path / file).unlink()
    else:
        (path / file).write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(VibesError, match=says):
        import_market("unisrec", path, tmp_path / "market")
    assert not (tmp_path / "market").exists()


@pytest.mark.parametrize(
    ("name", "file", "column"),
    [
        ("inside-airbnb", "listings.csv", "host_id"), ("inside-airbnb", "reviews.csv.gz", "reviewer_id"), ("hm", "articles.csv.gz", "detail_desc"), ("movielens-1m", "items.csv", "plot"),
        ("movielens-1m", "events.csv", "position"),
    ],
)  # fmt: skip
def test_a_missing_file_or_column_is_one_sentence(source, tmp_path, name, file, column):
    folder, is_packed = source(name), file.endswith("gz")
    content = (folder / file).read_bytes()
    content = (gzip.decompress(content) if is_packed else content).replace(column.encode(), b"renamed", 1)
    (folder / file).write_bytes(gzip.compress(content) if is_packed else content)
    path = folder / BASKETS if name == "hm" else folder
    with pytest.raises(VibesError, match=rf"{file} lacks the column {column}"):
        import_market(name, path, tmp_path / "market")
    (folder / file).unlink()
    with pytest.raises(VibesError, match=rf"holds no {file.split('.')[0]}\.csv\.gz or"):
        import_market(name, path, tmp_path / "market")
    assert not (tmp_path / "market").exists()


@pytest.mark.parametrize(
    ("changes", "path", "says"),
    [({BASKETS: BOUGHT.replace(",01", ",77")}, BASKETS, "no purchase of an article"), ({}, "", "give a file of purchases in it"),
     ({}, "articles.csv.gz", "lacks the column customer_id")],
)  # fmt: skip
def test_purchases_of_another_source_are_refused(source, tmp_path, changes, path, says):
    with pytest.raises(VibesError, match=says):
        import_market("hm", source("hm", **changes) / path, tmp_path / "market")
    assert not (tmp_path / "market").exists()


def test_an_unknown_source_or_folder_and_a_target_with_other_content_are_refused(source, tmp_path):
    with pytest.raises(VibesError, match=f"no source 'ebay'; choose one of {', '.join(IMPORTERS)}"):
        import_market("ebay", tmp_path, tmp_path / "market")
    for name in set(IMPORTERS) - {"sql"}:
        with pytest.raises(VibesError, match=r"There is no (folder )?.*nowhere"):
            import_market(name, tmp_path / "nowhere", tmp_path / "market")
    films, airbnb = source("movielens-1m"), source("inside-airbnb")
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "letter.txt").write_text("dear")
    before = {file: file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()}
    for target, overwrite in (
        (films / "items.csv", False), (films, True), (airbnb, False), (tmp_path / "home", True),  # a folder of raw tables may look like a market
    ):  # fmt: skip
        with pytest.raises(VibesError, match=r"is a file|holds the files of|holds (no|a) market"):
            import_market("movielens-1m", films, target, overwrite=overwrite)
    assert {file: file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()} == before


def test_a_market_is_imported_again_only_with_overwrite(imported, source):
    market = imported("movielens-1m")
    done = vibes("import", "movielens-1m", source("movielens-1m"), market.path, check=2)
    assert "--overwrite" in done.stderr and Market.open(market.path).fingerprint == market.fingerprint
    vibes("import", "movielens-1m", source("movielens-1m"), market.path, "--overwrite")
    assert len(Market.open(market.path).photos) == 1
