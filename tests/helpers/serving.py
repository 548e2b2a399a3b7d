"""A service in this process: asked without a network as a client on this machine asks it, or on a port."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from fastapi import FastAPI
from fastapi.testclient import TestClient

from core.serving.service.process import Server


def serving(app: FastAPI, **told: Any) -> TestClient:
    """A client of the service, to be entered."""
    return TestClient(app, base_url="http://localhost", **told)


@contextmanager
def listening(app: FastAPI, connections: int = 1024) -> Iterator[int]:
    """The port of the real server over an application, on a thread of its own."""
    up = threading.Event()
    with socket.create_server(("127.0.0.1", 0), backlog=128) as bound:
        server = Server(app, up.set, connections)
        thread = threading.Thread(target=server.run, args=([bound],), daemon=True)
        thread.start()
        assert up.wait(60)
        try:
            yield bound.getsockname()[1]
        finally:
            server.should_exit = True
            thread.join(30)
