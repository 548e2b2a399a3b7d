"""Invalid headers and rows of the three tables: an error of one sentence, or counted and skipped."""

import uuid

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from listing_vibes.errors import VibesError
from listing_vibes.market.attribute_types import type_of
from listing_vibes.market.log import EventLog
from listing_vibes.market.market import Market
from listing_vibes.market.photo_files import leaves_market

LISTINGS = "listing_id,price,town\na,10,Ulm\nb,20,Bonn\nc,30,Ulm\n"
EVENTS = "user_id,listing_id,timestamp,action\n1,a,2024-01-03,view\n1,b,2024-01-04,hide\n2,b,2024-02-02,dismiss\n"  # fmt: skip


def issues(market: Market) -> list[tuple[str, int, str, int]]:
    return [(issue.column, issue.row, issue.value, issue.count) for issue in market.issues]


@pytest.mark.parametrize(
    ("tables", "says"),
    [
        ({"listings": "Preis,ID\n1,a\n"}, r"listings\.csv lacks the column listing_id .it has Preis, ID."),
        ({"listings": "listing_id,price\na,1\nb,2\n a ,3\n"}, r"1 id .* 'a' \(rows 1 and 3\)"), ({"listings": "listing_id,price\na,1\n,2\n"}, "row 2"),
        ({"listings": "listing_id,price\n"}, "no listing"),
        ({"toml": "[attributes.rooms]\nkind = 'number'"}, "'rooms'"), ({"toml": "title = 'headline'"}, "'headline'"),
        ({"toml": "[attributes.town]\nkind = 'place'"}, "latitude and longitude"), ({"toml": "titel = 'name'"}, "unknown key 'titel'; write 'title'"),
        ({"toml": "[attributes.price]\nkind = 'text'\ndecimal = ','"}, "decimal"), ({"toml": "excluded = 'rating'"}, "'excluded' is 'rating'"),
        ({"toml": "[attributes.price]\nkind = 'number'\nunits = 'EUR'"}, r"unknown key 'attributes\.price\.units'"),
        ({"toml": "[attributes.price]\nkind = 'money'"}, r"'attributes\.price\.kind' is 'money'.*'category'"),
        ({"toml": "[attributes.price]\nkind = 'number'\nseparator = ';'"}, "'number'"), ({"toml": "actions = ['view', 'view']"}, "'view'"),
        ({"events": "user,listing_id,timestamp\nu,a,2024-01-01\n"}, r"events\.csv lacks the column user_id"),
        ({"events": "user_id,item,timestamp\nu,a,2024-01-01\n"}, r"events\.csv lacks the column listing_id"),
        ({"events": "user_id,listing_id,when\nu,a,2024-01-01\n"}, "lacks the column timestamp or position"),
        ({"photos": "listing_id,file\na,x.jpg\n"}, r"photos\.csv lacks the column path or url"),
        ({"events": EVENTS, "toml": "unwanted = ['Hides']"}, "'Hides' as unwanted, .* not 'hide'"),
        ({"events": EVENTS, "toml": "unwanted = ['view', 'hide', 'dismiss']"}, "all actions"),
    ],
)  # fmt: skip
def test_tables_that_cannot_be_used_are_one_sentence(folder, tables, says):
    with pytest.raises(VibesError, match=says) as caught:
        Market.open(folder(**{"listings": LISTINGS, **tables}))
    assert "\n" not in str(caught.value)


