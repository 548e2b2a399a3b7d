"""One process that answers: everything opened, the server run until it is told to stop."""

from __future__ import annotations

import gc
import signal
import socket
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from listing_vibes.errors import VibesError, needs
from listing_vibes.run.origin import of_another_market
from listing_vibes.run.run import Run
from listing_vibes.run.shared import Shared
from listing_vibes.serving.service.listening import address_of


@dataclass(frozen=True)
class Wanted:
    """What a service was asked to be; see `listing_vibes.serving.service.server.serve`."""

    run: Path
    beside: str | None = None
    most: int = 64
    pause: float = 0.002
    waiting: int = 1024
    connections: int = 1024
    events: str | None = None
    impressions: str | None = None
    hash_users: bool = False
    other: tuple[Path, str | None] | None = None
    split: float | None = None
    shared: Path | None = None  # folder of the vectors that processes of this service share

    def answer(
        self,
        listen: Callable[[], socket.socket],
        ready: Callable[[str], None],
        beat: Callable[[], None] = lambda: None,
    ) -> None:
        """Open the run, and then answer where `listen` says until SIGINT or SIGTERM.

        Args:
            ready: is told the address as soon as requests are taken.
            beat: is called each second from then on.

        Raises:
            VibesError: a library is missing, the run cannot be opened, or the second one is over another market.
        """
        with needs("Serving", "serve"):
            from listing_vibes.serving.database import resolve_place
            from listing_vibes.serving.experiment.setup import Arm, Setup, begin
            from listing_vibes.serving.experiment.trial import Trial
            from listing_vibes.serving.impressions.recorder import Impressions
            from listing_vibes.serving.service.api import Options, make_app
            from listing_vibes.serving.service.guard import Access
            from listing_vibes.serving.service.newest import NewestState
            from listing_vibes.serving.service.process import Server
        access = Access.of_environment()
        kept = None if self.impressions is None else Impressions(self.impressions, self.hash_users)
        shared = None if self.shared is None else Shared(self.shared)
        if Run.open(self.run).has_model:
            import listing_vibes.model.fast.choose  # noqa: F401 (torch, and all else that a model needs)
        gc.freeze()  # libraries stay: walking them again and again would only make requests wait; states are replaced
        current, trial = NewestState(self.run, self.beside, self.events, shared), None
        if self.other is not None:
            assert self.impressions is not None
            market = current.served.run.market
            if of_another_market(self.other[0], market):
                raise VibesError(
                    f"{self.other[0]} is over another market than {self.run}, of which it has no listing; try it with "
                    f"`vibes embed {market.path} NEW --model {self.other[0]}`, which puts its model to work there, and serve NEW."
                )
            arms = (
                Arm(run=str(self.run.resolve()), beside=self.beside),
                Arm(run=str(self.other[0].resolve()), beside=self.other[1]),
            )
            wanted = Setup(
                design="interleave" if self.split is None else "split",
                a=arms[0],
                b=arms[1],
                share=self.split or 0.5,
                events="" if self.events is None else resolve_place(self.events),
            )
            second = NewestState(*self.other, shared=shared)
            second.knows_of(current.live)
            trial = Trial(begin(self.impressions, wanted), current, second)
        options = Options(most=self.most, pause=self.pause, waiting=self.waiting, access=access)
        listening = listen()
        address = address_of(listening)
        app = make_app(current, options, kept, trial)
        server = Server(app, lambda: ready(address), self.connections, beat)

        # uvicorn raises the signal again after its shutdown; having stopped in order is no failure.
        stopping = (signal.SIGINT, signal.SIGTERM)
        before = {number: signal.signal(number, lambda *_: None) for number in stopping}
        try:
            server.run(sockets=[listening])
        finally:
            listening.close()
            for number, handler in before.items():
                signal.signal(number, handler)
