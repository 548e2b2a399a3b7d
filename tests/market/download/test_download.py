"""Photos are downloaded by their URLs from a host on this machine that is slow, wrong, impolite or gone."""

from __future__ import annotations

import csv
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
from helpers.waiting import wait_until
from listing_vibes.errors import VibesError
from listing_vibes.market.download.fetch import Robots, end_with_image
from listing_vibes.market.download.guard import Failed, Limits, is_public, parse_photo_url
from listing_vibes.market.download.job import FAILURES, download, fetch_photos
from listing_vibes.market.market import Market
from listing_vibes.market.photo_files import path_of, with_paths
from listing_vibes.market.profile import profile

HERE = {"private": True, "delay": 0.0, "backoff": 0.01, "retries": 1}


def write_market(folder, urls, column="url", **columns):
    folder.mkdir(exist_ok=True)
    names = [f"home-{number}" for number in range(len(urls))]
    listings = pd.DataFrame({"listing_id": names, "rooms": range(len(urls))})
    listings.to_csv(folder / "listings.csv", index=False)
    photos = pd.DataFrame({"listing_id": names, "position": 0, column: urls, **columns})
    photos.to_csv(folder / "photos.csv", index=False)
    return folder


def failures(folder):
    with (folder / FAILURES).open(encoding="utf-8", newline="") as lines:
        return {row["url"].rpartition("/")[2]: row["reason"] for row in csv.DictReader(lines)}


@pytest.fixture(scope="module")
def host():
    with hosting() as server:
        yield server


def test_a_url_has_its_own_path_and_stands_in_url_or_path():
    first = path_of("https://example.com/a.JPG?size=2")
    assert first == path_of("https://example.com/a.JPG?size=2") != path_of("https://example.com/a.JPG")
    assert first.startswith("photos/by-url/") and first.endswith(".jpg")
    for url in ("https://example.com/../../etc/passwd", "https://[broken/x.exe", "x://\ud800"):
        assert path_of(url).count("/") == 3 and "." not in path_of(url)
    raw = pd.DataFrame(
        {
            "listing_id": list("abcde"),
            "path": ["photos/a.jpg", "https://h/b.jpg", None, "photos/d.jpg", " "],
            "url": [None, None, "https://h/c.png", "https://h/d", " "],
        }
    )
    table = with_paths(raw)
    expected = ["photos/a.jpg", path_of("https://h/b.jpg"), path_of("https://h/c.png"), "photos/d.jpg"]
    assert table["path"].tolist()[:4] == expected
    assert table["url"].fillna("").tolist() == ["", "https://h/b.jpg", "https://h/c.png", "https://h/d", ""]
    assert with_paths(raw[["listing_id", "path"]].iloc[[0]]).columns.tolist() == ["listing_id", "path"]
    assert with_paths(raw[["listing_id", "url"]])["path"].notna().tolist() == [False, False, True, True, False]  # fmt: skip


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "0.0.0.0", "100.64.0.1", "224.0.0.1", "255.255.255.255",
     "::1", "::", "fe80::1%eth0", "fc00::1", "ff02::1", "::ffff:127.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::", "2002:a00:1::",
     "168.63.129.16", "192.0.0.192", "192.0.0.9", "fec0::1", "feff::1", "64:ff9b:1::a00:1", "::7f00:1", "::127.0.0.1", "::10.0.0.1", "::8.8.8.8",
     "::ffff:168.63.129.16", "64:ff9b::168.63.129.16", "2002:a83f:8110::"],
)  # fmt: skip
def test_private_addresses_are_recognized_in_every_notation(address):
    assert not is_public(address)
    assert all(map(is_public, ("93.184.216.34", "2606:2800:220:1:248:1893:25c8:1946", "64:ff9b::5db8:d822")))


@pytest.mark.parametrize(
    "url",
    ["file:///etc/passwd", "ftp://h/a.jpg", "s3://b/a.jpg", "https://me:secret@h/a.jpg", "http:///a.jpg", "http://h:99999/", "http://a b/x",
     f"http://{'x' * 70}ü/"],
)  # fmt: skip
def test_a_url_that_is_not_of_a_photo_is_refused(url):
    with pytest.raises(Failed) as caught:
        parse_photo_url(url)
    assert "secret" not in str(caught.value)


def test_a_url_is_requested_as_it_is_written():
    parsed = parse_photo_url("HTTPS://Bücher.example/é a.jpg?x=1&y=ü#part")
    assert (parsed.scheme, parsed.host, parsed.port) == ("https", "xn--bcher-kva.example", None)
    assert parsed.request_uri == "/%C3%A9%20a.jpg?x=1&y=%C3%BC"


