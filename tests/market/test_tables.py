"""Bad rows and bad headers of the three tables: one sentence, or counted and skipped."""

import uuid

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from listing_vibes.errors import VibesError
from listing_vibes.market.event_stream import event_frames
from listing_vibes.market.kinds import kind_of
from listing_vibes.market.log import EventLog
from listing_vibes.market.market import Market
from listing_vibes.market.profile import profile
from listing_vibes.market.profile_text import render
from listing_vibes.market.tables import as_ids, leaves_market

LISTINGS = "listing_id,price,town\na,10,Ulm\nb,20,Bonn\nc,30,Ulm\n"
NOW = pd.Timestamp("2024-06-01", tz="UTC")


def told(market: Market) -> str:
    return "\n".join(map(str, market.defects))


@pytest.mark.parametrize(
    ("listings", "says"),
    [
        ("id,price\na,1\n", r"listings\.csv lacks the column 'listing_id' \(it has: id, price\)"),
        ("Preis,ID\n1,a\n", r"listings\.csv lacks .*market\.toml: \[columns\.listings\] listing_id = \"ID\""),
        ("listing_id,price\na,1\nb,2\na,3\n", r"row 3: 'a' is there twice"),
        ("listing_id,price\na,1\n a ,2\n", "'a' is there twice"),
        ("listing_id,price\na,1\n,2\n", "row 2 is empty"),
        ("listing_id,price\n", "has no listing"),
    ],
    ids=["wrong header", "mapping", "duplicate", "duplicate after trimming", "empty id", "no row"],
)
def test_listings_that_cannot_be_used_are_one_sentence(folder, listings, says):
    with pytest.raises(VibesError, match=says) as caught:
        Market.open(folder(listings=listings))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("toml", "says"),
    [
        (
            "[attributes.rooms]\nkind = 'number'",
            "lacks the column 'rooms' that the market's attributes .market.toml. describe",
        ),
        ("title = 'headline'", "lacks the column 'headline' that the market's title .market.toml. names"),
        ("[attributes.town]\nkind = 'place'", "a place is read from the columns latitude and longitude"),
        ("colour = 'red'", "unknown key 'colour'"),
    ],
)
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
        == "listings.csv, column price, row 2: 'inf' is no finite number; read as missing (3 rows)"
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


def test_a_set_that_nothing_parts_is_told_what_may_part_it(folder):
    toml = '[attributes.sizes]\nkind = "multi"\n[attributes.tags]\nkind = "multi"\n'
    listings = 'listing_id,sizes,tags\na,M,"x, y|z"\nb,S;M,w\nc,"[""S;M""]",w\n'
    market = Market.open(folder(toml=toml, listings=listings))
    assert told(market) == (
        "listings.csv, column sizes, row 2: 'S;M' holds no '|', so each cell is one member of the set; if ';' parts "
        'them, say separator = ";" in market.toml'
    )
    assert market.listings["tags"][0] == ["x, y", "z"]


def test_a_decimal_comma_is_read_where_the_whole_column_has_it_and_told_elsewhere(folder):
    rows = "".join(f'a{i},"{i + 10},5","{i + 1},200",{i}.{i % 9 + 1}00 km\n' for i in range(1, 31))
    market = Market.open(folder(listings="listing_id,size,price,way\n" + rows + "b,7,9.50,900 km\n"))
    assert not market.defects
    assert market.listings["size"].tolist() == [*(10.5 + i for i in range(1, 31)), 7]
    assert market.listings["price"].tolist() == [*(1200.0 + 1000 * i for i in range(1, 31)), 9.5]
    rows = rows.replace('"11,5"', "11.5").replace('"12,5"', "n/a")
    market = Market.open(folder(listings="listing_id,size,price,way\n" + rows))
    assert told(market).startswith(
        "listings.csv, column size, row 3: '13,5' has a decimal comma, but not all the column can be read so, and it is read "
        "as words; write numbers as 10.50 (28 rows)"
    )
    assert market.listings["price"].tolist() == [1200.0 + 1000 * i for i in range(1, 31)]


