"""The example for nginx, started as it is but for its ports and certificates, before a real explorer and a real service."""

import base64
import http.client
import os
import re
import shutil
import socket
import ssl
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from browser.served import wait_for
from listing_vibes.serving.service.access import HOSTS, TOKEN
from listing_vibes_app.server import command_line

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
SECRET = "a-token-of-many-characters"
PAGES, API = "listings.example.com", "api.listings.example.com"
MAIN = """
daemon off; master_process off; pid {folder}/pid; error_log {folder}/errors;
events {{ worker_connections 256; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
    include {folder}/example.conf;
}}
"""


@pytest.fixture(scope="module")
def nginx() -> str:
    found = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")
    if found is None:
        if os.environ.get("LISTING_VIBES_REQUIRE_NGINX"):
            pytest.fail("LISTING_VIBES_REQUIRE_NGINX is set, but there is no nginx")
        pytest.skip("there is no nginx; install it with `apt-get install nginx-light`")
    return found


@pytest.fixture(scope="module")
def port(nginx, trained, tmp_path_factory):
    """Where nginx listens, before both."""
    folder = tmp_path_factory.mktemp("nginx")
    patch = pytest.MonkeyPatch()
    patch.setenv(TOKEN, SECRET)
    patch.setenv(HOSTS, f"{PAGES},{API}")
    service, front = command_line.free_port(), command_line.free_port()
    explorer = command_line.command([trained.path], None, browser=False)
    served = [sys.executable, "-m", "listing_vibes", "serve", str(trained.path), "--port", str(service)]
    ours = command_line.address(explorer)
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", f"/CN={PAGES}",
         "-addext", f"subjectAltName=DNS:{PAGES},DNS:{API}", "-keyout", folder / "key", "-out", folder / "crt"],
        check=True, capture_output=True,
    )  # fmt: skip
    text = (ROOT / "assets" / "docs" / "nginx.conf").read_text(encoding="utf-8")
    changes = {
        "127.0.0.1:8501": ours.removeprefix("http://"), "127.0.0.1:8000": f"127.0.0.1:{service}", "listen 443": f"listen 127.0.0.1:{front}",
        "/etc/ssl/listings.example.com.crt": str(folder / "crt"), "/etc/ssl/listings.example.com.key": str(folder / "key"),
    }  # fmt: skip
    for old, new in changes.items():
        assert old in text
        text = text.replace(old, new)
    (folder / "example.conf").write_text(text, encoding="utf-8")
    (folder / "main.conf").write_text(MAIN.format(folder=folder), encoding="utf-8")
    proxy = [nginx, "-e", str(folder / "errors"), "-c", str(folder / "main.conf")]
    subprocess.run([*proxy, "-t"], check=True, capture_output=True)
    with (folder / "log").open("wb") as log:
        processes = [
            subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, cwd=ROOT)
            for command in (explorer, served, proxy)
        ]
    patch.undo()
    try:
        for url, process in (
            (f"{ours}/_stcore/health", processes[0]),
            (f"http://127.0.0.1:{service}/health", processes[1]),
        ):
            asked = urllib.request.Request(url, headers={"Authorization": f"Bearer {SECRET}"})
            wait_for(asked, process, folder / "log")
        yield front
    finally:
        for process in processes:
            process.terminate()
        for process in processes:
            process.wait(180)


def ask(
    port: int, host: str, path: str, token: str | None = SECRET, **headers: str
) -> tuple[int, http.client.HTTPMessage, str]:
    trusting = ssl.create_default_context()
    trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
    plain = socket.create_connection(("127.0.0.1", port), timeout=120)  # of a busy machine
    client = http.client.HTTPConnection(host)
    client.sock = trusting.wrap_socket(plain, server_hostname=host)
    if token is not None:
        headers["Authorization"] = f"Bearer {token}"
    client.request("GET", path, headers=headers)
    answer = client.getresponse()
    found = answer.status, answer.headers, answer.read().decode()
    client.close()
    return found


def test_both_answer_by_their_names_to_the_token_alone(port, trained):
    status, headers, page = ask(port, PAGES, "/similar")
    assert status == 200 and '<div id="root">' in page
    assert (
        "max-age" in headers["strict-transport-security"]
        and "frame-ancestors" in headers["content-security-policy"]
    )
    status, headers, found = ask(port, API, f"/similar/{trained.listing_ids[0]}?k=2")
    assert status == 200 and found.count("listing_id") == 2
    assert (
        "max-age" in headers["strict-transport-security"] and headers["x-content-type-options"] == "nosniff"
    )
    for host in (PAGES, API):
        assert ask(port, host, "/", None)[0] == 401
        assert ask(port, host, "/", SECRET + "x")[0] == 401
    with pytest.raises((http.client.RemoteDisconnected, ConnectionResetError)):
        ask(port, "evil.example.com", "/")


def test_an_open_page_has_its_socket(port):
    upgrade = {
        "Connection": "Upgrade", "Upgrade": "websocket", "Origin": f"https://{PAGES}", "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": base64.b64encode(b"sixteen bytes...").decode(), "Sec-WebSocket-Protocol": "streamlit",
    }  # fmt: skip
    status, headers, _ = ask(port, PAGES, "/_stcore/stream", **upgrade)
    assert status == 101 and headers["sec-websocket-protocol"] == "streamlit"
    assert ask(port, PAGES, "/_stcore/stream", None, **upgrade)[0] in (401, 403)


def test_the_names_in_the_example_are_those_the_guide_gives():
    text = (ROOT / "assets" / "docs" / "nginx.conf").read_text(encoding="utf-8")
    assert {TOKEN, HOSTS} <= set(re.findall(r"LISTING_VIBES_\w+", text))
