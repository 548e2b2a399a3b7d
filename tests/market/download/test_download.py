"""Photos by their addresses: from a host on this machine that is slow, wrong, rude or gone."""

from __future__ import annotations

import csv
import json
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time

import pandas as pd
import pytest
from PIL import Image
from tests.market.download.hosting import hosting

import listing_vibes
from helpers.commands import vibes
from listing_vibes.errors import VibesError
from listing_vibes.market.download.address import is_public, parse_photo_url
from listing_vibes.market.download.fetch import end_with_image
from listing_vibes.market.download.job import FAILURES, download, fetch_photos
from listing_vibes.market.download.limits import Failed, Limits
from listing_vibes.market.market import Market
from listing_vibes.market.photo_files import path_of, with_paths
from listing_vibes.market.profile import profile

HERE = {"private": True, "delay": 0.0, "backoff": 0.01, "retries": 1}


def test_an_address_has_a_path_of_its_own_which_no_address_can_choose():
    first = path_of("https://example.com/a.JPG?size=2")
    assert first == path_of("https://example.com/a.JPG?size=2") != path_of("https://example.com/a.JPG")
    assert first.startswith("photos/by-url/") and first.endswith(".jpg")
    for url in (
        "https://example.com/../../etc/passwd",
        "https://example.com/a.svg/",
        "https://[broken/x.exe",
        "x://\ud800",
    ):
        assert path_of(url).count("/") == 3 and "." not in path_of(url)


def test_addresses_stand_in_the_column_url_or_in_the_place_of_a_path():
    raw = pd.DataFrame(
        {
            "listing_id": list("abcde"),
            "path": ["photos/a.jpg", "https://h/b.jpg", None, "photos/d.jpg", " "],
            "url": [None, None, "https://h/c.png", "https://h/d", " "],
        }
    )
    table = with_paths(raw)
    assert table["path"].tolist()[:4] == [
        "photos/a.jpg",
        path_of("https://h/b.jpg"),
        path_of("https://h/c.png"),
        "photos/d.jpg",
    ]
    assert table["url"].fillna("").tolist() == ["", "https://h/b.jpg", "https://h/c.png", "https://h/d", ""]
    assert with_paths(raw[["listing_id", "path"]].iloc[[0]]).columns.tolist() == ["listing_id", "path"]
    assert with_paths(raw[["listing_id", "url"]])["path"].notna().tolist() == [
        False,
        False,
        True,
        True,
        False,
    ]


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "0.0.0.0", "100.64.0.1", "224.0.0.1", "255.255.255.255",
     "::1", "::", "fe80::1%eth0", "fc00::1", "ff02::1", "::ffff:127.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::", "2002:a00:1::",
     "168.63.129.16", "192.0.0.192", "192.0.0.9", "fec0::1", "feff::1", "64:ff9b:1::a00:1", "::7f00:1", "::127.0.0.1", "::10.0.0.1", "::8.8.8.8",
     "::ffff:168.63.129.16", "64:ff9b::168.63.129.16", "2002:a83f:8110::"],
)  # fmt: skip
def test_private_addresses_are_known_in_every_dress(address):
    assert not is_public(address)


def test_public_addresses_are_public():
    assert all(map(is_public, ("93.184.216.34", "2606:2800:220:1:248:1893:25c8:1946", "64:ff9b::5db8:d822")))


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("file:///etc/passwd", "not an http or https"), ("ftp://h/a.jpg", "not an http or https"), ("s3://b/a.jpg", "not an http or https"),
        ("https://me:secret@h/a.jpg", "a user or a password"), ("http:///a.jpg", "no host"), ("http://h:99999/", "not a valid URL"),
        ("http://a b/x", "not a valid URL"), (f"http://{'x' * 70}ü/", "not a valid URL"),
    ],
)  # fmt: skip
def test_what_is_no_address_of_a_photo_is_told(url, says):
    with pytest.raises(Failed, match=says) as told:
        parse_photo_url(url)
    assert "secret" not in str(told.value)


def test_an_address_is_asked_as_it_is_written():
    found = parse_photo_url("HTTPS://Bücher.example/é a.jpg?x=1&y=ü#part")
    assert (found.scheme, found.host, found.port) == ("https", "xn--bcher-kva.example", None)
    assert found.request_uri == "/%C3%A9%20a.jpg?x=1&y=%C3%BC"


def market(folder, urls, column="url"):
    folder.mkdir(exist_ok=True)
    names = [f"home-{number}" for number in range(len(urls))]
    pd.DataFrame({"listing_id": names, "rooms": range(len(urls))}).to_csv(
        folder / "listings.csv", index=False
    )
    pd.DataFrame({"listing_id": names, "position": 0, column: urls}).to_csv(
        folder / "photos.csv", index=False
    )
    return folder