def test_numbers_that_may_be_thousands_are_told_and_a_slip_is_no_number(folder):
    rows = "".join(f'a{i},{i}.{100 + i} km,{i}.500 €,"{i},{100 + i}"\n' for i in range(1, 61))
    path = folder(listings="listing_id,way,price,rent\n" + rows + 'b,,,"$1,50"\n')
    market = Market.open(path)
    assert market.listings[["way", "price", "rent"]].iloc[4].tolist() == [5.105, 5500, 5105]
    assert told(market).splitlines() == [
        "listings.csv, column way, row 1: '1.101 km' is read with three decimals, as all that have a point; if it parts thousands, "
        'say decimal = "," in market.toml, else decimal = "." (60 rows)',
        "listings.csv, column rent, row 61: '$1,50' is no finite number; read as missing",
    ]
    (path / "market.toml").write_text('[attributes.way]\ndecimal = "."\n')
    assert "column way" not in told(Market.open(path))


def test_words_and_small_numbers_do_not_hide_that_numbers_may_be_thousands(folder):
    sizes = ["999 cm³", "1.198 cm³", "1.498 cm³", "1.968 cm³"]
    rows = "".join(
        f'a{i},{f"{i}.{100 + i} €" if i % 19 else "VB"},{sizes[i % 4]},"{i},5"\n' for i in range(1, 41)
    )
    path = folder(listings="listing_id,price,size,used\n" + rows)
    market = Market.open(path)  # used says that 1.198 are thousands
    assert not market.defects or "three decimals" not in told(market)
    assert market.listings["size"].tolist()[:3] == [1198, 1498, 1968] and market.listings["price"][0] == 1101
    (path / "market.toml").write_text('excluded = ["used"]\n[attributes.price]\nkind = "number"\n')
    market = Market.open(path)
    assert market.listings["size"].tolist()[:3] == [1.198, 1.498, 1.968]
    said = "is read with three decimals, as all that have a point; if it parts thousands, say decimal"
    assert f"column price, row 1: '1.101 €' {said}" in told(market)
    assert f"column size, row 1: '1.198 cm³' {said}" in told(
        market
    ) and 'else decimal = "." (30 rows)' in told(market)


def test_the_configuration_says_what_parts_decimals(folder):
    listings = "listing_id,price\na,1.250\nb,900\n"
    assert Market.open(folder(listings=listings)).listings["price"].tolist() == [1.25, 900]
    market = Market.open(folder(toml="[attributes.price]\ndecimal = ','", listings=listings))
    assert market.listings["price"].tolist() == [1250, 900]
    assert [(one.kind, one.decimal) for one in market.attributes] == [("number", ",")]
    with pytest.raises(VibesError, match="decimal goes with kind 'number', not 'text'; leave it out"):
        Market.open(folder(toml="[attributes.price]\nkind = 'text'\ndecimal = ','", listings=listings))


def test_degrees_under_other_names_are_told_to_be_no_place(folder):
    rows = [(f"a{i}", 40 + i / 1000, -74 - i / 1000) for i in range(30)]
    listings = "".join(f'{one},{north},{east},"{north},{east}"\n' for one, north, east in rows)
    market = Market.open(folder(listings="listing_id,lat,geo_lng,geo\n" + listings))
    assert told(market).splitlines() == [
        "listings.csv, column geo holds a latitude and a longitude in each cell, which are no place so; part it into latitude and longitude",
        "listings.csv, column lat holds degrees, but a place has other names; rename lat and geo_lng to latitude and longitude",
    ]
    assert not Market.open(
        folder(listings="listing_id,latitude,longitude,geo\n" + listings, toml='excluded = ["geo"]')
    ).defects
    assert not Market.open(
        folder(listings="listing_id,lat,long,geo\n" + listings, toml='excluded = ["geo", "place"]')
    ).defects
    far = listings.replace(",4", ",400")
    assert not Market.open(
        folder(listings="listing_id,lat,long,geo\n" + far, toml='excluded = ["geo"]')
    ).defects