ROBOTS = """
User-agent: *
Disallow: /private
User-agent: our-shop/2.0
Disallow: /*.png$
Disallow: /a/
Allow: /a/b
Crawl-delay: 1.5
"""


def test_robots_txt_is_read_for_the_product_of_the_agent():
    ours, other = Robots("\ufeff" + ROBOTS, "our-shop (it@example.com)"), Robots(ROBOTS, "listing-vibes/1.0")
    assert (ours.delay, other.delay) == (1.5, None)
    allowed = [ours.allows(path) for path in ("/private", "/x.png", "/x.png?a=1", "/a/c", "/a/b/c.jpg")]
    assert allowed == [True, False, True, False, True]
    assert [other.allows(path) for path in ("/private/x", "/x.png")] == [False, True]
    assert Robots("", "x").allows("/") and Robots("\0\xff garbage", "x").allows("/")
    began = time.process_time()
    assert Robots("User-agent: *\nDisallow: /" + "a*" * 300 + "b$", "x").allows("/" + "a" * 2000)
    assert time.process_time() - began < 10


@pytest.mark.parametrize("order", [1, -1])
def test_a_photo_below_the_path_of_another_fails_alone(tmp_path, host, order):
    names = ["photos/a.jpg", "photos/a.jpg/b.jpg", "photos/c.jpg"][::order]
    urls = {name: f"{host.url}/good/{number}.jpg" for number, name in enumerate(names)}
    result = fetch_photos(tmp_path, urls, Limits(**HERE, per_host=1))
    assert result.fetched == 2 and "folder of other photos" in str(result.failed)
    assert "photos/c.jpg" in result.sizes


def test_a_path_that_cannot_be_a_file_fails_alone(tmp_path, host):
    names = ["x" * 300 + ".jpg", "folder.jpg", "b.jpg/c.jpg", "a\0.jpg", "good.jpg"]
    paths = [f"photos/{name}" for name in names]
    folder = write_market(tmp_path / "m", [f"{host.url}/ok/{number}" for number in range(5)])
    (folder / "photos" / "folder.jpg").mkdir(parents=True)
    (folder / "photos" / "b.jpg").write_bytes(b"a file")
    urls = {name: f"{host.url}/ok/{number}" for number, name in enumerate(paths)}
    result = fetch_photos(folder, urls, Limits(**HERE))
    assert result.fetched == 1 and (folder / "photos" / "good.jpg").is_file() and list(result.failed) == paths[:4]  # fmt: skip


@pytest.mark.parametrize(
    "path",
    ["events.parquet", "events.jpg", "photos/events.parquet", "photos/a", ".user-key", ".writer", ".cache/a.jpg", "photos/.user-key",
     "photos/.hidden/a.jpg", "photos/..jpg", "photos\\..\\a.jpg", "photos/by-url/aa/.jpg", "photos", "/photos/a.jpg", "C:photos/a.jpg", "link/a.jpg",
     "photos/link/a.jpg"],
)  # fmt: skip
def test_nothing_is_downloaded_but_photos_below_photos(tmp_path, host, path):
    url = f"{host.url}/ok/1"
    folder = write_market(tmp_path / "m", [url], path=path)
    for name in ("photos", ".cache"):
        (folder / name).mkdir()
    for link in (folder / "link", folder / "photos" / "link"):
        link.symlink_to(folder / ".cache")
    before = set(folder.rglob("*"))
    result = fetch_photos(folder, {path: url}, Limits(**HERE))
    download(folder, HERE)
    assert result.fetched == 0 and list(result.failed) == [path]
    assert set(folder.rglob("*")) - before <= {folder / FAILURES}


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF", "AVIF", "TIFF", "BMP", "PPM", "progressive"])
def test_a_downloaded_photo_ends_with_its_image(tmp_path, kind):
    pixels = Image.effect_noise((40, 30), 90).convert("RGB")
    options = {"progressive": True} if kind == "progressive" else {}
    plain, file = tmp_path / "plain", tmp_path / "a.jpg"
    pixels.save(plain, "JPEG" if kind == "progressive" else kind, **options)
    file.write_bytes(plain.read_bytes() + b"PAR1 a table behind the image PAR1")
    end_with_image(file)
    assert b"PAR1" not in file.read_bytes()
    if kind not in ("AVIF", "GIF", "TIFF", "BMP", "PPM"):
        assert file.read_bytes() == plain.read_bytes()
    with Image.open(plain) as before, Image.open(file) as after:
        assert before.convert("RGB").tobytes() == after.convert("RGB").tobytes()