def failures(folder):
    with (folder / FAILURES).open(encoding="utf-8", newline="") as lines:
        return {row["url"].rpartition("/")[2]: row["reason"] for row in csv.DictReader(lines)}


@pytest.fixture(scope="module")
def host():
    with hosting() as found:
        yield found


def test_a_path_that_can_be_no_file_costs_its_own_photo_alone(tmp_path, host):
    paths = [
        f"photos/{'x' * 300}.jpg",
        "photos/folder.jpg",
        "photos/b.jpg/c.jpg",
        "photos/a\0.jpg",
        "photos/good.jpg",
    ]
    folder = market(tmp_path / "m", [f"{host.url}/ok/{number}" for number in range(5)])
    (folder / "photos" / "folder.jpg").mkdir(parents=True)
    (folder / "photos" / "b.jpg").write_bytes(b"a file")
    wanted = {name: f"{host.url}/ok/{number}" for number, name in enumerate(paths)}
    found = fetch_photos(folder, wanted, Limits.of(HERE))
    assert found.fetched == 1 and (folder / "photos" / "good.jpg").is_file()
    assert list(found.failed) == paths[:4] and all(
        "is not a valid file name (" in why for why in found.failed.values()
    )


@pytest.mark.parametrize(
    "path",
    ["events.parquet", "events.jpg", "photos/events.parquet", "photos/a", ".user-key", ".writer", ".cache/a.jpg", "photos/.user-key",
     "photos/.hidden/a.jpg", "photos/..jpg", "photos\\..\\a.jpg", "photos/by-url/aa/.jpg", "photos", "/photos/a.jpg", "C:photos/a.jpg", "link/a.jpg",
     "photos/link/a.jpg"],
)  # fmt: skip
def test_nothing_is_downloaded_but_photos_below_photos(tmp_path, host, path):
    folder = market(tmp_path / "m", [f"{host.url}/ok/1"])
    pd.DataFrame({"listing_id": ["home-0"], "path": [path], "url": [f"{host.url}/ok/1"]}).to_csv(
        folder / "photos.csv", index=False
    )
    for name in ("photos", ".cache"):
        (folder / name).mkdir()
    for link in (folder / "link", folder / "photos" / "link"):
        link.symlink_to(folder / ".cache")
    before = set(folder.rglob("*"))
    found = fetch_photos(folder, {path: f"{host.url}/ok/1"}, Limits.of(HERE))
    download(folder, HERE)
    assert found.fetched == 0 and list(found.failed) == [path]
    assert set(folder.rglob("*")) - before <= {folder / FAILURES}


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF", "AVIF", "TIFF", "BMP", "PPM", "progressive"])
def test_a_downloaded_photo_ends_with_its_image(tmp_path, kind):
    pixels = Image.effect_noise((40, 30), 90).convert("RGB")
    options = {"progressive": True} if kind == "progressive" else {}
    plain, file = tmp_path / "plain", tmp_path / "a.jpg"
    pixels.save(plain, "JPEG" if kind == "progressive" else kind, **options)
    pd.DataFrame({"user_id": ["u"], "listing_id": ["a"], "position": [0]}).to_parquet(tmp_path / "e.parquet")
    file.write_bytes(plain.read_bytes() + (tmp_path / "e.parquet").read_bytes())
    end_with_image(file)
    assert b"PAR1" not in file.read_bytes()
    if kind not in ("GIF", "TIFF", "BMP", "PPM"):
        assert file.read_bytes() == plain.read_bytes()
    with Image.open(plain) as before, Image.open(file) as after:
        assert before.convert("RGB").tobytes() == after.convert("RGB").tobytes()