def test_dates_written_as_text_reach_no_model_and_are_told_what_they_may_be(folder):
    rows = "".join(f"a{i},2024-03-{i % 30 + 1:02d} 10:{i:02d}:00,{i % 9 + 1}.4.2024,{i}\n" for i in range(40))
    market = Market.open(folder(listings="listing_id,removed_at,seen,price\n" + rows))
    assert [one.name for one in market.attributes] == ["price"]
    assert told(market).splitlines() == [
        f"listings.csv, column {name} holds only identifiers or dates; it is not used. If it says since when or until when a "
        "listing can be had, call it published_at or expires_at"
        for name in ("removed_at", "seen")
    ]
    both = rows.replace("\n", ",2024-01-01,2024-06-01\n")
    header = "listing_id,removed_at,seen,price,published_at,expires_at\n"
    assert "call it" not in told(Market.open(folder(listings=header + both)))


def test_words_that_recur_among_numbers_are_told_whatever_they_are(folder):
    words = ["k.A.", "unbekannt", "keine"]
    rows = "".join(f"a{i},{words[i % 3] if i % 2 else i},{'ABC'[i % 3]}{i % 7}\n" for i in range(60))
    market = Market.open(folder(listings="listing_id,area,code\n" + rows))
    assert told(market) == (
        "listings.csv, column area, row 2: 'unbekannt' stands among numbers, so the column is not read as numbers; leave such "
        "cells empty, or give the column the kind 'number' in market.toml (30 rows)"
    )


def test_numbers_in_several_units_are_told(folder):
    prices, sizes = ["$900", "850 USD", "€ 700", "700"], ["50 m²", "60 sqm", "40 m2", "70 m2"]
    hours = ["1 hour", "2 hours", "3 days", "5 hours"]
    rows = "".join(f"a{i},{prices[i % 4]},{sizes[i % 4]},{hours[i % 4]},{i}\n" for i in range(60))
    market = Market.open(folder(listings="listing_id,price,size,away,rooms\n" + rows))
    assert all(one.kind == "number" for one in market.attributes)
    others = [("price", 2, "850 USD", "USD", "$"), ("price", 3, "€ 700", "EUR", "$")]
    others += [("size", 2, "60 sqm", "sqm", "m2"), ("away", 3, "3 days", "day", "hour")]
    assert told(market).splitlines() == [
        f"listings.csv, column {name}, row {row}: '{cell}' is in '{unit}', most of the column in '{most}', and both are read "
        "as bare numbers; write all in one unit (15 rows)"
        for name, row, cell, unit, most in others
    ]


@pytest.mark.slow
@pytest.mark.parametrize(
    "columns, title",
    [
        ({"Product Name": True, "brand": False}, "Product Name"),
        ({"name": True, "title": True}, "title"),
        ({"brand": False, "headline": False}, "headline"),  # whatever it repeats
        ({"title": False, "name": True}, "name"),  # rather one that does not
        ({"name": False, "brand": False}, None),  # what many have
        ({"brand_name": True}, None),
        ({"Titel": True, "Marke": False}, "Titel"),
        ({"titre": False}, "titre"),
        ({"标题": True}, "标题"),
        ({"naam": False, "merk": False}, None),
        ({"nombre": True}, "nombre"),
    ],
)
def test_a_column_that_is_called_a_title_names_listings(folder, columns, title):
    cells = {True: lambda row: f"A fine boat no {row} of wood", False: lambda row: "ABC"[row % 3]}
    rows = "".join(f"a{i},{','.join(cells[own](i) for own in columns.values())}\n" for i in range(60))
    path = folder(listings=f"listing_id,{','.join(columns)}\n{rows}")
    assert Market.open(path).title == title
    checked = render(profile(Market.open(path)))
    assert (f"titles       column {title}" in checked) if title else ("ids stand for them" in checked)
    (path / "market.toml").write_text(f'title = "{next(iter(columns))}"\n')
    assert Market.open(path).title == next(iter(columns))