def test_python_downloads_the_photos_of_an_opened_market(tmp_path, host):
    urls = [f"{host.url}/ok/python-{number}" for number in range(2)] + [f"{host.url}/more/1"]
    opened = Market.open(write_market(tmp_path / "m", urls))
    result, failed = listing_vibes.download(opened, {"private": True, "delay": 0.0})
    assert (result.named, result.fetched, result.failed, failed) == (3, 3, {}, None)
    files = [file for file in (tmp_path / "m" / "photos").rglob("*") if file.is_file()]
    assert len(files) == 3 and all(file.read_bytes().endswith(b"\xff\xd9") for file in files)
    assert listing_vibes.download(tmp_path / "m")[0].present == 3
    with pytest.raises(VibesError, match="unknown key 'hurry'"):
        listing_vibes.download(opened, {"hurry": 1})
    for agent in ("a\r\nHost: b", "b\n", " ", "ü"):
        with pytest.raises(VibesError, match="'agent' is"):
            download(tmp_path, {"agent": agent})
    with pytest.raises(VibesError, match="no photo with a URL"):
        download(write_market(tmp_path / "n", ["photos/a.jpg"], "path"))


@pytest.mark.slow
def test_every_failure_has_its_reason_and_the_other_photos_are_fetched(tmp_path, host):
    good = ["ok/1", "ok/2", "once-500/1", "once-short/1", "chunked/1", "moved/1", "busy/1", "dated/1"]
    says = {
        "404/404": "status 404", "500/500": "status 500", "html/html": "is not an image (its host calls it text/html)", "cut/cut": "is damaged (",
        "short/short": "the connection broke (", "huge/huge": "is larger than 100,000 bytes (1,000,000,000)",
        "endless/endless": "is larger than 100,000 bytes", "drip/drip": "took longer than 5 s", "silent/silent": "sent nothing for 4 s",
        "round/round": "is redirected more than 5 times", "file/file": "is not an http or https URL",
    }  # fmt: skip
    folder = write_market(tmp_path / "m", [f"{host.url}/{path}" for path in [*good, *says]])
    (folder / FAILURES).write_text("old")
    limits = Limits(**HERE, photo_bytes=100_000, timeout=4.0, photo_seconds=5.0, per_host=4)
    reports = []
    result, file = download(folder, limits, reports.append)
    assert (result.fetched, len(result.failed), result.left) == (len(good), len(says), 0)
    assert file == folder / FAILURES
    reasons = failures(folder)
    assert set(reasons) == {path.rpartition("/")[2] for path in says}
    assert all(reasons[path.rpartition("/")[2]].startswith(reason) for path, reason in says.items()), reasons
    opened = Market.open(folder)
    files = [folder / path for path in opened.photos["path"] if (folder / path).is_file()]
    assert len(files) == len(good) and all(Image.open(file).size == (24, 24) for file in files)
    assert not list(folder.rglob(".writing-*")) and reports[-1].total == len(good) + len(says)
    assert host.asked["/404/404"] == 1 and host.asked["/500/500"] == 2 and host.asked["/short/short"] == 2
    assert host.most_busy <= 4 and host.agents == {"listing-vibes (vibes download)"}
    (line,) = (line for line in profile(opened).issues if "vibes download" in line)
    assert f"{len(says)} rows" in line


@pytest.mark.slow
def test_private_addresses_are_refused_also_by_name_and_after_a_redirect(tmp_path, host, monkeypatch):
    port, before = host.url.rpartition(":")[2], host.photos
    urls = [
        f"{host.url}/ok/a", f"http://localhost:{port}/ok/b", f"http://[::ffff:127.0.0.1]:{port}/ok/c", "http://2130706433/ok/d",
        *(f"{host.url}/ok/many-{number}" for number in range(12)),
    ]  # fmt: skip
    result, _ = download(write_market(tmp_path / "m", urls), Limits(retries=0, delay=0, robots=False))
    assert len(result.failed) == 16 and all("--allow-private" in reason for reason in result.failed.values())
    assert host.photos == before  # without a request
    # What looked public leads on to a private address.
    monkeypatch.setattr("listing_vibes.market.download.guard.is_public", lambda address: address == "127.0.0.1")  # fmt: skip
    result, _ = download(write_market(tmp_path / "n", [f"{host.url}/inside/x"]), Limits(retries=0, delay=0))
    assert "169.254.169.254" in next(iter(result.failed.values()))


