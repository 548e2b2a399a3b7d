"""What page and server said to one another, for a test that failed where nobody can look at its screen."""

import time
from collections import deque
from pathlib import Path

from google.protobuf.message import DecodeError
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

KEPT = 60  # messages, the last ones
WIDTH = 240  # letters of one
LINES = 20  # of the server's log
#: What the mouse hit, whether or not anything came of it.
WATCH_MOUSE = """
window.pressed = []
for (const kind of ["mousedown", "mouseup", "click"])
  addEventListener(kind, (event) => {
    const on = event.composedPath()[0]
    window.pressed.push([(performance.timeOrigin + performance.now()) / 1000, kind, (on.outerHTML ?? "").slice(0, 120)])
  }, true)
"""


class Told:
    """Listens to a page from its start; `lines` tells what was heard."""

    def __init__(self, page) -> None:
        self._page, self._kept = page, deque(maxlen=KEPT)
        page.add_init_script(WATCH_MOUSE)
        page.on("websocket", self._listen)
        page.on("download", lambda file: self._keep("download", file.suggested_filename))

    def lines(self, log: Path) -> list[str]:
        """What was said and what the mouse hit, by time, and the end of the server's log."""
        said = [(at, side, _words(side, what)) for at, side, what in self._kept]
        said += [(at, kind, on) for at, kind, on in self._page.evaluate("window.pressed ?? []")]
        found = [
            f"{time.strftime('%X', time.localtime(at))}.{at % 1 * 1000:03.0f} {side}: {' '.join(words.split())[:WIDTH]}"
            for at, side, words in sorted(said)
        ]
        return found + log.read_text(errors="replace").splitlines()[-LINES:]

    def _listen(self, socket) -> None:
        socket.on("framesent", lambda data: self._keep("sent", data))
        socket.on("framereceived", lambda data: self._keep("received", data))
        socket.on("close", lambda _: self._keep("closed", socket.url))

    def _keep(self, side: str, what: bytes | str) -> None:
        self._kept.append((time.time(), side, what))


def _words(side: str, what: bytes | str) -> str:
    if isinstance(what, str):
        return what
    message = BackMsg() if side == "sent" else ForwardMsg()
    try:
        message.ParseFromString(what)
    except DecodeError:
        return f"{len(what)} bytes that are no message"
    if side == "received" and message.WhichOneof("type") == "delta":
        kind = message.delta.WhichOneof("type")
        drawn = getattr(message.delta, kind)
        element = drawn.WhichOneof("type") if kind != "new_transient" else ""
        return f"{kind} {element} at {'.'.join(map(str, message.metadata.delta_path))}"
    return str(message)