def test_columns_of_events_that_are_called_otherwise_are_told_so(folder):
    events = "user_id,listing_id,timestamp,event_type,rating,dwell_sec,event_id,device\nu,a,2024-01-01,view,5,3,1,web\n"
    unread = "is no column of this table; it is not used"
    action = f"{unread}. If it says what was done, or how it was liked, call it action"
    said = [
        ("event_type", action),
        ("rating", action),
        ("dwell_sec", f"{unread}. If it counts seconds, call it duration_s"),
    ]
    said += [("event_id", unread), ("device", unread)]
    path = folder(listings=LISTINGS, events=events)
    assert told(Market.open(path)).splitlines() == [
        f"events.csv, column {name} {what}" for name, what in said
    ]
    path = folder(
        listings=LISTINGS, events=events.replace("event_type", "action").replace("dwell_sec", "duration_s")
    )
    assert "call it" not in told(Market.open(path))


def test_cells_of_few_members_are_told_how_they_become_a_set(folder):
    sets, towns = (
        ["lift, cellar", "cellar, lift, garden", "garden", "garden, lift", "cellar", "lift"],
        "abcdefghij",
    )
    rows = "".join(f'a{i},"{sets[i % 6]}","{towns[i % 10]}ton, Kent"\n' for i in range(60))
    market = Market.open(folder(listings="listing_id,extras,town\n" + rows))
    assert told(market) == (
        "listings.csv, column extras, row 1: 'lift, cellar' is read as one value; if ',' parts a set, say kind = \"multi\" and "
        'separator = "," in market.toml (30 rows)'
    )


def test_figures_in_a_form_that_is_not_read_are_told_once(folder):
    forms = [
        "{0}k-{1}k",
        '"£{0},000 - £{1},000"',
        "{0} kW ({1} PS)",
        '"{0},5 Liter"',
        "{0}.99 Euro VB",
        "{0}K",
        "~{0}",
        "<{0}",
        "({0}.50)",
        "{0} x {1} x 5 cm",
        '"{0}.5, {1}.5"',
        '"({0}.0, {1}.5]"',
        '"({0}.125, {1}.125]"',
    ]
    rows = "".join(
        f"a{i},{','.join(form.format(i % 40 + 20, i % 40 + 30) for form in forms)}\n" for i in range(90)
    )
    path = folder(listings=f"listing_id,{','.join('abcdefghijklm')}\n{rows}")
    assert told(Market.open(path)).splitlines() == [
        f"listings.csv, column {name}, row 1: '{form.strip(chr(34)).format(20, 30)}' has figures in a form that is not read, so it is "
        "read as words; write bare numbers, of a span its ends in two columns (90 rows)"
        for name, form in zip("abcdefghijklm", forms, strict=True)
    ]
    alike = ["{0} OZ", "{0}-{0}9", "{0} PM", "X{0}", "{0}:30-21:00", "14K"]  # of packages, codes, hours
    rows = "".join(f"a{i},{','.join(form.format(i % 30 + 10) for form in alike)}\n" for i in range(90))
    assert "in a form" not in told(Market.open(folder(listings=f"listing_id,{','.join('abcdef')}\n{rows}")))


def test_months_objects_and_what_stands_alike_in_titles_are_no_sets(folder):
    jobs, makes = ["Nurse", "Senior Teacher", "Cook", "Junior Cook"], ["Mon", "Tue"]
    rows = "".join(
        f"a{i},{i % 12 + 1:02d}/{2010 + i % 9},{2010 + i % 9}-{i % 12 + 1:02d},{jobs[i % 4]} (m/f/d),{jobs[i % 3]} m/w/d,"
        f'"{{""beds"": {i % 3}}}","[{{""name"": ""{makes[i % 2]}"", ""paid"": true}}]","[{{""paid"": {i % 3}}}]"\n'
        for i in range(60)
    )
    market = Market.open(folder(listings="listing_id,first,until,job,post,features,extras,fees\n" + rows))
    month = "so it is read as words; write how many months or years ago it was, or the year alone, as a number (60 rows)"
    objects = "holds objects, so it is read as words; make columns of what they hold, or a set of their names (60 rows)"
    assert told(market).splitlines() == [
        f"listings.csv, column first, row 1: '01/2010' is a month, {month}",
        f"listings.csv, column until, row 1: '2010-01' is a month, {month}",
        f"listings.csv, column features, row 1: '{{\"beds\": 0}}' {objects}",
        f"listings.csv, column fees, row 1: '[{{\"paid\": 0}}]' {objects}",
    ]
    assert market.listings["extras"].tolist()[:2] == [["Mon"], ["Tue"]]


