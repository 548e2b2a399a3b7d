"""Importers on small hand-written sources: what each column becomes, and sources that are not what they should be."""

import gzip

import pandas as pd
import pytest

from helpers.commands import vibes
from listing_vibes.errors import VibesError
from listing_vibes.market.importers import IMPORTERS, import_market
from listing_vibes.market.importers.inside_airbnb import (
    ATTRIBUTES,
    bathrooms,
    excluded_columns,
    without_rating,
)
from listing_vibes.market.leaks import leaks_by_text
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


@pytest.fixture
def airbnb(tmp_path):
    path = tmp_path / "ulm-2024-01"
    path.mkdir()
    (path / "listings.csv").write_text(AIRBNB)
    (path / "reviews.csv.gz").write_bytes(gzip.compress(REVIEWS.encode()))
    return path


def test_an_airbnb_snapshot_becomes_a_market(airbnb, tmp_path):
    import_market("inside-airbnb", airbnb, tmp_path / "market")
    market = Market.open(tmp_path / "market")
    first, second, third = (row for _, row in market.listings.iterrows())
    assert first["name"] == "Home in Ulm · 3 bedrooms · 1 bath"
    assert first["description"] == "Quiet and light & dry"
    assert (first["price"], first["bedrooms"], first["bathrooms"], first["bathroom_shared"]) == (
        1200,
        3,
        1.5,
        True,
    )
    assert first["amenities"] == ["Wifi", "Hot tub"]
    assert (second["name"], second["bedrooms"], second["bathrooms"]) == ("Loft in Ulm · Studio", 0, 0.5)
    assert (third["name"], third["bedrooms"], third["bathrooms"]) == ("★New York style flat", 4, 2)
    assert market.config.currency == "$"
    assert market.name == "Homes of ulm-2024-01 (Inside Airbnb)"
    assert market.config.title == "name"
    assert pd.read_parquet(tmp_path / "market" / "events.parquet").shape == (
        4,
        3,
    )  # the check counts, nothing is lost
    assert market.events["user_id"].tolist() == ["u1", "u1", "u2"]
    assert "'99' is not a listing of this market" in str(market.defects[-1])


def test_what_leaks_or_is_unknown_in_a_snapshot_is_excluded_by_rule(airbnb, tmp_path):
    import_market("inside-airbnb", airbnb, tmp_path / "market")
    market = Market.open(tmp_path / "market")
    assert {
        "number_of_reviews", "review_scores_rating", "availability_365", "estimated_revenue_l365d", "host_is_superhost",
        "calendar_last_scraped", "license", "column_of_2031",
    } <= set(market.config.excluded)  # fmt: skip
    assert {attribute.name for attribute in market.attributes} == {
        "name", "description", "host_id", "neighbourhood_cleansed", "room_type", "accommodates", "bathrooms",
        "bathroom_shared", "bedrooms", "amenities", "price", "instant_bookable", "place",
    }  # fmt: skip
    assert leaks_by_text(market.listings[["name"]]) == []
    assert "host_name" not in pd.read_parquet(tmp_path / "market" / "listings.parquet").columns


def test_the_rules_stand_above_the_list_of_attributes(monkeypatch):
    monkeypatch.setitem(ATTRIBUTES, "review_scores_rating", ATTRIBUTES["price"])
    assert excluded_columns(["id", "price", "review_scores_rating"]) == ["review_scores_rating"]


def test_a_price_or_date_that_is_none_is_kept_for_the_check(airbnb, tmp_path):
    (airbnb / "listings.csv").write_text(AIRBNB.replace("$80.00", "eighty"))
    (airbnb / "reviews.csv.gz").write_bytes(gzip.compress(REVIEWS.replace("2023-05-02", "last May").encode()))
    import_market("inside-airbnb", airbnb, tmp_path / "market")
    told = "\n".join(map(str, Market.open(tmp_path / "market").defects))
    assert "column price, row 3: 'eighty' is not a finite number; treated as missing" in told
    assert "column timestamp, row 3: 'last May' is not an unambiguous date" in told


@pytest.mark.parametrize(
    ("name", "clean"),
    [
        ("Home in Albany · ★4.40 · 2 beds", "Home in Albany · 2 beds"), ("Home · ★New", "Home"), ("★5.0 · Home", "Home"),
        ("★ CHIC · loft", "★ CHIC · loft"), ("★4 rooms by the sea", "★4 rooms by the sea"), (" Home ", " Home "),
    ],
)  # fmt: skip
def test_ratings_leave_the_name_and_nothing_else_does(name, clean):
    assert without_rating(name) == clean


def test_bathrooms_in_words():
    texts = pd.Series(["1 bath", "2.5 shared baths", "1 private bath", "Shared half-bath", "0 baths", None])
    counts, shared = bathrooms(texts)
    assert counts.fillna(-1).tolist() == [1, 2.5, 1, 0.5, 0, -1]
    assert shared.tolist()[:5] == [False, True, False, True, False]
    assert shared.isna().tolist() == [False] * 5 + [True]