@pytest.mark.slow
def test_every_way_to_fail_has_its_reason_and_the_rest_is_there(tmp_path, host):
    good = ["ok/1", "ok/2", "once-500/1", "once-short/1", "chunked/1", "moved/1", "busy/1", "dated/1"]
    says = {
        "404/404": "status 404",
        "500/500": "status 500",
        "html/html": "is no image (its host calls it text/html)",
        "cut/cut": "is damaged (",
        "short/short": "the connection broke (",
        "huge/huge": "is larger than 100,000 bytes (1,000,000,000)",
        "endless/endless": "is larger than 100,000 bytes",
        "drip/drip": "took longer than 0.6 s",
        "silent/silent": "sent nothing for 0.5 s",
        "round/round": "is redirected more than 5 times",
        "file/file": "is not an http or https URL",
    }
    place = market(tmp_path / "m", [f"{host.url}/{path}" for path in [*good, *says]])
    (place / "photos-failed.csv").write_text("old")
    limits = Limits(**HERE, photo_bytes=100_000, timeout=0.5, photo_seconds=0.6, per_host=4)
    told = []
    found, file = download(place, limits, told.append)
    assert (found.fetched, len(found.failed), found.left) == (
        len(good),
        len(says),
        0,
    ) and file == place / FAILURES
    reasons = failures(place)
    assert set(reasons) == {path.rpartition("/")[2] for path in says}
    for path, reason in says.items():
        assert reasons[path.rpartition("/")[2]].startswith(reason), reasons
    opened = Market.open(place)
    there = [path for path in opened.photos["path"] if (place / path).is_file()]
    assert len(there) == len(good) and all(Image.open(place / path).size == (24, 24) for path in there)
    assert not list(place.rglob(".writing-*")) and told[-1].total == len(good) + len(says)
    assert host.asked["/404/404"] == 1 and host.asked["/500/500"] == 2 and host.asked["/short/short"] == 2
    assert host.most_busy <= 5 and host.agents == {
        "listing-vibes (vibes download)"
    }  # one more that dripped and was left
    lines = [line for line in profile(opened).defects if "vibes download" in line]
    assert len(lines) == 1 and f"{len(says)} rows" in lines[0], lines


@pytest.mark.slow
def test_private_addresses_are_refused_also_by_name_and_after_a_redirect(tmp_path, host, monkeypatch):
    port = host.url.rpartition(":")[2]
    before = host.photos
    urls = [
        f"{host.url}/ok/a",
        f"http://localhost:{port}/ok/b",
        f"http://[::ffff:127.0.0.1]:{port}/ok/c",
        "http://2130706433/ok/d",
        *(f"{host.url}/ok/many-{number}" for number in range(12)),
    ]
    found, _ = download(market(tmp_path / "m", urls), Limits(retries=0, delay=0, robots=False))
    assert len(found.failed) == 16 and all("--allow-private" in reason for reason in found.failed.values())
    assert host.photos == before  # nobody was asked
    # what looked public leads on to a private address
    monkeypatch.setattr(
        "listing_vibes.market.download.address.is_public", lambda address: address == "127.0.0.1"
    )
    found, _ = download(market(tmp_path / "n", [f"{host.url}/inside/x"]), Limits(retries=0, delay=0))
    assert "169.254.169.254 is this machine or in a private network" in next(iter(found.failed.values()))


@pytest.mark.slow
def test_hosts_are_asked_no_oftener_than_told_and_keep_their_connections(tmp_path):
    with hosting() as host:
        urls = [f"{host.url}/slow/{number}.jpg" for number in range(12)]
        download(market(tmp_path / "m", urls, "path"), Limits(private=True, delay=0.03, per_host=2))
        took = max(host.times) - min(host.times)  # of 13 requests; one alone may arrive late
        assert host.most_busy == 2 and took > 12 * 0.03 - 0.02 and host.connections <= 3
        assert host.asked["/robots.txt"] == 1


@pytest.mark.slow
def test_no_more_hosts_are_asked_at_a_time_than_told(tmp_path):
    with hosting() as one, hosting() as two, hosting() as three:
        hosts, busy, done = (one, two, three), [], threading.Event()

        def watch():
            while not done.wait(0.005):
                busy.append(sum(host.busy > 0 for host in hosts))

        watcher = threading.Thread(target=watch)
        watcher.start()
        urls = [f"{host.url}/slow/{number}" for host in hosts for number in range(6)]
        result, _ = download(market(tmp_path / "m", urls), Limits(**HERE, robots=False, hosts=2, per_host=3))
        done.set()
        watcher.join()
        assert result.fetched == 18 and 1 <= max(busy) <= 2


@pytest.mark.slow
def test_a_host_that_asks_for_quiet_or_is_gone_is_left_alone(tmp_path):
    with hosting() as host, socket.socket() as gone:
        gone.bind(("127.0.0.1", 0))  # nobody listens
        nobody = f"http://127.0.0.1:{gone.getsockname()[1]}"
        urls = [f"{host.url}/tomorrow/{number}" for number in range(9)] + [
            f"{nobody}/{number}" for number in range(40)
        ]
        found, _ = download(market(tmp_path / "m", urls), Limits(**HERE, robots=False, strikes=5))
        reasons = list(found.failed.values())
        assert sum("wants a delay of" in reason for reason in reasons) == 9 and host.photos <= 2
        assert (
            sum("did not respond 5 times in a row" in reason for reason in reasons) >= 30
            and len(reasons) == 49
        )