def test_texts_of_html_are_read_as_plain_ones(folder):
    cell = '<div class=""jd""><h2>The role</h2><p>We&nbsp;hire &amp; pay</p><script>var a = 1 < 2;</script></div>'
    path = folder(listings=f'listing_id,description\na,"{cell}"\nb,beds < 3 &amp; baths > 1\nc,<p></p>\n')
    text = Market.open(path).listings["description"]
    assert text.tolist()[:2] == ["The role We hire & pay", "beds < 3 &amp; baths > 1"] and text.isna()[2]
    assert text.dtype == "str" and kind_of("text").parse("<b>Fine</b> flat", "", "") == "Fine flat"


def test_a_label_keeps_the_capital_letters_of_its_column(folder):
    market = Market.open(folder(listings="listing_id,Leistung kW,net_area\na,3,5\nb,4,6\n"))
    assert [one.label for one in market.attributes] == ["Leistung kW", "Net area"]


def test_words_for_nothing_among_numbers_are_told(folder):
    words = ["NaN", "n/a", "NULL", "-", "inf"]
    rows = "".join(
        f"a{i},{words[i] if i < 5 else i},{'NA' if i < 9 else 'oak'},{i}{'?' if i < 9 else ''}\n"
        for i in range(40)
    )
    path = folder(listings="listing_id,price,wood,house\n" + rows)
    market = Market.open(path)
    assert "price" not in market.listings.columns  # forty different words
    assert told(market).startswith(
        "listings.csv, column price, row 1: 'NaN' stands among numbers, so the column is not read as numbers; leave such cells "
        "empty, or give the column the kind 'number' in market.toml (4 rows)"
    )
    assert "column wood" not in told(market) and "column house, row 1: '0?' stands" not in told(market)
    (path / "market.toml").write_text('[attributes.price]\nkind = "number"\n')
    assert Market.open(path).listings["price"].isna().sum() == 5


def test_coordinates_beyond_the_earth_are_counted(folder):
    rows = "listing_id,latitude,longitude\na,53.5,10.0\nb,91,10\nc,53.5,181\nd,x,\n"
    market = Market.open(folder(listings=rows))
    assert market.listings["latitude"].notna().tolist() == [True, False, True, False]
    assert market.listings["longitude"].notna().tolist() == [True, True, False, False]
    assert "column latitude, row 2: '91' is no coordinate in degrees; read as missing (2 rows)" in told(
        market
    )
    assert [attribute.kind for attribute in market.attributes] == ["place"]


def test_bad_flags_and_dates_of_listings_are_counted(folder):
    rows = "listing_id,pets,published_at\na,t,2024-01-01\nb,perhaps,soon\n"
    market = Market.open(folder(toml="[attributes.pets]\nkind = 'flag'", listings=rows))
    assert market.listings["pets"].isna().tolist() == [False, True]
    assert market.listings["published_at"].isna().tolist() == [False, True]
    assert "'perhaps' is neither yes nor no" in told(market)
    assert "'soon' is no date; read as unknown" in told(market)


def test_years_say_when_a_listing_is_live_and_days_of_a_spreadsheet_do_not(folder):
    market = Market.open(
        folder(listings="listing_id,published_at,expires_at\na,45300.5,2030\nb,45301,2031\n")
    )
    assert market.listings["expires_at"].dt.year.tolist() == [2030, 2031]
    assert (
        told(market)
        == "listings.csv, column published_at, row 1: '45300.5' is no date; read as unknown (2 rows)"
    )