@pytest.fixture
def houses(tmp_path):
    path = tmp_path / "houses"
    (path / "photos").mkdir(parents=True)
    (path / "houses.csv").write_text(
        "item_id,bedrooms,bathrooms,area_sqft,zipcode,price_usd\n1,4,2.5,4053,08525,869500\n"
    )
    rooms = ("bathroom", "bedroom", "frontal", "kitchen")
    (path / "photos.csv").write_text(
        "item_id,path,room\n" + "".join(f"1,photos/1_{room}.jpg,{room}\n" for room in rooms)
    )
    for room in rooms:
        (path / "photos" / f"1_{room}.jpg").write_bytes(room.encode())
    return path


def test_houses_become_a_market_whose_cover_is_the_front(houses, tmp_path):
    import_market("houses", houses, tmp_path / "market")
    market = Market.open(tmp_path / "market")
    assert market.listings.loc[0, ["zipcode", "price_usd", "bathrooms"]].tolist() == ["08525", 869500, 2.5]
    assert [(a.name, a.kind, a.label) for a in market.attributes][-1] == ("zipcode", "category", "ZIP code")
    assert market.cover == {"1": "photos/1_frontal.jpg"}
    assert market.photos["path"].tolist() == [
        f"photos/1_{room}.jpg" for room in ("frontal", "kitchen", "bedroom", "bathroom")
    ]
    assert (tmp_path / "market" / "photos" / "1_kitchen.jpg").read_bytes() == b"kitchen"
    assert len(market.events) == 0


FILMS = """item_id,ml_title,ml_genres,imdb_id,title,year,rated,released,runtime,genre,director,writer,actors,plot,\
language,country,production
1,"Bug's Life, A (1998)",Animation|Comedy,tt1,A Bug's Life,1998,G,25 Nov 1998,95 min,"Animation, Family",\
"John Lasseter, Andrew Stanton(co-director)","Joe Ranft (story by), Joe Ranft (screenplay by)","a, b, c, d, e, f, g",\
"Ants, and grasshoppers.","English, French",USA,
2,Serial (1990),Drama,tt2,Serial,1990–1991,NOT RATED,,,,,,,,,,
"""


@pytest.fixture
def movielens(tmp_path):
    path = tmp_path / "ml"
    (path / "photos").mkdir(parents=True)
    (path / "items.csv").write_text(FILMS)
    (path / "events.csv").write_text("user_id,item_id,position,split\n5,2,1,test\n5,1,0,train\n")
    (path / "photos.csv").write_text("item_id,path\n1,photos/1.jpg\n")
    (path / "photos" / "1.jpg").write_bytes(b"poster")
    return path


def test_films_become_a_market(movielens, tmp_path):
    import_market("movielens-1m", movielens, tmp_path / "market")
    market = Market.open(tmp_path / "market")
    film = market.listings.iloc[0]
    assert (film["title"], film["year"], film["runtime"]) == ("A Bug's Life", 1998, 95)
    assert film["genres"] == ["Animation", "Comedy"]
    assert film["director"] == ["John Lasseter", "Andrew Stanton"]
    assert film["writer"] == ["Joe Ranft"]
    assert film["actors"] == ["a", "b", "c", "d", "e"]
    assert film["language"] == ["English", "French"]
    assert market.listings.loc[1, ["year", "rated"]].tolist() == [1990, "Not Rated"]
    assert market.listings["production"].isna().all()
    assert market.events["listing_id"].tolist() == ["1", "2"]
    assert list(market.events.columns) == ["user_id", "listing_id", "position"]
    assert {"imdb_id", "released", "genre", "ml_title"} == set(market.config.excluded)
    assert (tmp_path / "market" / "photos" / "1.jpg").read_bytes() == b"poster"


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
@pytest.mark.parametrize("most", [50, 3], ids=["whole", "truncated"])
def test_unisrec_histories_are_put_together_again(tmp_path, order, most):
    sequences = {0: [0, 1, 2, 1, 3, 3, 4, 5, 6, 0], 1: [7, 1, 0]}
    rows = {
        user: [(user, items[max(0, n - most) : n], items[n]) for n in range(1, len(items))]
        for user, items in sequences.items()
    }
    train = [row for user in rows for row in rows[user][:-2][::order]]
    path = write_unisrec(
        tmp_path / "toy", train, [r[-2] for r in rows.values()], [r[-1] for r in rows.values()]
    )
    import_market("unisrec", path, tmp_path / "market")
    market = Market.open(tmp_path / "market")
    for user, name in ((0, "ann"), (1, "bob")):
        found = market.events.loc[market.events["user_id"] == name, "listing_id"].tolist()
        assert found == ["ZYXWVUTS"[item] for item in sequences[user]]
    assert market.listings["listing_id"].tolist() == sorted("ZYXWVUTS")  # not by first appearance
    assert market.listings["text"].iloc[0] == "Thing S."