def test_numbers_flags_dates_and_coordinates_that_are_none_are_counted(folder):
    rows = [
        'a,"$1,200.00",t,2024-01-01,53.5,10.0', "b,inf,perhaps,soon,91,10", "c,NaN,,,53.5,181", "d,,f,2024-05-01,x,", "e,12.5,t,,1,1", "f,cheap,t,,1,1",
    ]  # fmt: skip
    toml = "[attributes.price]\nkind = 'number'\n[attributes.pets]\nkind = 'flag'"
    listings = "listing_id,price,pets,published_at,latitude,longitude\n" + "\n".join(rows) + "\n"
    market = Market.open(folder(toml, listings=listings))
    assert market.listings["price"].fillna(-1).tolist() == [1200, -1, -1, -1, 12.5, -1]
    assert market.listings["pets"].isna().tolist() == [False, True, True, False, False, False]
    assert market.listings["latitude"].notna().tolist() == [True, False, True, False, True, True]
    assert issues(market) == [
        ("price", 2, "inf", 3), ("pets", 2, "perhaps", 1), ("published_at", 2, "soon", 1), ("latitude", 2, "91", 2), ("longitude", 3, "181", 1),
    ]  # fmt: skip
    assert str(market.issues[0]).startswith("listings.csv, column price, row 2: 'inf' is not")
    assert [attribute.kind for attribute in market.attributes] == ["number", "flag", "place"]


@pytest.mark.parametrize(
    ("separator", "cell"), [(";", "S; M;;L"), (",", "S, M,L"), (" / ", "S / M / L"), ("|", "S|M | L")]
)
def test_a_set_is_split_by_the_separator_of_market_toml(folder, separator, cell):
    toml = f'[attributes.sizes]\nseparator = "{separator}"\n'
    market = Market.open(folder(toml=toml, listings=f'listing_id,sizes\na,"{cell}"\nb,M\nc,\n'))
    assert market.listings["sizes"].tolist() == [["S", "M", "L"], ["M"], None]
    assert [attribute.kind for attribute in market.attributes] == ["multi"] and not market.issues


@pytest.mark.parametrize(
    "form", ["{0}k-{1}k", '"£{0},000 - £{1},000"', "{0} kW ({1} PS)", "~{0}", "{0} x {1} x 5 cm", "1.{0}万円", "ask us|{0}", '"{0}.234,50"']
)  # fmt: skip
def test_figures_that_are_no_numbers_are_words_with_one_hint(folder, form):
    cells = [form.format(i % 40 + 20, i % 40 + 30).split("|")[0 if i % 3 == 1 else -1] for i in range(90)]
    path = folder(listings="listing_id,size\n" + "".join(f"a{i},{cell}\n" for i, cell in enumerate(cells)))
    market = Market.open(path)
    (hint,) = market.issues
    unread = [cell.strip('"') for cell in dict.fromkeys(cells) if "|" not in form or cell == "ask us"][:3]
    assert (hint.column, hint.row) == ("size", 0) and all(f"'{cell}'" in hint.message for cell in unread)
    assert [attribute.kind for attribute in market.attributes] == ["category"]
    (path / "market.toml").write_text('[attributes."size"]\ndecimal = ","\n')
    assert [attribute.kind for attribute in Market.open(path).attributes] == ["number"]


@pytest.mark.parametrize(
    "form", ["X{0}", "{0}", "3fa{0}c{0}", "Ulm, house {0}", "2024-03-{0}", "{0} Oak Street"]
)
def test_codes_words_and_dates_have_no_hint(folder, form):
    rows = "".join(f'a{i},"{form.format(i % 18 + 10)}"\n' for i in range(90))
    issues = Market.open(folder(listings="listing_id,code\n" + rows)).issues
    assert not [issue for issue in issues if "market.toml" in issue.message]


@pytest.mark.parametrize(
    ("cells", "values", "count"), [(["1.250", "900"], [1.25, 900], 1), (["1,250", "900"], [1250, 900], 1), (["1,250.5", "900"], [1250.5, 900], 0)]
)  # fmt: skip
def test_a_decimal_mark_is_never_assumed_in_silence(folder, cells, values, count):
    path = folder(listings="listing_id,price\n" + "".join(f'a{i},"{cell}"\n' for i, cell in enumerate(cells)))
    market = Market.open(path)
    assert market.listings["price"].tolist() == values and issues(market) == [("price", 1, cells[0], 1)] * count  # fmt: skip
    for mark in (",", "."):
        (path / "market.toml").write_text(f"[attributes.price]\ndecimal = '{mark}'\n")
        assert not Market.open(path).issues