def test_the_whole_column_says_whether_the_day_comes_first(folder):
    events = "user_id,listing_id,timestamp\nu,a,{}/01/2024 01:57\nu,b,03/02/2024 06:07\n"
    listings = "listing_id,price,posted\na,10,01/03/2024\nb,20,{}\nc,30,02/03/2024\n"
    path = folder(listings=listings.format("24/03/2024"), events=events.format(24))
    market = Market.open(path)
    assert market.events["timestamp"].astype("str").str[:16].tolist() == [
        "2024-01-24 01:57",
        "2024-02-03 06:07",
    ]
    assert market.events.equals(
        next(iter(event_frames(path, market.listings["listing_id"], market.config, market.names)))
    )
    assert "call it published_at" in told(market) and "write dates such as" not in told(market)
    path = folder(listings=listings.format("03/03/2024"), events=events.format("04"))
    assert told(Market.open(path)).splitlines() == [
        "listings.csv, column posted holds only identifiers or dates; it is not used. If it says since when or until when a listing "
        "can be had, write dates such as 2024-01-31 and call it published_at or expires_at",
        "events.csv, column timestamp, row 1: '04/01/2024 01:57' may begin with the day or the month, which nothing tells; write "
        "dates such as 2024-01-31; the event is skipped (2 rows)",
    ]


@pytest.mark.parametrize("cells", [("2023", "2024"), ("45300.5", "45301"), ("202401", "202402")])
def test_events_of_the_first_days_of_1970_are_told(folder, cells):
    one, two = cells
    path = folder(listings=LISTINGS, events=f"user_id,listing_id,timestamp\nu,a,\nu,a,{one}\nu,b,{two}\n")
    market = Market.open(path)
    assert len(market.events) == 2 and told(market).splitlines()[-1] == (
        f"events.csv, column timestamp, row 2: '{one}' is a moment of the first days of 1970, as all others are; where these are no "
        "seconds of a start of your own, write dates such as 2024-01-31"
    )
    (path / "events.csv").write_text("user_id,listing_id,timestamp\nu,a,5\nu,b,2000000\n")
    assert not Market.open(path).defects


@pytest.mark.parametrize(
    ("one", "two", "said"), [(5400, 12000, True), (54, 12000.5, False), (3600, 0, False)]
)
def test_seconds_that_may_be_milliseconds_are_told(folder, one, two, said):
    events = f"user_id,listing_id,timestamp,duration_s\nu,a,1,\nu,a,2,{one}\nu,b,3,{two}\nu,b,4,{one}\n"
    market = Market.open(folder(listings=LISTINGS, events=events))
    message = (
        f"events.csv, column duration_s, row 2: '{one}' is more than an hour, as half of them are; if these are milliseconds, "
        "divide them by 1,000"
    )
    assert (message in told(market)) == said == ("milliseconds" in told(market))


def test_a_column_that_pandas_wrote_to_count_the_rows_is_not_used(folder):
    rows = [f"{i},a{i},{i * 7 % 5},{i * 3 % 8}" for i in range(40)]
    path = folder(listings=",listing_id,price,\n" + "\n".join(rows) + "\n")
    market = Market.open(path)
    assert [one.name for one in market.attributes] == ["price", "Unnamed: 3"]
    assert (
        told(market)
        == "listings.csv, column Unnamed: 0 has no name in the file and counts the rows; it is not used"
    )
    (path / "market.toml").write_text('[attributes."Unnamed: 0"]\nkind = "number"\n')
    assert len(Market.open(path).attributes) == 3


def test_events_that_cannot_be_placed_are_counted_and_skipped(folder):
    events = (
        "user_id,listing_id,timestamp\n"
        "u,a,2024-01-01\nu,zzz,2024-01-02\nu,b,2024-06-02\nu,c,yesterday\n,a,2024-01-03\nu,b,\nu,b,2024-02-01T10:00:00Z\n"
    )
    market = Market.open(folder(listings=LISTINGS, events=events), now=NOW)
    assert market.events["listing_id"].tolist() == ["a", "b"]
    text = told(market)
    assert (
        "events.csv, column listing_id, row 2: 'zzz' is no listing of this market; the event is skipped"
        in text
    )
    assert (
        "events.csv, column timestamp, row 3: '2024-06-02' lies in the future; the event is skipped" in text
    )
    assert (
        "events.csv, column timestamp, row 4: 'yesterday' is no date or time; the event is skipped (2 rows)"
        in text
    )
    assert "events.csv, column user_id, row 5 is empty; the event is skipped" in text


