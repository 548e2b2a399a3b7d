"""Bad rows and bad headers of the three tables: one sentence, or counted and skipped."""

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
NOW = pd.Timestamp("2024-06-01", tz="UTC")


def told(market: Market) -> str:
    return "\n".join(map(str, market.defects))


@pytest.mark.parametrize(
    ("listings", "says"),
    [
        ("id,price\na,1\n", r"listings\.csv lacks the column 'listing_id' \(it has: id, price\)"),
        ("Preis,ID\n1,a\n", r"listings\.csv lacks .*market\.toml: \[columns\.listings\] listing_id = \"ID\""),
        ("listing_id,price\na,1\nb,2\n a ,3\n", "row 3: 'a' occurs twice"), ("listing_id,price\na,1\n,2\n", "row 2 is empty"),
        ("listing_id,price\n", "has no listing"),
    ],
)  # fmt: skip
def test_listings_that_cannot_be_used_are_one_sentence(folder, listings, says):
    with pytest.raises(VibesError, match=says) as caught:
        Market.open(folder(listings=listings))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("toml", "says"),
    [
        ("[attributes.rooms]\nkind = 'number'", "lacks the column 'rooms' that the market's attributes"),
        ("title = 'headline'", "lacks the column 'headline' that the market's title"),
        ("[attributes.town]\nkind = 'place'", "a location is read from the columns latitude and longitude"), ("color = 'red'", "unknown key 'color'"),
    ],
)  # fmt: skip
def test_a_configuration_that_does_not_fit_the_table_is_one_sentence(folder, toml, says):
    with pytest.raises(VibesError, match=says):
        Market.open(folder(toml=toml, listings=LISTINGS))


def test_prices_are_read_and_what_is_none_is_counted(folder):
    rows = ['a,"$1,200.00"', "b,inf", "c,NaN", "d,", "e,12.5", "f,cheap"]
    path = folder(
        toml="[attributes.price]\nkind = 'number'", listings="listing_id,price\n" + "\n".join(rows) + "\n"
    )
    market = Market.open(path)
    assert market.listings["price"].fillna(-1).tolist() == [1200, -1, -1, -1, 12.5, -1]
    assert (
        told(market)
        == "listings.csv, column price, row 2: 'inf' is not a finite number; treated as missing (3 rows)"
    )


@pytest.mark.parametrize(
    ("separator", "cell"), [(";", "S; M;;L"), (",", "S, M,L"), (" / ", "S / M / L"), ("|", "S|M | L")]
)
def test_a_set_is_parted_by_what_the_market_says(folder, separator, cell):
    toml = f'[attributes.sizes]\nseparator = "{separator}"\n'
    market = Market.open(folder(toml=toml, listings=f'listing_id,sizes\na,"{cell}"\nb,M\nc,\n'))
    assert market.listings["sizes"].tolist() == [["S", "M", "L"], ["M"], None]
    assert [attribute.kind for attribute in market.attributes] == ["multi"]
    assert not market.defects


@pytest.mark.parametrize(
    "form",
    [
        "{0}k-{1}k",
        '"£{0},000 - £{1},000"',
        "{0} kW ({1} PS)",
        "~{0}",
        "({0}.50)",
        "{0} x {1} x 5 cm",
        "1.{0}万円",
        "N/A|{0}",
        '"{0}.234,50"',
    ],
)
def test_figures_that_are_no_numbers_are_words_with_one_hint(folder, form):
    cells = [form.format(i % 40 + 20, i % 40 + 30).split("|")[0 if i % 3 == 1 else -1] for i in range(90)]
    path = folder(listings="listing_id,size\n" + "".join(f"a{i},{cell}\n" for i, cell in enumerate(cells)))
    (hint,) = Market.open(path).defects
    unread = [cell.strip('"') for cell in dict.fromkeys(cells) if "|" not in form or cell == "N/A"][:3]
    assert (hint.column, hint.row) == ("size", 0) and all(f"'{cell}'" in hint.message for cell in unread)
    (path / "market.toml").write_text('[attributes."size"]\ndecimal = ","\n')
    assert [one.kind for one in Market.open(path).attributes] == ["number"]


