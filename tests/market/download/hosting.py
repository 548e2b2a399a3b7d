"""A host of photos on this machine that is slow, wrong, rude or gone, as its paths say."""

from __future__ import annotations

import io
import ssl
import threading
import time
from collections import Counter
from contextlib import contextmanager
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from PIL import Image


def picture(colour: tuple[int, int, int] = (200, 30, 30), side: int = 24) -> bytes:
    """The bytes of a JPEG."""
    out = io.BytesIO()
    Image.new("RGB", (side, side), colour).save(out, "JPEG")
    return out.getvalue()


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
            with told.lock:
                told.busy += 1
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
                    told.busy -= 1

        def say(self, status, body=b"", kind="image/jpeg", **headers):
            self.send_response(status)
            for name, value in {"Content-Type": kind, "Content-Length": len(body), **headers}.items():
                self.send_header(name.replace("_", "-"), str(value))
            self.end_headers()
            self.wfile.write(body)

        def answer(self, number):
            what, jpeg = self.path.strip("/").split("/")[0], picture()
            if self.path == "/robots.txt":
                self.say(404) if told.robots is None else self.say(200, told.robots.encode(), "text/plain")
            elif what in ("ok", "slow"):
                time.sleep(0.05 if what == "slow" else 0)
                self.say(200, jpeg)
            elif what in ("404", "500"):
                self.say(int(what))
            elif what == "once-500":
                self.say(500) if number == 1 else self.say(200, jpeg)
            elif what == "busy":  # until it was asked to wait, by seconds and by a date
                self.say(429, Retry_After="1") if number == 1 else self.say(200, jpeg)
            elif what == "dated":
                self.say(
                    503, Retry_After=formatdate(time.time() + 2, usegmt=True)
                ) if number == 1 else self.say(200, jpeg)
            elif what == "tomorrow":
                self.say(429, Retry_After="86400")
            elif what == "html":
                self.say(200, b"<html>Please log in</html>", "text/html")
            elif what == "more":
                self.say(200, jpeg + b"behind the image")
            elif what == "cut":
                self.say(200, jpeg[: len(jpeg) // 2])
            elif what in ("short", "once-short"):
                whole = what == "once-short" and number > 1
                self.send_response(200)
                self.send_header("Content-Length", str(len(jpeg)))
                self.end_headers()
                self.wfile.write(jpeg if whole else jpeg[:100])
                self.close_connection = not whole
            elif what == "huge":  # says so
                self.send_response(200)
                self.send_header("Content-Length", str(10**9))
                self.end_headers()
                self.close_connection = True
            elif what == "endless":  # says nothing
                self.send_response(200)
                self.send_header("Transfer-Encoding", "chunked")
                self.end_headers()
                for _ in range(1000):
                    self.wfile.write(b"4000\r\n" + bytes(0x4000) + b"\r\n")
            elif what == "drip":
                self.send_response(200)
                self.send_header("Content-Length", "1000")
                self.end_headers()
                for _ in range(100):
                    self.wfile.write(b"x")
                    self.wfile.flush()
                    time.sleep(0.05)
            elif what == "silent":
                time.sleep(1.5)
                self.close_connection = True
            elif what == "chunked":
                self.send_response(200)
                self.send_header("Transfer-Encoding", "chunked")
                self.end_headers()
                for part in (jpeg[:99], jpeg[99:]):
                    self.wfile.write(f"{len(part):x}\r\n".encode() + part + b"\r\n")
                self.wfile.write(b"0\r\n\r\n")
            elif what == "moved":
                self.say(302, Location="/ok/moved.jpg")
            elif what == "round":
                self.say(302, Location=self.path)
            elif what == "inside":  # to where only this machine gets
                self.say(302, Location="http://169.254.169.254/latest/meta-data")
            elif what == "file":
                self.say(302, Location="file:///etc/passwd")

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
