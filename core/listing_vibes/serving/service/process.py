"""The server's process: how much it takes in, how long it waits, and that it ends in time."""

from __future__ import annotations

import asyncio
import os
import socket
import threading
from collections.abc import Callable

import uvicorn
from fastapi import FastAPI

from listing_vibes.serving.service.connections import PatientProtocol, drop, room

#: Seconds from the signal to the end, whatever is under way: less than the ten after which Docker kills.
GRACE_S = 8
#: Seconds before the end at which whoever has no answer yet is told that the service is being stopped.
TELL_S = 2
#: Seconds before the end at which connections are closed whose client still sends its request or does not read its answer. uvicorn
#: would cancel them a moment later, with a traceback for each.
CLOSE_S = 1.5


class Server(uvicorn.Server):
    """uvicorn's server over an application of `listing_vibes.serving.service.api`.

    Args:
        ready: is called as soon as requests are taken.
        connections: held at the same time, at most; fewer where this process may have fewer descriptors.
        beat: is called each second by the loop that answers.
    """

    def __init__(
        self,
        app: FastAPI,
        ready: Callable[[], None],
        connections: int,
        beat: Callable[[], None] = lambda: None,
    ) -> None:
        self._app, self._ready, self._beat = app, ready, beat
        most, queue = room(connections)
        config = uvicorn.Config(
            app,
            http=PatientProtocol,
            ws="none",
            log_level="error",  # a stranger must not fill the log with what was wrong with his requests
            access_log=False,
            proxy_headers=False,
            server_header=False,
            timeout_graceful_shutdown=GRACE_S - 1,
            limit_concurrency=most + 1,  # uvicorn refuses the one that reaches it
            backlog=queue,
            lifespan="on",
        )
        super().__init__(config)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._ready()

    async def on_tick(self, counter: int) -> bool:
        if counter % 10 == 0:  # of a tenth of a second
            self._beat()
            now = asyncio.get_running_loop().time()
            for one in list(self.server_state.connections):
                if isinstance(one, PatientProtocol) and one.late(now):
                    drop(one)
        return await super().on_tick(counter)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        if (
            threading.current_thread() is threading.main_thread()
        ):  # elsewhere the process is not the service's own
            # A thread that opens a newer state or encodes photos cannot be stopped, and would be waited for.
            last = threading.Timer(GRACE_S, os._exit, (0,))
            last.daemon = True
            last.start()
        loop = asyncio.get_running_loop()
        loop.call_later(GRACE_S - TELL_S, self._app.state.give_up)
        loop.call_later(GRACE_S - CLOSE_S, self._drop_all)
        await super().shutdown(sockets)

    def _drop_all(self) -> None:
        for one in list(self.server_state.connections):
            if isinstance(one, PatientProtocol):
                drop(one)
