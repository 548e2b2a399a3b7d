"""The next version of a run over the next state of its market, without a training, and how far its sources were read.

The state between refreshes is stored in the run folder and written after the publication, so after an interrupted refresh the same rows
are read again, which changes nothing.
"""

import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd
from pydantic import BaseModel

from listing_vibes.market.config import MarketConfig
from listing_vibes.market.documents import read_json, write_text
from listing_vibes.market.market import Market
from listing_vibes.run.embedding import ABOUT, MODEL
from listing_vibes.run.engine import load_prepared, save_prepared
from listing_vibes.run.manifest import CENTER
from listing_vibes.run.run import Run
from listing_vibes.run.versions import building, publish, stamp_of
from listing_vibes.serving.refresh.market_tables import replaceable, write_tables
from listing_vibes.serving.refresh.sources import Marks

STATE = "refresh.json"


class RefreshState(BaseModel):
    """The content of `refresh.json`.

    Attributes:
        embedded: id of the embedding of the run that the marks belong to; after a new embedding everything is read again.
        marks: marks by source and place.
        earlier: the marks from before the run was embedded again.
        replaced: digests of the files in the market's folder that the published state replaces.
        failing: since when frames of photos have some that cannot be read or fetched, in seconds since 1970.
    """

    embedded: list[Any] = []
    marks: dict[str, dict[str, Marks]] = {}
    earlier: dict[str, dict[str, Marks]] = {}
    replaced: dict[str, str] = {}
    failing: dict[str, float] = {}

    @classmethod
    def load(cls, run: Path) -> "RefreshState":
        """Read the state of a run; an empty one before the first refresh."""
        stamp = stamp_of(run)
        state = read_json(run / STATE, "remove it, and refresh again", cls.model_validate) or cls()
        embedded = [stamp.base, stamp.made]
        if state.embedded != embedded:
            state.embedded, state.earlier, state.marks = embedded, state.marks or state.earlier, {}
        return state

    def save(self, run: Path) -> None:
        """Write the state into the run folder."""
        write_text(run / STATE, self.model_dump_json())


@contextmanager
def next_version(
    run: Run,
    market: Market,
    config: MarketConfig,
    state: RefreshState,
    tables: Mapping[str, pd.DataFrame] | None = None,
    encode: Callable[[Path, Market], None] | None = None,
) -> Iterator[Path]:
    """Yield the folder of the next version of a locked run with the tables of its market, and publish it at the end.

    Args:
        market: the market of the run's state; tables: those that changed.
        state: saved with what the version replaces in the market's folder.
        encode: writes the vectors of all listings of the given market into the version; None: they are those of `run`.
    """
    state.replaced = replaceable(run, state.replaced)
    state.save(run.path)  # before the publication, and before the tables become Parquet
    with building(run.path) as built:
        write_tables(built / "market", market, config, tables or {})
        yield built
        after = Market.open(market.path, tables=built / "market")
        _link_files(run, built, [*MODEL, *ABOUT])
        if encode is not None:
            encode(built, after)
        else:
            _link_files(run, built, ["listings.safetensors", CENTER])
            if (features := load_prepared(run.folder, run.manifest.fingerprint)) is not None:
                save_prepared(built, features, after.fingerprint)
        place = run.manifest.market
        if not Path(place).is_absolute() and run.folder == run.path:
            place = str(Path("..", "..", place))  # from the folder of a version
        update = {"market": place, "fingerprint": after.fingerprint}
        publish(run.path, built, run.manifest.model_copy(update=update))


def _link_files(run: Run, built: Path, names: list[str]) -> None:
    """Link files of a run, or copy them: they are replaced, never changed, so a link is as good as a copy."""
    for name in names:
        if (run.folder / name).is_file():
            try:
                os.link(run.folder / name, built / name)
            except OSError:
                shutil.copyfile(run.folder / name, built / name)