@pytest.mark.slow
def test_a_host_gets_few_requests_at_a_time_over_the_same_connections(tmp_path):
    with hosting() as host:
        urls = [f"{host.url}/slow/{number}.jpg" for number in range(12)]
        folder = write_market(tmp_path / "m", urls, "path")
        download(folder, Limits(private=True, delay=0.03, per_host=2))
        took = max(host.times) - min(host.times)  # of 13 requests; one alone may arrive late
        assert host.most_busy == 2 and took > 12 * 0.03 - 0.02 and host.connections <= 3
        assert host.asked["/robots.txt"] == 1


@pytest.mark.slow
def test_few_hosts_get_requests_at_a_time(tmp_path):
    with hosting() as first, hosting() as second, hosting() as third:
        hosts, busy, done = (first, second, third), [], threading.Event()

        def watch():
            while not done.wait(0.005):
                busy.append(sum(host.busy > 0 for host in hosts))

        watcher = threading.Thread(target=watch)
        watcher.start()
        urls = [f"{host.url}/slow/{number}" for host in hosts for number in range(6)]
        limits = Limits(**HERE, robots=False, hosts=2, per_host=3)
        result, _ = download(write_market(tmp_path / "m", urls), limits)
        done.set()
        watcher.join()
        assert result.fetched == 18 and 1 <= max(busy) <= 2


@pytest.mark.slow
def test_a_host_that_wants_a_long_delay_or_is_gone_gets_no_more_requests(tmp_path):
    with hosting() as host, socket.socket() as gone:
        gone.bind(("127.0.0.1", 0))  # without a listener
        urls = [f"{host.url}/tomorrow/{number}" for number in range(9)]
        urls += [f"http://127.0.0.1:{gone.getsockname()[1]}/{number}" for number in range(40)]
        result, _ = download(write_market(tmp_path / "m", urls), Limits(**HERE, robots=False, strikes=5))
        reasons = list(result.failed.values())
        assert sum("wants a delay of" in reason for reason in reasons) == 9 and host.photos <= 2
        assert sum("did not respond 5 times" in reason for reason in reasons) >= 30 and len(reasons) == 49


@pytest.mark.slow
def test_a_host_needs_a_trusted_certificate(tmp_path, monkeypatch):
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
        folder = write_market(tmp_path / "m", [f"{host.url}/ok/{number}" for number in range(4)])
        result, _ = download(folder, Limits(**HERE, robots=False))
        assert set(result.failed.values()) == {"its host has no valid certificate (self-signed certificate)"}
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "crt"))
        assert download(folder, Limits(**HERE))[0].fetched == 4


@pytest.mark.slow
def test_robots_are_respected_and_a_call_is_bounded_and_continued(tmp_path):
    with hosting() as host:
        host.robots = "User-agent: *\nDisallow: /ok/private\nCrawl-delay: 0.2\n"
        folder = write_market(tmp_path / "m", [f"{host.url}/ok/private/a.jpg", f"{host.url}/ok/b.jpg"])
        result, _ = download(folder, Limits(**HERE))
        assert result.fetched == 1 and "robots.txt disallows" in failures(folder)["a.jpg"]
        result, file = download(folder, Limits(**HERE, robots=False))
        assert (result.present, result.fetched, file) == (1, 1, None) and not (folder / FAILURES).exists()
    with hosting() as host:
        folder = write_market(tmp_path / "n", [f"{host.url}/ok/{number}" for number in range(20)])
        result, _ = download(folder, Limits(**HERE, total_bytes=5000))
        assert result.used_up and result.fetched + result.left == 20 and not result.failed
        again, _ = download(folder, Limits(**HERE))
        assert 1 <= again.present == result.fetched < 9 and again.fetched == 20 - result.fetched


@pytest.mark.slow
def test_a_killed_download_continues(tmp_path):
    with hosting() as host:
        urls = [f"{host.url}/slow/{number}" for number in range(30)] + [f"{host.url}/404/x"]
        folder = write_market(tmp_path / "m", urls)
        words = ["download", str(folder), "--allow-private"]
        first = subprocess.Popen(
            [sys.executable, "-m", "listing_vibes", *words],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        wait_until(lambda: host.photos >= 8)
        first.send_signal(signal.SIGKILL)
        first.wait()
        files = [file for file in (folder / "photos" / "by-url").glob("*/*") if file.is_file()]
        assert files and all(Image.open(file).size == (24, 24) for file in files)
        done = vibes(*words).stderr
        assert f"{30 - len(files)} fetched now" in done and f"{len(files)} before. 1 failed" in done
        assert "1 photo: status 404" in done and str(folder / FAILURES) in done
        assert not list(folder.rglob(".writing-*")) and not (folder / ".downloading").exists()
        done = vibes("download", folder, "--allow-private", "--strict", check=2)
        assert "1 photo" in done.stderr and "Traceback" not in done.stderr