def test_an_event_at_this_very_moment_is_no_future(folder):
    events = "user_id,listing_id,timestamp\nu,a,2024-06-01T00:00:00Z\nu,b,2024-06-01T00:00:01Z\n"
    assert len(Market.open(folder(listings=LISTINGS, events=events), now=NOW).events) == 1


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


def test_positions_that_are_no_whole_numbers_are_counted(folder):
    events = "user_id,listing_id,position\nu,a,1\nu,b,0\nu,c,1.5\nu,c,last\nu,c,\nu,c,1e300\nu,c,inf\n"
    market = Market.open(folder(listings=LISTINGS, events=events))
    assert market.events["listing_id"].tolist() == ["b", "a"]
    assert "column position, row 3: '1.5' is no whole number; the event is skipped (5 rows)" in told(market)


def test_actions_and_durations_that_are_unknown_stay_as_missing(folder):
    events = (
        "user_id,listing_id,position,action,duration_s\n"
        "u,a,0,view,3\nu,b,1,stare,-1\nu,c,2,,inf\nu,c,3,save,\nu,a,4,view,x\n"
    )
    market = Market.open(folder(toml="actions = ['view', 'save']", listings=LISTINGS, events=events))
    assert market.events["action"].fillna("-").tolist() == ["view", "-", "-", "save", "view"]
    assert market.events["duration_s"].fillna(-1).tolist() == [3, -1, -1, -1, -1]
    assert "'stare' is no action of market.toml (view, save); read as unknown" in told(market)
    assert "'-1' is no duration in seconds; read as unknown (3 rows)" in told(market)


LEAVING = [
    "../secret.jpg",
    "photos/../../x.jpg",
    "/etc/passwd",
    "C:\\x.jpg",
    "c:x.jpg",
    "\\\\server\\x.jpg",
    "a\\..\\..\\x",
]


@pytest.mark.parametrize("path", LEAVING)
def test_a_photo_that_leaves_the_market_is_counted_and_skipped(folder, path):
    market = Market.open(folder(listings=LISTINGS, photos=f"listing_id,path\na,photos/a.jpg\nb,{path}\n"))
    assert market.photos["path"].tolist() == ["photos/a.jpg"]
    assert "leaves the market folder; the photo is skipped" in told(market)
    assert leaves_market(path)


def test_photos_are_ordered_and_the_odd_ones_skipped(folder):
    photos = "listing_id,position,path\nb,1,b1.jpg\nb,0,b0.jpg\nzz,0,z.jpg\na,,a.jpg\na,0,\nb,x,b2.jpg\nb,0,b0.jpg\n"
    market = Market.open(folder(listings=LISTINGS, photos=photos))
    assert market.photos["path"].tolist() == ["a.jpg", "b0.jpg", "b1.jpg", "b2.jpg"]
    assert market.photos["position"].tolist() == [0, 0, 1, 2]
    assert market.cover == {"a": "a.jpg", "b": "b0.jpg"}
    for sentence in ("'zz' is no listing of this market", "column path, row 5 is empty", "'x' is no number"):
        assert sentence in told(market)


def test_photos_with_a_wrong_header_are_one_sentence(folder):
    with pytest.raises(VibesError, match=r"photos\.csv lacks the column 'path'"):
        Market.open(folder(listings=LISTINGS, photos="listing_id,file\na,x.jpg\n"))