@pytest.mark.parametrize(
    "form", ["X{0}", "{0}", "3fa{0}c{0}", "Ulm, house {0}", "2024-03-{0}", "{0} Oak Street"]
)
def test_codes_words_and_dates_have_no_hint(folder, form):
    rows = "".join(f'a{i},"{form.format(i % 18 + 10)}"\n' for i in range(90))
    assert "are no numbers" not in told(Market.open(folder(listings="listing_id,code\n" + rows)))


@pytest.mark.parametrize(
    ("cells", "values", "issues"),
    [
        (["1.250", "900"], [1.25, 900], 1),
        (["1,250", "900"], [1250, 900], 1),
        (["1,250.5", "900"], [1250.5, 900], 0),
    ],
)
def test_a_decimal_mark_is_never_assumed_in_silence(folder, cells, values, issues):
    path = folder(listings="listing_id,price\n" + "".join(f'a{i},"{cell}"\n' for i, cell in enumerate(cells)))
    market = Market.open(path)
    assert market.listings["price"].tolist() == values
    assert [(one.column, one.row) for one in market.defects] == [("price", 1)] * issues
    for mark in (",", "."):
        (path / "market.toml").write_text(f"[attributes.price]\ndecimal = '{mark}'\n")
        market = Market.open(path)
        assert [one.kind for one in market.attributes] == ["number"]
        assert not market.defects
    with pytest.raises(VibesError, match="decimal goes with kind 'number'"):
        Market.open(folder(toml="[attributes.price]\nkind = 'text'\ndecimal = ','", listings=LISTINGS))


def test_dates_written_as_text_reach_no_model(folder):
    rows = "".join(f"a{i},2024-03-{i % 30 + 1:02d} 10:{i:02d}:00,{i % 9 + 1}.4.2024,{i}\n" for i in range(40))
    market = Market.open(folder(listings="listing_id,removed_at,seen,price\n" + rows))
    assert [one.name for one in market.attributes] == ["price"]
    assert [one.column for one in market.defects] == ["removed_at", "seen"] and "published_at" in told(market)


def test_texts_of_html_are_read_as_plain_ones(folder):
    cell = '<div class=""jd""><h2>The role</h2><p>We&nbsp;hire &amp; pay</p><script>var a = 1 < 2;</script></div>'
    path = folder(listings=f'listing_id,description\na,"{cell}"\nb,beds < 3 &amp; baths > 1\nc,<p></p>\n')
    text = Market.open(path).listings["description"]
    assert text.tolist()[:2] == ["The role We hire & pay", "beds < 3 &amp; baths > 1"] and text.isna()[2]
    assert text.dtype == "str" and type_of("text").parse("<b>Fine</b> flat", "", "") == "Fine flat"


def test_a_label_keeps_the_capital_letters_of_its_column(folder):
    market = Market.open(folder(listings="listing_id,Leistung kW,net_area\na,3,5\nb,4,6\n"))
    assert [one.label for one in market.attributes] == ["Leistung kW", "Net area"]


def test_coordinates_beyond_the_earth_are_counted(folder):
    rows = "listing_id,latitude,longitude\na,53.5,10.0\nb,91,10\nc,53.5,181\nd,x,\n"
    market = Market.open(folder(listings=rows))
    assert market.listings["latitude"].notna().tolist() == [True, False, True, False]
    assert market.listings["longitude"].notna().tolist() == [True, True, False, False]
    assert "column latitude, row 2: '91' is not a coordinate in degrees; treated as missing (2 rows)" in told(
        market
    )
    assert [attribute.kind for attribute in market.attributes] == ["place"]


def test_bad_flags_and_dates_of_listings_are_counted(folder):
    rows = "listing_id,pets,published_at\na,t,2024-01-01\nb,perhaps,soon\n"
    market = Market.open(folder(toml="[attributes.pets]\nkind = 'flag'", listings=rows))
    assert (
        market.listings["pets"].isna().tolist()
        == market.listings["published_at"].isna().tolist()
        == [False, True]
    )
    assert [(one.column, one.value) for one in market.defects] == [
        ("pets", "perhaps"),
        ("published_at", "soon"),
    ]


def test_the_whole_column_says_whether_the_day_comes_first(folder):
    events = "user_id,listing_id,timestamp\nu,a,{}/01/2024 01:57\nu,b,03/02/2024 06:07\n"
    path = folder(listings=LISTINGS, events=events.format(24))
    market = Market.open(path)
    assert market.events["timestamp"].astype("str").str[:16].tolist() == [
        "2024-01-24 01:57",
        "2024-02-03 06:07",
    ]
    (issue,) = Market.open(folder(listings=LISTINGS, events=events.format("04"))).defects
    assert (issue.column, issue.value, issue.count) == ("timestamp", "04/01/2024 01:57", 2)


