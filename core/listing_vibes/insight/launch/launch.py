"""Launching a listing on paper: who would get it, beside what, which single change would reach more, and which cover."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from listing_vibes.errors import VibesError
from listing_vibes.insight.launch.crowd import Crowd
from listing_vibes.insight.launch.drafts import Draft, single_changes
from listing_vibes.run.newcomers import Newcomers
from listing_vibes.run.run import Run

COMPETITORS = 12
RESAMPLES = 2000


@dataclass(frozen=True, eq=False)
class Launch:
    """What a listing would find.

    Attributes:
        users: how many were asked: those active last.
        k: how long a list is that counts.
        audience: who would have it among their first `k`, the best place first: `user_id, rank, score, events`.
        median_rank: the middle place with these; None without any.
        competitors: the live listings nearest to it: `listing_id, score`.
        changes: one change at a time: `attribute, before, after, audience, gain, low, high`, the largest gain first. A gain
            is in users, its 95 % interval is over users. It tells what goes with what in the model, not what causes what.
        covers: each photo as the cover: `photo, audience, gain, low, high`, by its place in the draft.
    """

    users: int
    k: int
    audience: pd.DataFrame
    median_rank: float | None
    competitors: pd.DataFrame
    changes: pd.DataFrame | None = None
    covers: pd.DataFrame | None = None
    vector: np.ndarray = field(default_factory=lambda: np.zeros(0, np.float32), repr=False)  # (d,)

    def to_dict(self) -> dict[str, Any]:
        """As one JSON document."""
        frames = {
            name: None if frame is None else frame.replace({np.nan: None}).to_dict("records")
            for name, frame in (
                ("competitors", self.competitors),
                ("changes", self.changes),
                ("covers", self.covers),
            )
        }
        return {
            "users": self.users,
            "k": self.k,
            "audience": len(self.audience),
            "median_rank": self.median_rank,
            "first": self.audience.head(self.k).to_dict("records"),
            **frames,
        }


def launch(
    run: Run,
    listing: str | Mapping[str, Any] | Draft,
    photos: Sequence[bytes] = (),
    *,
    advise: bool = True,
    crowd: Crowd | None = None,
    newcomers: Newcomers | None = None,
) -> Launch:
    """What a listing would find if it were launched now.

    >>> found = launch(run, {"district": "Harbour", "rooms": 3, "area_m2": 70.0, "price": 1400.0})
    >>> len(found.audience) <= found.users, found.competitors.columns.tolist()
    (True, ['listing_id', 'score'])
    >>> found.changes.columns.tolist()
    ['attribute', 'before', 'after', 'audience', 'gain', 'low', 'high']

    Args:
        listing: the id of one of the market, which is then asked about as it stands; values by attribute, maybe with `like`,
            a listing to begin with, `photos`, paths of files, and `cover`; or a `Draft`.
        photos: contents of image files, the cover first, instead of paths.
        advise: whether single changes and covers are tried as well.
        crowd: who is asked; None: the users active last. Kept by whoever asks several times.
        newcomers: what encodes drafts; likewise.

    Raises:
        VibesError: no model, no events, an unknown listing or attribute, or a value that cannot be read.
    """
    run.needs_model()
    crowd = crowd or Crowd.of(run)
    newcomers = newcomers or Newcomers(run)
    draft, row = _draft(run, listing, photos)
    if row is None:
        vectors = newcomers.encode_models([draft.cells], draft.photos)
    else:
        vectors = run.vectors("model")[row][None]
    place, score = crowd.places(vectors, row)
    found = crowd.reached(place[:, 0])
    changes = covers = None
    if advise:
        changes, covers = _advice(run, draft, crowd, newcomers, row)
    return Launch(
        len(crowd),
        crowd.k,
        pd.DataFrame(crowd.table(place[:, 0], score[:, 0])),
        float(np.median(place[:, 0][found])) if found.any() else None,
        competitors(run, vectors[0], crowd.people.at, row),
        changes,
        covers,
        vectors[0],
    )


def competitors(run: Run, vector: np.ndarray, at: int, row: int | None = None) -> pd.DataFrame:
    """The live listings nearest to a vector (d,) of the model space, best first: `listing_id, score`."""
    index = run.index("model")
    may = index.known & run.catalogue.live(at)
    if row is not None:
        may[row] = False
    return run.nearest(np.where(may, index.vectors @ vector, -np.inf), COMPETITORS)


def _draft(run: Run, listing: Any, photos: Sequence[bytes]) -> tuple[Draft, int | None]:
    """The draft, and the row of the run where it is one of its listings as it stands."""
    if isinstance(listing, Draft):
        return listing, None
    if isinstance(listing, Mapping):
        draft = Draft.of_mapping(run.market, listing)
        return (replace(draft, photos=tuple(photos)) if photos else draft), None
    row = run.row(str(listing))
    return Draft.of_listing(run.market, str(listing)), row


def _advice(
    run: Run, draft: Draft, crowd: Crowd, newcomers: Newcomers, row: int | None = None
) -> tuple[pd.DataFrame, pd.DataFrame | None]:
    """Single changes and covers, all encoded in one pass with the draft itself, with which each is compared; `row`: of the
    listing that it is as it stands."""
    live = run.catalogue.live(crowd.people.at)
    tried = list(single_changes(run.market, draft, live if live.any() else np.ones_like(live)))
    count = len(draft.photos)
    as_is = list(range(count))
    firsts = as_is if count > 1 else []
    vectors = newcomers.encode_models(
        [draft.cells, *(one.cells for one in tried), *[draft.cells] * len(firsts)],
        draft.photos,
        [as_is] * (1 + len(tried)) + [[first, *(n for n in as_is if n != first)] for first in firsts],
    )
    figures = gains(crowd, vectors[:1], vectors[1:], row)
    columns = ["attribute", "before", "after", "audience", "gain", "low", "high"]
    rows = [
        (one.attribute, one.before, one.after, *told)
        for one, told in zip(tried, figures[: len(tried)], strict=True)
    ]
    changes = pd.DataFrame(rows, columns=columns)
    changes = changes.sort_values("gain", ascending=False, kind="stable", ignore_index=True)
    if not firsts:
        return changes, None
    covers = [(first, *told) for first, told in zip(firsts, figures[len(tried) :], strict=True)]
    return changes, pd.DataFrame(covers, columns=["photo", *columns[3:]])


def gains(
    crowd: Crowd, base: np.ndarray, vectors: np.ndarray, row: int | None = None
) -> list[tuple[int, int, int, int]]:
    """(audience, gain over `base` (1, d), low, high) of each of `vectors` (V, d), in users; `row` as for `Crowd.places`.

    The interval is the bootstrap over users (Efron 1979). What is summed is -1, 0 or 1 a user, so that a resample of all
    users is one draw from the multinomial with their shares, and none has to be drawn one by one.
    """
    before = crowd.reached(crowd.places(base, row)[0])  # (U, 1)
    after = crowd.reached(crowd.places(vectors, row)[0])  # (U, V)
    users, rng, found = len(crowd), np.random.default_rng(0), []
    for column in range(after.shape[1]):
        mine = after[:, column]
        came, went = int((mine & ~before[:, 0]).sum()), int((before[:, 0] & ~mine).sum())
        shares = np.array([came, went, users - came - went]) / max(users, 1)
        draws = rng.multinomial(users, shares, RESAMPLES)
        low, high = np.quantile(draws[:, 0] - draws[:, 1], [0.025, 0.975])
        found.append((int(mine.sum()), came - went, round(float(low)), round(float(high))))
    return found


def draft_named(run: Run, named: str) -> str | Draft:
    """What a command's LISTING names: the path of a JSON file, or the id of a listing.

    Raises:
        VibesError: it is neither.
    """
    if named in run.listing_row:
        return named
    if named.endswith(".json"):
        return Draft.of_file(run.market, Path(named))
    raise VibesError(
        f"LISTING is '{named}', which is neither a listing of {run.path} nor a JSON file; give one of them."
    )
