"""`vibes experiment --html`: which of two runs is better, and the lists that each lost, with photos."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from listing_vibes.errors import VibesError
from listing_vibes.market.columns import Columns as C
from listing_vibes.market.documents import write_text
from listing_vibes.market.market import Market
from listing_vibes.report.looks import Photo, photo_of
from listing_vibes.report.page import environment
from listing_vibes.run.run import Run
from listing_vibes.serving.experiment.text import arm_lines, sentences
from listing_vibes.serving.experiment.verdict import Experiment


def write_experiment(found: Experiment, out: Path) -> None:
    """Write the page of an experiment to the file `out`.

    Raises:
        VibesError: it cannot be written.
    """
    write_text(out, experiment_html(found))


def experiment_html(found: Experiment) -> str:
    """The page as one document that needs nothing else; photos are those of A's market, where that is at hand."""
    told = found.to_dict()
    try:
        market = Run.open(Path(found.setup.a.run), events_too=False).market
    except VibesError:
        market = None
    verdict, *more = sentences(told)
    lost = {
        arm: [
            {
                "who": row[C.USER] or "nobody known",
                "at": row["at"][:16],
                "request_id": row["request_id"],
                "photos": [
                    _photo(market, row["chosen"], "chosen"),
                    *([] if row["own"] is None else [_photo(market, row["own"], f"the best of {arm}")]),
                ],
            }
            for row in rows
        ]
        for arm, rows in told["lost"].items()
        if rows
    }
    split = told["design"] == "split"
    return environment().get_template("trial.html").render(
        arms=arm_lines(told), verdict=verdict, more=more, lost=lost, split=split
    )  # fmt: skip


def _photo(market: Market | None, one: Mapping[str, Any], what: str) -> Photo:
    line = f"{what}, place {one['position']}"
    if market is None or one[C.LISTING] not in market.listing_row:
        return Photo(None, one[C.LISTING], line)
    return photo_of(market, one[C.LISTING], line)