def test_a_column_that_pandas_wrote_to_count_the_rows_is_not_used(folder):
    rows = [f"{i},a{i},{i * 7 % 5},{i * 3 % 8}" for i in range(40)]
    path = folder(listings=",listing_id,price,\n" + "\n".join(rows) + "\n")
    market = Market.open(path)
    assert [one.name for one in market.attributes] == ["price"]
    assert [one.column for one in market.defects] == ["Unnamed: 0", "Unnamed: 3"]
    (path / "market.toml").write_text('[attributes."Unnamed: 0"]\nkind = "number"\n')
    assert len(Market.open(path).attributes) == 2


def issues(market: Market) -> list[tuple[str, int, str, int]]:
    return [(one.column, one.row, one.value, one.count) for one in market.defects]


def test_events_that_cannot_be_placed_are_counted_and_skipped(folder):
    events = (
        "user_id,listing_id,timestamp\n"
        "u,a,2024-01-01\nu,zzz,2024-01-02\nu,b,2024-06-02\nu,c,yesterday\n,a,2024-01-03\nu,b,\nu,b,2024-06-01T00:00:00Z\n"
    )
    market = Market.open(folder(listings=LISTINGS, events=events), now=NOW)
    assert market.events["listing_id"].tolist() == ["a", "b"]  # this very moment is no future
    assert issues(market) == [
        ("timestamp", 4, "yesterday", 2), ("timestamp", 3, "2024-06-02", 1), ("listing_id", 2, "zzz", 1), ("user_id", 5, "", 1),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("events", "says"),
    [
        ("user,listing_id,timestamp\nu,a,2024-01-01\n", r"events\.csv lacks the column 'user_id'"),
        ("user_id,item,timestamp\nu,a,2024-01-01\n", r"events\.csv lacks the column 'listing_id'"),
        ("user_id,listing_id,when\nu,a,2024-01-01\n", "has neither 'timestamp' nor 'position'"),
    ],
)
def test_events_with_a_wrong_header_are_one_sentence(folder, events, says):
    with pytest.raises(VibesError, match=says):
        Market.open(folder(listings=LISTINGS, events=events))


def test_positions_actions_and_durations_that_are_none_are_counted(folder):
    events = "user_id,listing_id,position\nu,a,1\nu,b,0\nu,c,1.5\nu,c,last\nu,c,\nu,c,1e300\nu,c,inf\n"
    market = Market.open(folder(listings=LISTINGS, events=events))
    assert market.events["listing_id"].tolist() == ["b", "a"] and issues(market) == [
        ("position", 3, "1.5", 5)
    ]
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
def test_a_photo_that_leaves_the_market_is_counted_and_skipped(folder, path):
    market = Market.open(folder(listings=LISTINGS, photos=f"listing_id,path\na,photos/a.jpg\nb,{path}\n"))
    assert market.photos["path"].tolist() == ["photos/a.jpg"] and leaves_market(path)
    assert "leaves the market folder; the photo is skipped" in told(market)


def test_photos_are_ordered_and_the_odd_ones_skipped(folder):
    photos = "listing_id,position,path\nb,1,b1.jpg\nb,0,b0.jpg\nzz,0,z.jpg\na,,a.jpg\na,0,\nb,x,b2.jpg\nb,0,b0.jpg\n"
    market = Market.open(folder(listings=LISTINGS, photos=photos))
    assert market.photos["path"].tolist() == ["a.jpg", "b0.jpg", "b1.jpg", "b2.jpg"]
    assert market.photos["position"].tolist() == [0, 0, 1, 2]
    assert market.cover == {"a": "a.jpg", "b": "b0.jpg"}
    for sentence in (
        "'zz' is not a listing of this market",
        "column path, row 5 is empty",
        "'x' is not a number",
    ):
        assert sentence in told(market)


def test_photos_with_a_wrong_header_are_one_sentence(folder):
    with pytest.raises(VibesError, match=r"photos\.csv lacks the column 'path'"):
        Market.open(folder(listings=LISTINGS, photos="listing_id,file\na,x.jpg\n"))