@pytest.mark.parametrize(
    ("cells", "ids"),
    [
        ([1.0, 2.0], ["1", "2"]), (["12.0", "7.0"], ["12", "7"]), (["12.0", "x"], ["12", "x"]), ([" a "], ["a"]),
        ([1.5, 2.0], ["1.5", "2"]), ([12345678901234567], ["12345678901234567"]), (["007"], ["007"]),
        (["12", "13.0", "-4"], ["12", "13", "-4"]), (["12", "12.00", "1.50"], ["12", "12", "1.50"]), (["12", "13.0", "x"], ["12", "13", "x"]),
    ],
)  # fmt: skip
def test_identifiers(cells, ids):
    assert as_ids(pd.Series(cells)).tolist() == ids


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
    assert log.wanted.tolist() == wanted
    assert "hide" in market.known_actions


def test_an_action_that_nobody_has_is_told_and_a_misspelt_one_or_all_of_them_refused(folder):
    defects = Market.open(folder("unwanted = ['swipe']", listings=LISTINGS, events=EVENTS)).defects
    assert str(defects[-1]) == "market.toml, column unwanted: 'swipe' is no action of events.csv; remove it"
    with pytest.raises(VibesError, match=r"calls 'Hides' unwanted, .*while 'hide' is one; correct the name"):
        Market.open(folder("unwanted = ['Hides']", listings=LISTINGS, events=EVENTS))
    with pytest.raises(VibesError, match=r"calls all actions of .* unwanted .*; leave one out there"):
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
    assert "column shape holds only identifiers" in told(market)


def test_lists_in_the_place_of_ids_are_told(tmp_path):
    pq.write_table(pa.table({"listing_id": ["a", "b"], "price": [1, 2]}), tmp_path / "listings.parquet")
    baskets = {"user_id": ["u", "v"], "listing_id": [["a", "b"], ["b"]], "position": [1, 2]}
    pq.write_table(pa.table(baskets), tmp_path / "events.parquet")
    market = Market.open(tmp_path)
    assert "is no listing of this market; the event is skipped (2 rows)" in told(market)


def test_ids_that_lost_their_zeros_are_told_so(folder):
    listings = "listing_id,town\n007,Ulm\n008,Bonn\n"
    events = "user_id,listing_id,timestamp\n1,7,2024-01-01\n1,8,2024-01-02\n1,9,2024-01-03\n"
    assert told(Market.open(folder(listings=listings, events=events))) == (
        "events.csv, column listing_id, row 1: '7' is no listing of this market; the event is skipped, though there is '007': "
        "write ids with the same zeros in front in both tables (3 rows)"
    )
    others = told(
        Market.open(folder(listings=listings, events=events.replace(",7,", ",x,").replace(",8,", ",11,")))
    )
    assert (
        others
        == "events.csv, column listing_id, row 1: 'x' is no listing of this market; the event is skipped (3 rows)"
    )


def test_listings_that_end_before_they_begin_are_told_so(folder):
    rows = "a,2024-01-05,1970-01-01\nb,2024-01-05,2024-01-05\nc,2024-01-05,\nd,,2024-01-01\ne,2024-01-05,2024-01-06\n"
    assert told(Market.open(folder(listings="listing_id,published_at,expires_at\n" + rows))) == (
        "listings.csv, column expires_at, row 1: '1970-01-01' is not after published_at, so the listing is never live (2 rows)"
    )


def test_actions_that_may_say_not_this_are_told_to_count_as_interest(folder):
    rows = ["view", "not_interested", "Dislike", "hide", "like", "remove_from_cart", "hide-seller"]
    events = "user_id,listing_id,timestamp,action\n" + "".join(
        f"u,{'ab'[i % 2]},2024-05-0{i + 1},{one}\n" for i, one in enumerate(rows)
    )
    listings = "listing_id,price\na,5\nb,6\n"
    toml = 'unwanted = ["hide", "not_interested"]\n'
    assert told(Market.open(folder(toml, listings=listings, events=events))).splitlines() == [
        "events.csv, column action, row 3: 'Dislike' counts as interest; if it says \"not this\", name it in unwanted in market.toml",
        "events.csv, column action, row 7: 'hide-seller' counts as interest; if it says \"not this\", name it in unwanted in market.toml",
    ]
    assert not Market.open(folder("unwanted = []", listings=listings, events=events)).defects
