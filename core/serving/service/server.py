"""The service on a port, until it is told to stop."""

from __future__ import annotations

import gc
import signal
import socket
from collections.abc import Callable
from pathlib import Path

from core.errors import VibesError


def serve(
    run: Path,
    host: str = "127.0.0.1",
    port: int = 8000,
    ready: Callable[[str], None] | None = None,
    most: int = 64,
    pause: float = 0.002,
    waiting: int = 1024,
    beside: str | None = None,
    connections: int = 1024,
    events: Path | None = None,
    impressions: Path | None = None,
    hash_users: bool = False,
    other: tuple[Path, str | None] | None = None,
    split: float | None = None,
) -> None:
    """Serve `run` until SIGINT or SIGTERM; it ends within `core.serving.service.process.GRACE_S` seconds, in which requests that
    are under way are answered.

    Who may ask is told by the environment, see `core.serving.service.guard.Access`.

    Args:
        port: 0 = any free one.
        ready: is told the address as soon as requests are taken.
        most, pause, waiting: see `core.serving.service.api.Options`.
        beside: what is added to the model where a request does not say, see `Run.recommend`.
        connections: held at the same time, at most; fewer where this process may have fewer descriptors.
        events: folder of the log that posted events are appended to, of this service or of several; None: it takes none.
        impressions: folder in which every answer is kept; None: none is.
        hash_users: users are kept there as keyed hashes.
        other: a second run, and what is added to its model, to be tried against the first; what came of it lies in
            `impressions`, see `core.serving.experiment.verdict.experiment`.
        split: share of the users that get the other one; None: every list is interleaved of both.

    Raises:
        VibesError: a library is missing, the run cannot be opened, or the port is taken.
    """
    try:
        from core.serving.experiment.setup import Arm, Setup, begin
        from core.serving.experiment.trial import Trial
        from core.serving.impressions.keeper import Impressions
        from core.serving.service.api import Options, make_app
        from core.serving.service.guard import Access
        from core.serving.service.newest import NewestState
        from core.serving.service.process import Server
    except ImportError as error:
        raise VibesError(
            f"Serving needs {error.name}; install it with `pip install 'listing-vibes[serve]'`."
        ) from error
    access = Access.of_environment()
    _check_folders(events, impressions, hash_users)
    if other is not None and impressions is None:
        raise VibesError(
            "An experiment is judged by what was shown; say with --impressions DIR where that is kept."
        )
    if split is not None and not 0 < split < 1:
        raise VibesError(
            f"Option --split is {split:g}; give the share of the users that get the second run, such as 0.5."
        )
    kept = None if impressions is None else Impressions(impressions, hash_users)
    current, trial = NewestState(run, beside, events), None
    if other is not None:
        assert impressions is not None
        arms = Arm(run=str(run.resolve()), beside=beside), Arm(run=str(other[0].resolve()), beside=other[1])
        place = "" if events is None else str(events.resolve())
        wanted = Setup(
            design="interleave" if split is None else "split",
            a=arms[0],
            b=arms[1],
            share=split or 0.5,
            events=place,
        )
        second = NewestState(*other)
        second.knows_of(current.live)
        trial = Trial(begin(impressions, wanted), current, second)
    listening = _listen(host, port)
    shown = f"[{host}]" if ":" in host else host
    address = f"http://{shown}:{listening.getsockname()[1]}"
    app = make_app(current, Options(most=most, pause=pause, waiting=waiting, access=access), kept, trial)
    server = Server(app, lambda: None if ready is None else ready(address), connections)
    gc.freeze()  # libraries and run stay: walking them again and again would only make requests wait

    # uvicorn raises the signal again after its shutdown; having stopped in order is no failure.
    stopping = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.signal(number, lambda *_: None) for number in stopping}
    try:
        server.run(sockets=[listening])
    finally:
        listening.close()
        for number, handler in before.items():
            signal.signal(number, handler)


def _check_folders(events: Path | None, impressions: Path | None, hash_users: bool) -> None:
    if hash_users and impressions is None:
        raise VibesError(
            "Option --hash-users is about what is shown; say with --impressions DIR where that is kept."
        )
    if events is not None and impressions is not None:
        one, two = events.resolve(), impressions.resolve()
        if one == two or one in two.parents or two in one.parents:
            raise VibesError(
                f"--events {events} and --impressions {impressions} are not apart; choose two folders, since `vibes refresh` "
                "reads all of the first."
            )


def _listen(host: str, port: int) -> socket.socket:
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        listening = socket.socket(family, socket.SOCK_STREAM)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host, port))
        listening.listen(1024)  # as many as may connect at the same moment
    except OSError as error:
        raise VibesError(
            f"Cannot listen on {host} port {port} ({error.strerror}); choose another with --host and --port."
        ) from error
    return listening