def test_identifiers_with_gaps_match_those_without(folder):
    listings, events = (
        "listing_id,price\n12,1\n13,2\n",
        "user_id,listing_id,position\nu,12.0,0\nu,13.0,1\nu,,2\n",
    )
    assert Market.open(folder(listings=listings, events=events)).events["listing_id"].tolist() == ["12", "13"]


EVENTS = (
    "user_id,listing_id,timestamp,action\n1,a,2024-01-03,view\n1,b,2024-01-04,hide\n2,b,2024-02-02,dismiss\n"
)


@pytest.mark.parametrize(
    ("toml", "wanted"),
    [
        (None, [True, False, True]),
        ("unwanted = ['dismiss']", [True, True, False]),
        ("unwanted = []", [True, True, True]),
        ("actions = ['view', 'dismiss']", [True, False, True]),  # known, though it is not among them
    ],
)
def test_the_market_says_which_actions_are_unwanted(folder, toml, wanted):
    market = Market.open(folder(toml, listings=LISTINGS, events=EVENTS))
    log = EventLog.from_market(market)
    assert log.is_positive.tolist() == wanted
    assert "hide" in market.valid_actions


def test_an_action_that_nobody_has_is_told_and_a_misspelt_one_or_all_of_them_refused(folder):
    defects = Market.open(folder("unwanted = ['swipe']", listings=LISTINGS, events=EVENTS)).defects
    assert (defects[-1].column, defects[-1].value) == ("unwanted", "swipe")
    with pytest.raises(VibesError, match=r"lists 'Hides' as unwanted, .* not 'hide'"):
        Market.open(folder("unwanted = ['Hides']", listings=LISTINGS, events=EVENTS))
    with pytest.raises(VibesError, match="lists all actions of"):
        Market.open(folder("unwanted = ['view', 'hide', 'dismiss']", listings=LISTINGS, events=EVENTS))


def test_cells_of_bytes_are_their_text_or_their_figures(tmp_path):
    """Parquet holds UUIDs and geometries as bytes; ids of three tables stay the same ones."""
    ids = [uuid.UUID(int=number * 2**90 + 255).bytes for number in range(1, 31)]
    fixed = pa.array(ids, pa.binary(16))
    homes = {"listing_id": fixed, "shape": pa.array([one * 2 for one in ids], pa.binary())}
    homes |= {"town": pa.array([b"Ulm", b"Bonn"] * 15, pa.binary()), "price": list(range(30))}
    events = {"user_id": fixed, "listing_id": fixed, "position": list(range(30))}
    paths = [f"{number}.jpg".encode() for number in range(30)]
    photos = {"listing_id": fixed, "path": pa.array(paths, pa.binary())}
    for name, table in {"listings": homes, "events": events, "photos": photos}.items():
        pq.write_table(pa.table(table), tmp_path / f"{name}.parquet")
    market = Market.open(tmp_path)
    assert market.listings["listing_id"].tolist() == [one.hex() for one in ids]
    assert set(market.events["listing_id"]) == set(market.events["user_id"]) == {one.hex() for one in ids}
    assert market.photos["path"].tolist() == [path.decode() for path in paths]
    assert [attribute.name for attribute in market.attributes] == ["town", "price"]
    assert market.listings["town"].tolist() == ["Ulm", "Bonn"] * 15
    assert "holds only identifiers" in told(market)


def test_lists_in_the_place_of_ids_are_told(tmp_path):
    pq.write_table(pa.table({"listing_id": ["a", "b"], "price": [1, 2]}), tmp_path / "listings.parquet")
    baskets = {"user_id": ["u", "v"], "listing_id": [["a", "b"], ["b"]], "position": [1, 2]}
    pq.write_table(pa.table(baskets), tmp_path / "events.parquet")
    market = Market.open(tmp_path)
    assert "is not a listing of this market; the event is skipped (2 rows)" in told(market)


def test_listings_that_end_before_they_begin_are_told_so(folder):
    rows = "a,2024-01-05,1970-01-01\nb,2024-01-05,2024-01-05\nc,2024-01-05,\nd,,2024-01-01\ne,2024-01-05,2024-01-06\n"
    assert told(Market.open(folder(listings="listing_id,published_at,expires_at\n" + rows))) == (
        "listings.csv, column expires_at, row 1: '1970-01-01' is not after published_at, so the listing is never active (2 rows)"
    )
