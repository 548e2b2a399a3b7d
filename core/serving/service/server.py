"""The service on a port, until it is told to stop."""

from __future__ import annotations

import gc
import signal
import socket
from collections.abc import Callable
from pathlib import Path

from core.errors import VibesError

GRACE_S = 10  # of requests that are being answered when the service is stopped


def serve(
    run: Path,
    host: str = "127.0.0.1",
    port: int = 8000,
    ready: Callable[[str], None] | None = None,
    most: int = 64,
    pause: float = 0.002,
    waiting: int = 1024,
    beside: str | None = None,
) -> None:
    """Serve `run` until SIGINT or SIGTERM; requests that are under way are answered before it ends.

    Args:
        port: 0 = any free one.
        ready: is told the address as soon as requests are taken.
        most, pause, waiting: see `core.serving.service.api.Options`.
        beside: what is added to the model where a request does not say, see `Run.recommend`.

    Raises:
        VibesError: a library is missing, the run cannot be opened, or the port is taken.
    """
    try:
        import uvicorn

        from core.serving.service.api import Options, make_app
        from core.serving.service.newest import NewestState
    except ImportError as error:
        raise VibesError(
            f"Serving needs {error.name}; install it with `pip install 'listing-vibes[serve]'`."
        ) from error
    current = NewestState(run, beside)
    listening = _listen(host, port)
    shown = f"[{host}]" if ":" in host else host
    address = f"http://{shown}:{listening.getsockname()[1]}"
    app = make_app(current, Options(most=most, pause=pause, waiting=waiting))
    gc.freeze()  # libraries and run stay: walking them again and again would only make requests wait

    class Server(uvicorn.Server):
        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            if ready is not None:
                ready(address)

    config = uvicorn.Config(
        app, log_level="warning", access_log=False, timeout_graceful_shutdown=GRACE_S, lifespan="on"
    )
    # uvicorn raises the signal again after its shutdown; having stopped in order is no failure.
    stopping = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.signal(number, lambda *_: None) for number in stopping}
    try:
        Server(config).run(sockets=[listening])
    finally:
        listening.close()
        for number, handler in before.items():
            signal.signal(number, handler)


def _listen(host: str, port: int) -> socket.socket:
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        listening = socket.socket(family, socket.SOCK_STREAM)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host, port))
        listening.listen(2048)  # as many as may connect at the same moment
    except OSError as error:
        raise VibesError(
            f"Cannot listen on {host} port {port} ({error.strerror}); choose another with --host and --port."
        ) from error
    return listening
