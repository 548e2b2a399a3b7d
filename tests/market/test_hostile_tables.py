"""Files of somebody else cost no more time or memory than their size, and tables with usual mistakes are named or repaired."""

import io
import time

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from listing_vibes.errors import VibesError
from listing_vibes.insight.market_view import MarketView
from listing_vibes.market.config import MarketConfig
from listing_vibes.market.documents import read_toml
from listing_vibes.market.download.fetch import Robots
from listing_vibes.market.download.guard import is_public
from listing_vibes.market.durable import inside
from listing_vibes.market.log import EventLog
from listing_vibes.market.market import Market
from listing_vibes.market.moments import moment_in_log, to_moments
from listing_vibes.market.photo_decoding import image_end, thumbnail
from listing_vibes.market.precomputed_vectors import precomputed_vectors
from listing_vibes.market.values import to_set
from listing_vibes.run.conditions import fulfilling
from listing_vibes.run.versions import RESULTS, STATES, building, sweep
from listing_vibes.words import without_markup

NOW = pd.Timestamp("2026-01-01", tz="UTC")


def messages(market: Market, column: str) -> list[str]:
    return [str(issue) for issue in market.issues if issue.column == column]


def test_fill_bytes_of_a_jpeg_take_linear_time():
    stream = io.BytesIO()
    Image.effect_noise((64, 64), 90).convert("RGB").save(stream, "JPEG", quality=95)
    photo = stream.getvalue()
    start = photo.index(b"\xff\xda")
    stuffed = photo.index(b"\xff\x00", start + 2 + int.from_bytes(photo[start + 2 : start + 4]))
    begin = time.thread_time()
    for filled in (
        photo[:stuffed] + b"\xff" * 1_000_000 + photo[stuffed:],
        b"\xff\xd8" + b"\xff" * 1_000_000 + photo[2:],
    ):
        assert image_end(filled + b"trailing") == len(filled)
    assert image_end(b"\xff\xd8" + b"\xff\xe0\x00\x02" * 1_000_000) is None  # more segments than a photo has
    assert time.thread_time() - begin < 2  # the first took hours


def test_robots_of_blank_lines_and_deep_toml_take_linear_time(tmp_path):
    begin = time.thread_time()
    assert Robots("\n" * 500_000 + "User-agent: x/2.0\nDisallow: /a", "x").allows("/b")
    for text in (
        "a" + ".a" * 40_000 + "=1",
        "[" + '"a".' * 40_000 + "b]",
        "x = {" + "a." * 200 + "a = 1}",
        "#" * 2**21,
    ):
        (tmp_path / "market.toml").write_text(text)
        with pytest.raises(VibesError, match=r"market\.toml is not valid TOML"):
            MarketConfig.load(tmp_path / "market.toml")
    (tmp_path / "market.toml").write_text(
        'note = "' + "One, two. " * 500 + '"\n[attributes]\n"a.b" = "number"'
    )
    assert read_toml(tmp_path / "market.toml", "")["attributes"] == {"a.b": "number"}
    assert time.thread_time() - begin < 5


def test_numbers_of_5000_digits_are_texts():
    assert without_markup(f"<br>&#{'9' * 5000};&#x{'f' * 5000}; &#65;") == "\ufffd\ufffd A"
    assert to_set(f"[0x{'1' * 5000}, 2]") == [f"0x{'1' * 5000}", "2"]
    assert to_set('["a", null, 1]') == ["a", "1"]


def test_a_table_of_too_many_columns_is_one_sentence(folder):
    names = [f"c{number}" for number in range(6_000)]
    path = folder(listings="listing_id," + ",".join(names) + "\n1" + ",2" * len(names))
    with pytest.raises(VibesError, match="6,001 columns, more than 5,000"):
        Market.open(path)
    pd.DataFrame([range(6_001)], columns=["listing_id", *names]).to_parquet(path / "listings.parquet")
    (path / "listings.csv").unlink()
    with pytest.raises(VibesError, match="6,001 columns, more than 5,000"):
        Market.open(path)