@pytest.mark.slow
def test_a_host_needs_a_certificate_that_is_trusted(tmp_path, monkeypatch):
    if shutil.which("openssl") is None:
        pytest.skip("there is no openssl to make a certificate")
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1",
         "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", tmp_path / "key", "-out", tmp_path / "crt"],
        check=True, capture_output=True,
    )  # fmt: skip
    secure = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    secure.load_cert_chain(tmp_path / "crt", tmp_path / "key")
    with hosting(secure) as host:
        place = market(tmp_path / "m", [f"{host.url}/ok/{number}" for number in range(4)])
        found, _ = download(place, Limits(**HERE, robots=False))
        assert set(found.failed.values()) == {"its host has no valid certificate (self-signed certificate)"}
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "crt"))
        found, _ = download(place, Limits(**HERE))
        assert found.fetched == 4


@pytest.mark.slow
def test_robots_are_kept_to_unless_the_host_is_yours(tmp_path):
    with hosting() as host:
        host.robots = "User-agent: *\nDisallow: /ok/private\nCrawl-delay: 0.2\n"
        place = market(tmp_path / "m", [f"{host.url}/ok/private/a.jpg", f"{host.url}/ok/b.jpg"])
        found, _ = download(place, Limits(**HERE))
        assert found.fetched == 1 and "robots.txt disallows" in failures(place)["a.jpg"]
        found, file = download(place, Limits(**HERE, robots=False))
        assert (found.present, found.fetched, file) == (1, 1, None) and not (place / FAILURES).exists()


@pytest.mark.slow
def test_the_bytes_of_a_call_are_bounded_and_the_next_goes_on(tmp_path):
    with hosting() as host:
        place = market(tmp_path / "m", [f"{host.url}/ok/{number}" for number in range(20)])
        found, _ = download(place, Limits(**HERE, total_bytes=5000))
        assert found.used_up and found.fetched + found.left == 20 and not found.failed
        assert 1 <= found.fetched < 9
        again, _ = download(place, Limits(**HERE))
        assert (again.present, again.fetched) == (found.fetched, 20 - found.fetched)


@pytest.mark.slow
def test_a_killed_download_goes_on_where_it_was(tmp_path):
    with hosting() as host:
        place = market(
            tmp_path / "m", [f"{host.url}/slow/{number}" for number in range(30)] + [f"{host.url}/404/x"]
        )
        command = [
            sys.executable,
            "-m",
            "listing_vibes",
            "download",
            str(place),
            "--allow-private",
            "--json",
        ]
        first = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        until = time.monotonic() + 60
        while host.photos < 8 and time.monotonic() < until:
            time.sleep(0.01)
        first.send_signal(signal.SIGKILL)
        first.wait()
        kept = [
            path for path in (place / "photos").rglob("*") if path.is_file() and not path.name.startswith(".")
        ]
        assert kept and all(Image.open(path).size == (24, 24) for path in kept)
        done = vibes(*command[3:])
        found = json.loads(done.stdout)
        assert found["present"] == len(kept) and found["fetched"] == 30 - len(kept) and found["failed"] == 1
        assert found["reasons"] == {"status 404": 1} and found["failures"] == str(place / FAILURES)
        assert not list(place.rglob(".writing-*")) and not (place / ".downloading").exists()
        done = vibes("download", place, "--allow-private", "--strict", check=2)
        assert "1 photo of" in done.stderr and "Traceback" not in done.stderr


def test_a_market_without_addresses_has_nothing_to_fetch(tmp_path):
    with pytest.raises(VibesError, match="has no photo with a URL"):
        download(market(tmp_path / "m", ["photos/a.jpg"], "path"))
    with pytest.raises(VibesError, match="printable ASCII"):
        Limits(agent="a\r\nHost: b")


def test_what_a_host_sends_behind_an_image_is_not_stored(tmp_path, host):
    path = market(tmp_path / "m", [f"{host.url}/more/1"])
    result, _ = download(path, HERE)
    (file,) = (file for file in (path / "photos").rglob("*") if file.is_file())
    assert result.fetched == 1 and file.read_bytes().endswith(b"\xff\xd9")


def test_python_fetches_photos_of_an_opened_market_within_bounds_by_their_names(tmp_path, host):
    opened = Market.open(market(tmp_path / "m", [f"{host.url}/ok/python-{number}" for number in range(3)]))
    found, left = listing_vibes.download(opened, {"private": True, "delay": 0.0})
    assert (found.named, found.fetched, found.failed, left) == (3, 3, {}, None)
    assert listing_vibes.download(tmp_path / "m")[0].present == 3
    with pytest.raises(VibesError, match="no limit 'hurry' of a download; choose one of photo_bytes,"):
        listing_vibes.download(opened, {"hurry": 1})