def test_unisrec_rows_that_contradict_each_other_are_one_sentence(tmp_path):
    path = write_unisrec(tmp_path / "toy", [(0, [0], 1)], [(0, [0, 1], 2)], [(0, [0, 3, 2], 4)])
    with pytest.raises(VibesError, match="user 0"):
        import_market("unisrec", path, tmp_path / "market")


@pytest.mark.parametrize(
    ("file", "content", "named"),
    [
        ("Toy.train.inter", "user\titem\n", r"Toy\.train\.inter"),
        ("Toy.valid.inter", HEAD + "0\t1\n", r"Toy\.valid\.inter"),
        ("Toy.test.inter", HEAD + "0\t0 1 2\t99\n", r"Toy\.item2index lacks the number 99"),
        ("Toy.test.inter", HEAD + "7\t0 1 2\t3\n", r"Toy\.user2index lacks the number 7"),
        ("Toy.item2index", "Z 0\n", r"Toy\.item2index"),
        ("Toy.text", b"item_id:token\ttext:token_seq\nZ\tcaf\xe9\n", r"Toy\.text"),
        ("Toy.text", None, r"Toy\.text"),
        ("Toy.train.inter", None, r"none"),
        ("Other.train.inter", HEAD, "Other, Toy"),
    ],
)
def test_a_garbled_unisrec_file_is_named(tmp_path, file, content, named):
    path = write_unisrec(tmp_path / "toy", [(0, [0], 1)], [(0, [0, 1], 2)], [(0, [0, 1, 2], 3)])
    if content is None:
        (path / file).unlink()
    else:
        (path / file).write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(VibesError, match=named):
        import_market("unisrec", path, tmp_path / "market")
    assert not (tmp_path / "market").exists()


@pytest.mark.parametrize(
    ("source", "file", "column"),
    [
        ("inside-airbnb", "listings.csv", "host_id"), ("inside-airbnb", "reviews.csv.gz", "reviewer_id"),
        ("houses", "houses.csv", "zipcode"), ("houses", "photos.csv", "room"),
        ("movielens-1m", "items.csv", "plot"), ("movielens-1m", "events.csv", "position"),
    ],
)  # fmt: skip
def test_a_missing_file_or_column_is_one_sentence(request, tmp_path, source, file, column):
    path = request.getfixturevalue(
        {"inside-airbnb": "airbnb", "movielens-1m": "movielens"}.get(source, source)
    )
    read = gzip.decompress if file.endswith("gz") else bytes
    content = read((path / file).read_bytes()).replace(column.encode(), b"renamed", 1)
    (path / file).write_bytes(gzip.compress(content) if file.endswith("gz") else content)
    with pytest.raises(VibesError, match=rf"{file} lacks the column '{column}'"):
        import_market(source, path, tmp_path / "market")
    (path / file).unlink()
    with pytest.raises(VibesError, match=rf"holds no {file.split('.')[0]}\.csv\.gz or"):
        import_market(source, path, tmp_path / "market")
    assert not (tmp_path / "market").exists()


def test_an_unknown_source_or_folder_is_one_sentence(tmp_path):
    with pytest.raises(VibesError, match=f"no source 'ebay'; choose one of {', '.join(IMPORTERS)}"):
        import_market("ebay", tmp_path, tmp_path / "market")
    for source in set(IMPORTERS) - {"sql"}:
        with pytest.raises(VibesError, match=r"There is no (folder )?.*nowhere"):
            import_market(source, tmp_path / "nowhere", tmp_path / "market")


def test_a_target_that_holds_something_else_is_refused(houses, airbnb, tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(VibesError, match="is a file"):
        import_market("houses", houses, tmp_path / "file")
    for source, folder in (("houses", houses), ("inside-airbnb", airbnb)):
        before = {file: file.read_bytes() for file in folder.rglob("*") if file.is_file()}
        for place in {airbnb, houses} - {folder}:  # a folder of raw tables may look like a market
            with pytest.raises(VibesError, match=r"holds (no|a) market"):
                import_market(source, folder, place)
        with pytest.raises(VibesError, match="holds the files of"):
            import_market(source, folder, folder, overwrite=True)
        assert {file: file.read_bytes() for file in folder.rglob("*") if file.is_file()} == before
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "letter.txt").write_text("dear")
    with pytest.raises(VibesError, match="is not empty and holds no market"):
        import_market("houses", houses, tmp_path / "home")


def test_a_market_is_imported_again_only_with_overwrite(houses, tmp_path):
    import_market("houses", houses, tmp_path / "market")
    before = Market.open(tmp_path / "market").fingerprint
    done = vibes("import", "houses", houses, tmp_path / "market", check=2)
    assert "holds a market" in done.stderr and "--overwrite" in done.stderr
    assert Market.open(tmp_path / "market").fingerprint == before
    vibes("import", "houses", houses, tmp_path / "market", "--overwrite")
    assert len(Market.open(tmp_path / "market").photos) == 4