def test_moments_are_parsed_fast_and_long_texts_are_none():
    begin = time.thread_time()
    single = [moment_in_log(f"2024-06-01T00:00:{number % 60:02d}", True) for number in range(1000)]
    column, bad = to_moments(pd.Series([f"2024-06-01T00:00:{number % 60:02d}" for number in range(1000)]))
    assert time.thread_time() - begin < 1  # was 11 s
    assert column.astype("int64").tolist() == single and not bad.any()
    for text in (
        "2024-06-01 10:00:05.25+02:00",
        "2024-06-01",
        "2024-06-01T10:00Z",
        "1969-12-31 23:59",
        "2024-12-31 24:00",
        "2024-02-30",
        "0001-01-01",
    ):
        moments, bad = to_moments(pd.Series([text]))
        if bad[0] or moments[0].year < 1700:
            with pytest.raises(VibesError):
                moment_in_log(text, True)
        else:
            assert moment_in_log(text, True) == moments[0].value
    with pytest.raises(VibesError, match="at is '1"):
        moment_in_log("1" + " " * 100_000 + "x", True)
    assert to_moments(pd.Series(["2024-01-01", "2024-01-01" + " " * 100_000 + "UTCx"]))[1].tolist() == [
        False,
        True,
    ]
    assert to_moments(pd.Series(["2024-01-01 10:00:00 UTC"]))[0][0] == pd.Timestamp(
        "2024-01-01 10:00", tz="UTC"
    )


def test_each_unix_time_has_its_own_unit():
    texts = ["1704067200", "1704067300000", "1704067400000", "1704067500000000", "1704067600000000000", "0"]
    for column in (pd.Series(texts), pd.Series(list(map(float, texts)))):
        moments, bad = to_moments(column)
        assert not bad.any() and moments.dt.year.tolist() == [2024] * 5 + [1970]
        assert (moments[:5].diff()[1:].dt.total_seconds() - 100).abs().max() < 1e-3


@pytest.mark.parametrize(
    "address", ["::ffff:0:127.0.0.1", "::ffff:0:10.0.0.1", "64:ff9b::127.0.0.1", "::ffff:127.0.0.1"]
)
def test_an_ipv6_address_of_a_private_ipv4_address_is_not_public(address):
    assert not is_public(address) and is_public("::ffff:0:8.8.8.8") == is_public("64:ff9b::8.8.8.8")


def test_numbers_are_equal_or_not():
    frame = pd.DataFrame({"listing_id": list("abcd"), "price": [450_000, 450_004, 19.99, 1234567]})
    frame["size"] = frame["price"].astype("float32")
    market = Market.from_frames(frame, attributes={"price": "number", "size": "number"})
    assert fulfilling(market, "price=450000").tolist() == [True, False, False, False]
    assert fulfilling(market, "price=1234566").sum() == 0
    assert (
        fulfilling(market, "price=19.99").tolist()
        == fulfilling(market, "size=19.99").tolist()
        == [False, False, True, False]
    )


def test_vectors_of_any_magnitude_keep_their_direction(tmp_path):
    directions = np.random.default_rng(0).normal(size=(5, 8))
    scales = np.array([1, 1e30, 1e-40, 1e300, 1e-300])[:, None]
    market = Market.from_frames(
        pd.DataFrame({"listing_id": range(5)}), vectors={"own": {"path": "own.npy"}}
    ).save(tmp_path / "m")
    np.save(tmp_path / "m" / "own.npy", directions * scales)
    expected = directions / np.linalg.norm(directions, axis=1, keepdims=True)
    assert np.allclose(precomputed_vectors(market, "own"), expected, atol=1e-6)
    np.save(tmp_path / "m" / "own.npy", (directions * scales)[:3].repeat(2, axis=0)[:5].astype(np.float32))
    assert np.allclose(precomputed_vectors(market, "own"), expected[[0, 0, 1, 1, 2]], atol=1e-3)


def test_equal_rows_are_one_listing_and_different_ones_are_counted(folder):
    text = "listing_id,rooms\n" + "".join(f"{number},{number % 3}\n" for number in [*range(40), 3, 7, 3.0])
    market = Market.open(folder(listings=text.replace("3.0,0.0", "3,0")))
    assert len(market.listings) == 40
    assert [(issue.row, issue.count) for issue in market.issues if "repeats" in issue.message] == [(41, 3)]
    other = "listing_id,rooms,rent\n1,2,3\n1,2,3\n2,2,\n3,2,many\n4,5,7\n4,5,8\n5,1,1\n5,1,2\n5,1,3\n6,0,0\n6,1,1\n7,0,0\n7,1,1\n"
    with pytest.raises(
        VibesError,
        match=r"4 ids of .* '4' \(rows 5 and 6\), '5' \(rows 7, 8 and 9\) and '6' \(rows 10 and 11\)",
    ):
        Market.open(folder(listings=other))
    rows = "".join(f"{number},{number}\n" for number in range(2, 30))
    market = Market.open(
        folder(listings=f"listing_id,rent\n1,3\n1,3\n{rows}30,many\n", toml="attributes.rent.kind = 'number'")
    )
    assert [issue.row for issue in market.issues] == [2, 31]  # rows of the file