def test_dates_ids_and_row_numbers_are_no_attributes(folder):
    rows = "".join(f"{i},a{i},2024-03-{i % 30 + 1:02d} 10:{i:02d}:00,x{i},,{i % 7},{i}\n" for i in range(40))
    path = folder(listings=",listing_id,removed_at,code,description,net_area,Leistung kW\n" + rows)
    market = Market.open(path)
    assert [(item.name, item.label) for item in market.attributes] == [
        ("net_area", "Net area"), ("Leistung kW", "Leistung kW"),
    ]  # fmt: skip
    assert [issue.column for issue in market.issues] == ["Unnamed: 0", "removed_at", "code", "description"]
    (path / "market.toml").write_text('[attributes."Unnamed: 0"]\nkind = "number"\n')
    assert len(Market.open(path).attributes) == 3


def test_html_in_texts_is_removed(folder):
    cell = '<div class=""jd""><h2>The role</h2><p>We&nbsp;hire &amp; pay</p><script>var a = 1 < 2;</script></div>'
    path = folder(listings=f'listing_id,description\na,"{cell}"\nb,beds < 3 &amp; baths > 1\nc,<p></p>\n')
    text = Market.open(path).listings["description"]
    assert text.tolist()[:2] == ["The role We hire & pay", "beds < 3 &amp; baths > 1"] and text.isna()[2]
    assert text.dtype == "str" and type_of("text").parse("<b>Fine</b> flat", "", "") == "Fine flat"


def test_events_without_time_listing_or_user_are_skipped(folder):
    events = (
        "user_id,listing_id,timestamp\n"
        "u,a,2024-01-01\nu,zzz,2024-01-02\nu,b,2024-06-02\nu,c,yesterday\n,a,2024-01-03\nu,b,\nu,b,2024-06-01T00:00:00Z\n"
    )
    now = pd.Timestamp("2024-06-01", tz="UTC")  # which is not in the future
    market = Market.open(folder(listings=LISTINGS, events=events), now=now)
    assert market.events["listing_id"].tolist() == ["a", "b"]
    assert issues(market) == [
        ("timestamp", 4, "yesterday", 2), ("timestamp", 3, "2024-06-02", 1), ("listing_id", 2, "zzz", 1), ("user_id", 5, "", 1),
    ]  # fmt: skip


def test_invalid_positions_actions_and_durations_are_counted(folder):
    events = "user_id,listing_id,position\nu,a,1\nu,b,0\nu,c,1.5\nu,c,last\nu,c,\nu,c,1e300\nu,c,inf\n"
    market = Market.open(folder(listings=LISTINGS, events=events))
    assert market.events["listing_id"].tolist() == ["b", "a"] and issues(market) == [("position", 3, "1.5", 5)]  # fmt: skip
    events = (
        "user_id,listing_id,position,action,duration_s\n"
        "u,a,0,view,3\nu,b,1,stare,-1\nu,c,2,,inf\nu,c,3,save,\nu,a,4,view,x\n"
    )
    market = Market.open(folder(toml="actions = ['view', 'save']", listings=LISTINGS, events=events))
    assert market.events["action"].fillna("-").tolist() == ["view", "-", "-", "save", "view"]
    assert market.events["duration_s"].fillna(-1).tolist() == [3, -1, -1, -1, -1]
    assert issues(market) == [("action", 2, "stare", 1), ("duration_s", 2, "-1", 3)]


@pytest.mark.parametrize(
    "path", ["../secret.jpg", "photos/../../x.jpg", "/etc/passwd", "C:\\x.jpg", "c:x.jpg", "\\\\server\\x.jpg", "a\\..\\..\\x"]
)  # fmt: skip
def test_a_photo_that_leaves_the_market_is_skipped(folder, path):
    market = Market.open(folder(listings=LISTINGS, photos=f"listing_id,path\na,photos/a.jpg\nb,{path}\n"))
    assert market.photos["path"].tolist() == ["photos/a.jpg"] and leaves_market(path)
    assert issues(market) == [("path", 2, path, 1)]


