"""A host of photos on this machine that is slow, wrong, rude or gone, as its paths say."""

from __future__ import annotations

import ssl
import threading
import time
from collections import Counter
from contextlib import contextmanager
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from PIL import Image

from helpers.pictures import encoded


def picture() -> bytes:
    """The bytes of a JPEG."""
    return encoded(Image.new("RGB", (24, 24), (200, 30, 30)), "JPEG")


class Hosting:
    """What was asked, and how much at the same time."""

    def __init__(self) -> None:
        self.asked: Counter[str] = Counter()
        self.times: list[float] = []
        self.agents: set[str] = set()
        self.busy = self.most_busy = self.connections = 0
        self.robots: str | None = None
        self.lock = threading.Lock()
        self.url = ""

    @property
    def photos(self) -> int:
        """Requests but for robots.txt."""
        return sum(number for path, number in self.asked.items() if path != "/robots.txt")


@contextmanager
def hosting(secure: ssl.SSLContext | None = None):
    """`with hosting() as host`: a `Hosting` that answers on `host.url`, over TLS where `secure` has a certificate."""
    told = Hosting()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def setup(self):
            super().setup()
            with told.lock:
                told.connections += 1

        def log_message(self, *_):
            pass

        def do_GET(self):
            # A client leaves a response that takes too long, which this thread learns only later.
            counts = not self.path.startswith(("/drip/", "/silent/"))
            with told.lock:
                told.busy += counts
                told.most_busy = max(told.most_busy, told.busy)
                told.asked[self.path] += 1
                told.times.append(time.monotonic())
                told.agents.add(self.headers["User-Agent"])
                number = told.asked[self.path]
            try:
                self.answer(number)
            except (BrokenPipeError, ConnectionResetError):
                self.close_connection = True
            finally:
                with told.lock:
                    told.busy -= counts

        def say(self, status, body=b"", headers=None):
            self.send_response(status)
            given = {"Content-Type": "image/jpeg", "Content-Length": len(body), **(headers or {})}
            for name, value in given.items():
                if value is not None:
                    self.send_header(name, str(value))
            self.end_headers()
            self.wfile.write(body)

        def answer(self, number):
            what, jpeg = self.path.strip("/").split("/")[0], picture()
            chunked = {"Content-Length": None, "Transfer-Encoding": "chunked"}
            first = {  # the first response, before the photo
                "once-500": (500,), "busy": (429, b"", {"Retry-After": 1}), "once-short": (200, jpeg[:100], {"Content-Length": len(jpeg)}),
                "dated": (503, b"", {"Retry-After": formatdate(time.time() + 2, usegmt=True)}),
            }  # fmt: skip
            always = {
                "404": (404,), "500": (500,), "tomorrow": (429, b"", {"Retry-After": 86_400}), "more": (200, jpeg + b"behind the image"),
                "html": (200, b"<html>Please log in</html>", {"Content-Type": "text/html"}), "cut": (200, jpeg[: len(jpeg) // 2]),
                "short": (200, jpeg[:100], {"Content-Length": len(jpeg)}), "huge": (200, b"", {"Content-Length": 10**9}),
                "endless": (200, b"", chunked), "drip": (200, b"", {"Content-Length": 1000}),
                "chunked": (200, b"63\r\n%b\r\n%x\r\n%b\r\n0\r\n\r\n" % (jpeg[:99], len(jpeg) - 99, jpeg[99:]), chunked),
                "moved": (302, b"", {"Location": "/ok/moved.jpg"}), "round": (302, b"", {"Location": self.path}),
                "inside": (302, b"", {"Location": "http://169.254.169.254/latest/meta-data"}),  # to where only this machine gets
                "file": (302, b"", {"Location": "file:///etc/passwd"}),
            }  # fmt: skip
            if self.path == "/robots.txt":
                self.say(404) if told.robots is None else self.say(200, told.robots.encode())
                return
            time.sleep({"slow": 0.05, "silent": 12}.get(what, 0))
            response = first.get(what) if number == 1 else None
            if what != "silent":
                self.say(*(response or always.get(what, (200, jpeg))))
            for _ in range(1000 if what == "endless" else 0):
                self.wfile.write(b"4000\r\n" + bytes(0x4000) + b"\r\n")
            for _ in range(240 if what == "drip" else 0):
                self.wfile.write(b"x")
                self.wfile.flush()
                time.sleep(0.05)
            if what in ("short", "once-short", "huge", "silent"):
                self.close_connection = what != "once-short" or number == 1

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    if secure is not None:
        server.socket = secure.wrap_socket(server.socket, server_side=True)
    told.url = f"http{'s' if secure else ''}://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield told
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