def test_equal_rows_keep_their_vectors(folder):
    path = folder(listings="listing_id,rooms\n1,1\n1,1\n2,5\n", toml="vectors.own.path = 'own.npy'")
    np.save(path / "own.npy", np.array([[1.0, 0], [1, 0], [0, 1]]))
    market = Market.open(path)
    assert np.array_equal(precomputed_vectors(market, "own"), np.eye(2)) and market.raw_table(
        "listings"
    ).shape == (3, 2)


def test_listings_of_the_far_future_and_thousands_without_an_end_are_named(folder):
    table = pd.DataFrame(
        {"listing_id": range(3000), "published_at": "2024-01-01", "expires_at": "2025-01-01"}
    )
    table.loc[:4, "published_at"], table.loc[:1999, "expires_at"] = "2099-01-01", None
    table.loc[:4, "expires_at"] = "2100-01-01"
    market = Market.open(folder(listings=table.to_csv(index=False)), now=NOW)
    assert [issue.count for issue in market.issues] == [5, 1995]
    assert "year in the future" in messages(market, "published_at")[0]
    assert "never expires" in messages(market, "expires_at")[0]
    few = table.assign(published_at="2024-01-01").iloc[1500:2500]
    assert Market.open(folder(listings=few.to_csv(index=False)), now=NOW).issues == []


def test_numbers_that_are_ids_of_sellers_are_named():
    rng, rows = np.random.default_rng(0), 2000
    sellers = rng.integers(10**6, 10**8, 500)
    frame = pd.DataFrame(
        {
            "listing_id": range(rows),
            "host": rng.choice(np.arange(1, 600), rows),
            "account": rng.choice(sellers, rows),
            "price": rng.integers(200, 900, rows) * 1000,
            "exact_price": rng.lognormal(12, 0.4, rows).astype(int),
            "area": rng.normal(1500, 400, rows).astype(int).clip(100),
            "mileage": rng.integers(0, 250_000, rows),
            "year": rng.integers(1900, 2024, rows),
            "rooms": rng.integers(1, 9, rows),
        }
    )
    market = Market.from_frames(frame)
    assert {issue.column for issue in market.issues} == {"host", "account"}
    assert 'excluded = ["account"]' in messages(market, "account")[0]
    assert '[attributes."account"] kind = "category"' in messages(market, "account")[0]


def test_sets_with_semicolons_are_sets(folder):
    rng = np.random.default_rng(0)
    names = ["Wifi", "Kitchen", "TV", "Sauna", "Pool"]
    cells = ["; ".join(rng.choice(names, rng.integers(1, 5), replace=False)) for _ in range(200)]
    texts = [f"A home no. {number}; near {number * 7} street, quiet" for number in range(200)]
    frame = pd.DataFrame({"listing_id": range(200), "amenities": cells, "note": texts})
    market = Market.from_frames(frame)
    assert {item.name: item.kind for item in market.attributes} == {"amenities": "multi", "note": "text"}
    assert set(market.listings["amenities"].explode()) == set(names)


def test_links_out_of_a_market_are_not_followed(folder, tmp_path, monkeypatch):
    monkeypatch.setenv("LISTING_VIBES_CACHE", str(tmp_path / "user"))
    path, secret, victim = folder(listings="listing_id\n1\n"), tmp_path / "secret.txt", tmp_path / "victim"
    secret.write_text("SECRET")
    victim.mkdir()
    Image.new("RGB", (9, 9)).save(path / "a.png")
    cached = thumbnail(path, "a.png")
    assert cached is not None and cached.parent == path / ".cache" / "thumbnails"
    cached.unlink()
    cached.symlink_to(secret)
    again = thumbnail(path, "a.png")
    assert again is not None and again.read_bytes()[:4] == b"RIFF" and secret.read_text() == "SECRET"
    again.unlink()
    again.parent.rmdir()
    again.parent.symlink_to(victim)
    with pytest.raises(VibesError, match="is a link that leaves"):
        thumbnail(path, "a.png")
    again.parent.unlink()
    (path / ".cache").rmdir()
    (path / ".cache").symlink_to(victim)
    assert (file := thumbnail(path, "a.png")) is not None and file.is_relative_to(tmp_path / "user")
    assert list(victim.iterdir()) == []
    (path / "photos.csv").symlink_to(secret)
    with pytest.raises(VibesError, match=r"photos\.csv is a link that leaves"):
        Market.open(path)
    (path / "photos.csv").unlink()
    (path / "market.toml").symlink_to(secret)
    with pytest.raises(VibesError, match=r"market\.toml is a link that leaves"):
        Market.open(path)
    linked = tmp_path / "linked"
    linked.symlink_to(path)  # the folder itself may be a link
    assert inside(linked, linked / "a.png") == linked / "a.png"


