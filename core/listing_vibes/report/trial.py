"""`vibes experiment --html`: the result of an experiment, and the lists that each run lost, with photos."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from listing_vibes.errors import VibesError
from listing_vibes.market.columns import Columns as C
from listing_vibes.market.documents import write_text
from listing_vibes.market.market import Market
from listing_vibes.report.deck import environment
from listing_vibes.report.looks import Photo
from listing_vibes.run.run import Run
from listing_vibes.serving.experiment.verdict import Experiment


def write_experiment(result: Experiment, out: Path) -> None:
    """Write the page of an experiment to the file `out`.

    Raises:
        VibesError: the file cannot be written.
    """
    write_text(out, experiment_html(result))


def experiment_html(experiment: Experiment) -> str:
    """Return the page as one self-contained document; photos are those of A's market, if it is available."""
    document = experiment.to_dict()
    try:
        market = Run.open(Path(experiment.setup.a.run), events_too=False).market
    except VibesError:
        market = None
    lost = {
        arm: [
            {
                "who": row[C.USER] or "unknown user",
                "at": row["at"][:16],
                "photos": [
                    _photo(market, row[key], label)
                    for key, label in (("chosen", "chosen"), ("own", f"the best of {arm}"))
                    if row[key] is not None
                ],
            }
            for row in rows
        ]
        for arm, rows in document["lost"].items()
        if rows
    }
    verdict, *more = experiment.sentences()
    return environment().get_template("trial.html").render(
        arms=[f"A: {experiment.setup.a}", f"B: {experiment.setup.b}"], verdict=verdict, more=more, lost=lost,
        split=document["design"] == "split",
    )  # fmt: skip


def _photo(market: Market | None, listing: Mapping[str, Any], label: str) -> Photo:
    known = market if market is not None and listing[C.LISTING] in market.listing_row else None
    return Photo(known, listing[C.LISTING], f"{label}, rank {listing['position']}")
