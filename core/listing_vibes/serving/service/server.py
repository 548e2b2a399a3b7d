"""The service on a port, until it is told to stop."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from listing_vibes.errors import VibesError, needs
from listing_vibes.serving.service.answering import Wanted
from listing_vibes.serving.service.listening import listen
from listing_vibes.serving.service.workers import answer_by_several


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
    events: str | None = None,
    impressions: str | None = None,
    hash_users: bool = False,
    other: tuple[Path, str | None] | None = None,
    split: float | None = None,
    workers: int = 1,
) -> None:
    """Serve `run` until SIGINT or SIGTERM; it ends within `listing_vibes.serving.service.process.GRACE_S` seconds, in which requests that
    are under way are answered.

    Who may ask is told by the environment, see `listing_vibes.serving.service.guard.Access`.

    Args:
        port: 0 = any free one.
        ready: is told the address as soon as requests are taken.
        most, pause, waiting: see `listing_vibes.serving.service.api.Options`.
        beside: what is added to the model where a request does not say, see `Run.recommend`.
        connections: held at the same time, at most; fewer where this process may have fewer descriptors.
        events: store that posted events are appended to, of this service or of several (see `listing_vibes.serving.store.Store`);
            None: it takes none.
        impressions: store in which every answer is recorded; None: none is.
        hash_users: users are kept there as keyed hashes.
        other: a second run, and what is added to its model, to be tried against the first; what came of it lies in
            `impressions`, see `listing_vibes.serving.experiment.verdict.experiment`.
        split: share of the users that get the other one; None: every list is interleaved of both.
        workers: processes that answer at this address, each with `most`, `waiting` and `connections` of its own.

    Raises:
        VibesError: a library is missing, the run cannot be opened, or the port is taken.
    """
    with needs("Serving", "serve"):
        from listing_vibes.serving.service.guard import Access
    Access.of_environment()  # says now what is wrong with it
    if other is not None and impressions is None:
        raise VibesError(
            "An experiment is judged by what was shown; say with --impressions PLACE where that is kept."
        )
    if split is not None and not 0 < split < 1:
        raise VibesError(
            f"Option --split is {split:g}; give the share of the users that get the second run, such as 0.5."
        )
    _open_stores(events, impressions, hash_users)
    wanted = Wanted(
        run, beside, most, pause, waiting, connections, events, impressions, hash_users, other, split
    )
    tell = ready or (lambda address: None)
    if workers > 1:
        answer_by_several(wanted, workers, host, port, tell)
    else:
        wanted.answer(lambda: listen(host, port), tell)


def _open_stores(events: str | None, impressions: str | None, hash_users: bool) -> None:
    """Make the stores, once before several processes open them.

    Raises:
        VibesError: one cannot be made, or an option is of no use.
    """
    with needs("Serving", "serve"):
        from listing_vibes.serving.impressions.recorder import Impressions
        from listing_vibes.serving.store import Store
    if hash_users and impressions is None:
        raise VibesError(
            "Option --hash-users is about what is shown; say with --impressions PLACE where that is kept."
        )
    if events is not None:
        Store(events, "--events", create=True).close()
    if impressions is not None:
        Impressions(impressions, hash_users).close()
