"""The first level of baselines: what any model has to beat."""

import logging
from collections.abc import Callable

from core.market.log import EventLog
from core.market.splits import Catalogue, Split
from core.progress import Counted, Report
from core.scoring.baselines.als import Als
from core.scoring.baselines.ease import Ease, TooManyListings
from core.scoring.baselines.history import IdModel
from core.scoring.baselines.itemknn import ItemKNN
from core.scoring.baselines.neighbours import VectorNeighbours
from core.scoring.baselines.popularity import Popularity, RecentPopularity
from core.scoring.ranking import Scorer

#: Models that know listings by their ids, by name.
ID_MODELS: dict[str, type[IdModel]] = {"itemknn": ItemKNN, "ease": Ease, "als": Als}

__all__ = [
    "ID_MODELS",
    "Als",
    "Ease",
    "ItemKNN",
    "Popularity",
    "RecentPopularity",
    "VectorNeighbours",
    "first_level",
]


def first_level(
    log: EventLog,
    split: Split,
    catalogue: Catalogue,
    report: Report | None = None,
    seed: int = 0,
) -> list[Scorer]:
    """Popularity, recent popularity, ItemKNN, EASE and implicit ALS, each tuned on validation recall@30.

    EASE is left out of a catalogue that is too large for it, with a warning in the log that says so.

    Raises:
        VibesError: no event trains.
    """
    steps: list[tuple[str, Callable[[], Scorer]]] = [
        ("popularity", lambda: Popularity.fit(log, split.train)),
        ("recent popularity", lambda: RecentPopularity.tune(log, split, catalogue, seed)),
        ("itemknn", lambda: ItemKNN.tune(log, split, catalogue, seed)),
        ("ease", lambda: Ease.tune(log, split, catalogue, seed)),
        ("als", lambda: Als.tune(log, split, catalogue, seed)),
    ]
    scorers = []
    for done, (name, fit) in enumerate(steps):
        if report is not None:
            report(Counted(f"baseline {name}", done, len(steps)))
        try:
            scorers.append(fit())
        except TooManyListings as reason:
            logging.getLogger(__name__).warning("%s", reason)
    if report is not None:
        report(Counted("baselines", len(steps), len(steps)))
    return scorers