def test_versions_of_a_run_are_not_followed_out_of_it(tmp_path):
    run, victim = tmp_path / "run", tmp_path / "victim"
    run.mkdir()
    (victim / ".building").mkdir(parents=True)
    for name in ("versions", "measured"):
        (run / name).symlink_to(victim)
    for series in (STATES, RESULTS):
        with pytest.raises(VibesError, match="is a link that leaves"), building(run, series):
            pass
        with pytest.raises(VibesError, match="is a link that leaves"):
            sweep(run, series)
    assert (victim / ".building").is_dir()


def test_names_of_columns_in_another_spelling_are_named(folder):
    with pytest.raises(VibesError, match=r"has the column ' Listing_ID'; rename it to 'listing_id'"):
        Market.open(folder(listings=" Listing_ID,rooms\n1,2\n"))
    with pytest.raises(VibesError, match="remove what stands above the names"):
        Market.open(folder(listings="Export of May\n\nlisting_id,rooms\n1,2\n3,4\n"))


def test_coordinates_may_have_a_decimal_comma(folder):
    market = Market.open(folder(listings='listing_id;latitude;longitude\n1;59,912;"10,75"\n2;-5,5;170\n'))
    assert market.issues == []
    assert market.listings[["latitude", "longitude"]].to_numpy().tolist() == [[59.912, 10.75], [-5.5, 170.0]]


def test_words_for_missing_numbers_leave_a_column_of_numbers(folder):
    cells = ["#N/A", "null", "-", "#REF!", *map(str, range(10, 22))]
    market = Market.open(
        folder(listings="listing_id,rent\n" + "".join(f"{n},{cell}\n" for n, cell in enumerate(cells)))
    )
    assert [(item.name, item.kind) for item in market.attributes] == [("rent", "number")]
    assert [issue.count for issue in market.issues] == [4]


@pytest.mark.parametrize(
    ("events", "says"),
    [
        ("user_id,listing_id,position\nH1,7,1\nH2,8,1\n", "columns seem to be swapped"),
        ("user_id,listing_id,position\n7,h1,1\n8,h2,1\n", "spells it 'H1'"),
        ("user_id,listing_id,position\n7,https://a.example/H1/,1\n", "spells it 'H1'"),
        ("user_id,listing_id,position\n7,00H1,1\n", "spells it 'H1'"),
        ("user_id,listing_id,position\n7,1.00200E+11,1\n", "spreadsheet"),
        ("user_id,listing_id,position\n7,9,1\n", "not a listing of this market; the event"),
    ],
)
def test_events_that_fit_no_listing_say_why(folder, events, says):
    market = Market.open(folder(listings="listing_id,rooms\nH1,2\nH2,3\n", events=events))
    assert says in messages(market, "listing_id")[0] and market.events.empty


@pytest.mark.parametrize(
    ("column", "cell", "says"),
    [
        ("size", "{} m²", '[attributes."size"] unit = "m²"'),
        ("size", "{},5 kr", '[attributes."size"] unit = "kr"'),
        ("size", "{}.5 - 99", 'kind = "number"'),
        ("spot", "47.{}, 11.5", "latitude and longitude"),
        ("latitude", "-12{}.5", "swapped"),
        ("expires_at", "453{}.25", "spreadsheet"),
    ],
)
def test_cells_of_another_notation_say_how_to_write_them(folder, column, cell, says):
    cells = [f"{n},47,{cell.format(n)!r}".replace("'", '"') for n in range(10, 30)]
    market = Market.open(folder(listings=f"listing_id,longitude,{column}\n" + "\n".join(cells) + "\n"))
    assert says in messages(market, column)[0]


@pytest.mark.parametrize("name", ["listings.json", "listings.xlsx"])
def test_listings_of_another_type_are_named(tmp_path, name):
    (tmp_path / name).touch()
    with pytest.raises(VibesError, match=f"{name}.*listings.csv"):
        Market.open(tmp_path)


def test_photos_without_a_file_are_not_counted_on_a_card(folder):
    path = folder(listings="listing_id\n1\n2\n", photos="listing_id,path\n1,a.png\n1,b.png\n2,c.png\n")
    Image.new("RGB", (9, 9)).save(path / "b.png")
    market = Market.open(path)
    view = MarketView(market, lambda: EventLog.from_market(market))
    assert (view.photos(0), view.photos(1)) == (["b.png"], [])
