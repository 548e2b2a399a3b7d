"""Bodies: no larger than their path may have, and no more at once than there is room for."""

import asyncio

import pytest

from listing_vibes.serving.service.limit import SMALL, Limited


async def echo(scope, receive, send):
    message = await receive()
    assert not message["more_body"]
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": str(len(message["body"])).encode()})


class Client:
    """A request whose parts come when they are sent."""

    def __init__(self, app, path="/large", told=None):
        self.parts: asyncio.Queue = asyncio.Queue()
        self.answer: list = []
        headers = [] if told is None else [(b"content-length", str(told).encode())]
        scope = {"type": "http", "method": "POST", "path": path, "headers": headers}
        self.task = asyncio.ensure_future(app(scope, self.parts.get, self._send))

    async def _send(self, message):
        self.answer.append(message)

    async def sends(self, size, more=True):
        await self.parts.put({"type": "http.request", "body": b"x" * size, "more_body": more})
        for _ in range(3):
            await asyncio.sleep(0)

    @property
    def status(self):
        return self.answer[0]["status"] if self.answer else None


@pytest.mark.parametrize(("path", "most"), [("/large", 10 * SMALL), ("/other", SMALL)])
def test_each_path_has_its_bound(path, most):
    async def scene():
        app = Limited(echo, {"/large": 10 * SMALL})
        fits, told, long = Client(app, path), Client(app, path, told=most + 1), Client(app, path)
        await fits.sends(most, more=False)
        await told.task
        await long.sends(most)
        await long.sends(1)
        assert (fits.status, told.status, long.status) == (200, 413, 413) and app.held == 0
        huge = Client(app, path, told="9" * 5000)
        await huge.task
        assert huge.status == 413

    asyncio.run(scene())


def test_what_is_held_at_once_is_bounded_and_small_bodies_always_fit():
    async def scene():
        app = Limited(echo, {"/large": 10 * SMALL}, at_once=12 * SMALL)
        slow = Client(app)
        await slow.sends(9 * SMALL)
        beside, small, gone = Client(app), Client(app), Client(app)
        await beside.sends(5 * SMALL, more=False)
        await small.sends(SMALL, more=False)
        assert (beside.status, small.status) == (503, 200)
        await gone.sends(2 * SMALL)
        assert app.held == 11 * SMALL
        await gone.parts.put({"type": "http.disconnect"})
        await gone.task
        assert app.held == 9 * SMALL and gone.status is None
        await slow.sends(0, more=False)
        assert slow.status == 200 and app.held == 0

    asyncio.run(scene())