def test_photos_are_sorted_and_invalid_ones_skipped(folder):
    photos = "listing_id,position,path\nb,1,b1.jpg\nb,0,b0.jpg\nzz,0,z.jpg\na,,a.jpg\na,0,\nb,x,b2.jpg\nb,0,b0.jpg\n"
    market = Market.open(folder(listings=LISTINGS, photos=photos))
    assert market.photos["path"].tolist() == ["a.jpg", "b0.jpg", "b1.jpg", "b2.jpg"]
    assert market.photos["position"].tolist() == [0, 0, 1, 2] and market.cover == {
        "a": "a.jpg",
        "b": "b0.jpg",
    }
    assert issues(market) == [("path", 5, "", 1), ("listing_id", 3, "zz", 1), ("position", 6, "x", 1)]


@pytest.mark.parametrize(
    ("toml", "wanted"),
    [(None, [True, False, True]), ("unwanted = ['dismiss']", [True, True, False]), ("unwanted = []", [True, True, True]),
     ("actions = ['view', 'dismiss']", [True, False, True])],  # an unwanted action is known without being listed
)  # fmt: skip
def test_market_toml_says_which_actions_are_unwanted(folder, toml, wanted):
    market = Market.open(folder(toml, listings=LISTINGS, events=EVENTS))
    assert EventLog.from_market(market).is_positive.tolist() == wanted and "hide" in market.valid_actions
    issues = Market.open(folder("unwanted = ['swipe']", listings=LISTINGS, events=EVENTS)).issues
    assert (issues[-1].column, issues[-1].value) == ("unwanted", "swipe")


def test_bytes_are_read_as_text_or_hexadecimal_digits(tmp_path):
    ids = [uuid.UUID(int=number * 2**90 + 255).bytes for number in range(1, 31)]
    fixed = pa.array(ids, pa.binary(16))
    homes = {"listing_id": fixed, "shape": pa.array([item * 2 for item in ids], pa.binary())}
    homes |= {
        "town": pa.array([b"Ulm", b"Bonn"] * 15, pa.binary()).dictionary_encode(),
        "price": list(range(30)),
    }
    events = {"user_id": fixed, "listing_id": fixed.dictionary_encode(), "position": list(range(30))}
    photos = {
        "listing_id": fixed,
        "path": pa.array([f"{number}.jpg".encode() for number in range(30)], pa.binary()),
    }
    for name, table in {"listings": homes, "events": events, "photos": photos}.items():
        pq.write_table(pa.table(table), tmp_path / f"{name}.parquet")
    market, digits = Market.open(tmp_path), [item.hex() for item in ids]
    assert market.listings["listing_id"].tolist() == digits
    assert set(market.events["listing_id"]) == set(market.events["user_id"]) == {*digits}
    assert market.photos["path"].tolist() == [f"{number}.jpg" for number in range(30)]
    assert [attribute.name for attribute in market.attributes] == ["town", "price"]
    assert market.listings["town"].tolist() == ["Ulm", "Bonn"] * 15
    baskets = {"user_id": ["u", "v"], "listing_id": [["a", "b"], ["b"]], "position": [1, 2]}
    pq.write_table(pa.table(baskets), tmp_path / "events.parquet")  # lists are no ids
    assert [issue.count for issue in Market.open(tmp_path).issues if issue.file == "events.parquet"] == [2]


def test_listings_that_expire_before_they_are_published_are_counted(folder):
    rows = "a,2024-01-05,1970-01-01\nb,2024-01-05,2024-01-05\nc,2024-01-05,\nd,,2024-01-01\ne,2024-01-05,2024-01-06\n"
    market = Market.open(folder(listings="listing_id,published_at,expires_at\n" + rows))
    assert issues(market) == [("expires_at", 1, "1970-01-01", 2)]


def test_ids_with_decimals_are_those_without(folder):
    events = "user_id,listing_id,position\nu,12.0,0\nu,13.0,1\nu,,2\n"
    market = Market.open(folder(listings="listing_id,price\n12,1\n13,2\n", events=events))
    assert market.events["listing_id"].tolist() == ["12", "13"]
