"""Simulation of the launch of a listing: its audience, its competitors, and the effect of single changes and covers."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from listing_vibes.errors import VibesError
from listing_vibes.evaluation.intervals import estimates
from listing_vibes.insight.audience import Crowd, Population, audience_share, newest_listings, share_gain
from listing_vibes.insight.drafts import Draft, launch_document, missing_category, single_changes, trial_range
from listing_vibes.insight.evidence import Bar, Evidence, Strip
from listing_vibes.insight.market_view import view_of
from listing_vibes.insight.selection.page_lists import example_rows
from listing_vibes.insight.selection.url_parameters import Params
from listing_vibes.market.amounts import display_unit, price, years_of
from listing_vibes.market.columns import Columns as C
from listing_vibes.run.newcomers import Newcomers
from listing_vibes.run.query import cell_text, describe_listings
from listing_vibes.run.run import Run
from listing_vibes.words import render_table

COMPETITORS = 12
PRICES = 25  # prices that are tried
BARS = 7  # prices of a slide, with the price now and the best one
CHANGES = 8  # maximum number of attributes in the text
FIGURES = ["audience", "gain", "low", "high"]


@dataclass(frozen=True, eq=False)
class Launch:
    """The result of a simulated launch.

    Attributes:
        population: the users of whom the audience is a share, and the size of the sample.
        k: length of the lists.
        audience: users of the sample with the listing in their top `k`, the best rank first: `user_id, rank, score, events`.
        median_rank: its median rank for the audience; None without an audience.
        competitors: the active listings nearest to it: `listing_id, score`.
        changes: one change at a time: `attribute, before, after, audience, gain, low, high`, the largest gain first. An
            audience is a share of users, a gain a difference of shares with its 95 % interval over users. It is an association in
            the model, not a causal effect.
        covers: each photo as the cover: `photo, audience, gain, low, high`, by its position in the draft.
        prices: `price, audience, low, high` over the prices of comparable listings, see `price_curve`.
    """

    population: Population
    k: int
    audience: pd.DataFrame
    median_rank: float | None
    competitors: pd.DataFrame
    changes: pd.DataFrame | None = None
    covers: pd.DataFrame | None = None
    prices: pd.DataFrame | None = None

    @property
    def share(self) -> float:
        """Return the audience as a share of users."""
        return self.population.share(len(self.audience))

    def to_dict(self) -> dict[str, Any]:
        """Return the document of `vibes launch --json`."""
        frames = {
            "competitors": self.competitors,
            "changes": self.changes,
            "covers": self.covers,
            "prices": self.prices,
        }
        return {
            "audience": self.share,
            "population": asdict(self.population),
            "k": self.k,
            "median_rank": self.median_rank,
            "first": self.audience.head(self.k).to_dict("records"),
            **{
                name: None if frame is None else frame.replace({np.nan: None}).to_dict("records")
                for name, frame in frames.items()
            },
        }

    def to_text(self, run: Run) -> str:
        """Return audience, competitors and the largest gains as tables."""
        median = "" if self.median_rank is None else f"; its median rank with them is {self.median_rank:g}"
        lines = [
            f"Among the first {self.k} of {audience_share(self.share)} (of {self.population.describe()}){median}.",
            "",
            "The active listings nearest to it:",
            render_table(describe_listings(run, self.competitors)),
        ]
        if self.changes is not None and len(self.changes):
            labels = {item.name: item.label for item in run.market.attributes}
            best = self.changes.drop_duplicates("attribute").head(CHANGES)
            best = best.assign(
                attribute=best["attribute"].map(lambda name: labels.get(name, name)),
                before=best["before"].map(cell_text),
                after=best["after"].map(cell_text),
            )
            lines += [
                "",
                "One change at a time, the best of each attribute, gains in points:",
                _with_intervals(best),
            ]
            lines.append("These are associations in the model, not causal effects.")
        if self.prices is not None:
            lines += ["", best_price(run, self.prices, self.share)]
        if self.covers is not None:
            covers = self.covers.assign(photo=self.covers["photo"] + 1)
            lines += ["", "Each photo as the cover, gains in points:", _with_intervals(covers)]
        return "\n".join(lines)


def _with_intervals(frame: pd.DataFrame) -> str:
    texts = {
        "audience": frame["audience"].map(lambda share: audience_share(share, "")),
        "gain": list(map(share_gain, frame["gain"], frame["low"], frame["high"])),
    }
    return render_table(frame.drop(columns=["low", "high"]).assign(**texts))


def launch(
    run: Run,
    listing: str | Mapping[str, Any] | Draft,
    *,
    advise: bool = True,
    crowd: Crowd | None = None,
    newcomers: Newcomers | None = None,
) -> Launch:
    """Simulate the launch of a listing now; the function behind `vibes launch`.

    >>> result = launch(run, {"district": "Harbour", "rooms": 3, "area_m2": 70.0, "price": 1400.0})
    >>> len(result.audience) <= result.population.sample, result.competitors.columns.tolist()
    (True, ['listing_id', 'score'])
    >>> result.changes.columns.tolist()
    ['attribute', 'before', 'after', 'audience', 'gain', 'low', 'high']

    Args:
        listing: the id of a listing of the market; values by attribute, optionally with `like`, a listing to start from,
            `photos`, paths of files, and `cover`; or a `Draft`.
        advise: whether to evaluate single changes and covers as well.
        crowd: the users; None: those active in the last weeks. Pass one for several calls.
        newcomers: encoder of drafts; pass one for several calls.

    Raises:
        VibesError: the run has no model or no events, a listing or attribute is unknown, or a value cannot be read.
    """
    crowd, newcomers = crowd or Crowd.of(run), newcomers or Newcomers(run)
    row = None
    if isinstance(listing, Draft):
        draft = listing
    elif isinstance(listing, Mapping):
        draft = Draft.of_mapping(run.market, listing)
    else:
        row = run.row(str(listing))
        draft = Draft.of_listing(run.market, str(listing))
    vectors = (
        newcomers.encode_models([draft.cells], draft.photos) if row is None else run.vectors("model")[[row]]
    )
    rank, score = (column[:, 0] for column in crowd.ranks(vectors, row))
    reached, index = crowd.is_reached(rank), run.index("model")
    is_active = index.known & run.catalogue.live(crowd.people.at)
    if row is not None:
        is_active[row] = False
    changes, covers = _advice(run, draft, crowd, newcomers, row) if advise else (None, None)
    prices = price_curve(run, draft, crowd, newcomers, row) if advise else None
    return Launch(
        crowd.people.population,
        crowd.k,
        crowd.people.table(rank, score, reached),
        float(np.median(rank[reached])) if reached.any() else None,
        run.nearest(np.where(is_active, index.vectors @ vectors[0], -np.inf), COMPETITORS),
        changes,
        covers,
        prices,
    )


def _advice(
    run: Run, draft: Draft, crowd: Crowd, newcomers: Newcomers, row: int | None
) -> tuple[pd.DataFrame, pd.DataFrame | None]:
    """Return the gains of single changes and covers, compared with the draft itself and encoded in one pass with it; an unchanged
    listing of the run has a `row`.
    """
    live = run.catalogue.live(crowd.people.at)
    # Ids, such as of hosts, are nothing that a user could change.
    ids = {item.name for item in run.market.attributes if view_of(run).is_id(item)}
    plausible = single_changes(run.market, draft, live if live.any() else np.ones_like(live))
    tried = [change for change in plausible if change.attribute not in ids]
    order = list(range(len(draft.photos)))
    covers = order if len(order) > 1 else []
    vectors = newcomers.encode_models(
        [draft.cells, *(change.cells for change in tried), *[draft.cells] * len(covers)],
        draft.photos,
        [order] * (1 + len(tried)) + [[cover, *(n for n in order if n != cover)] for cover in covers],
    )
    figures = gains(crowd, vectors[:1], vectors[1:], row)
    changes = pd.DataFrame(
        [(change.attribute, change.before, change.after) for change in tried],
        columns=["attribute", "before", "after"],
    ).join(figures[: len(tried)])
    changes = changes.sort_values("gain", ascending=False, kind="stable", ignore_index=True)
    if not covers:
        return changes, None
    return changes, figures[len(tried) :].reset_index(drop=True).assign(photo=covers)[["photo", *FIGURES]]


def example_draft(run: Run, crowd: Crowd) -> str:
    """Return the listing that a draft starts from until one is chosen: the first of `example_rows` with at least the median audience."""
    rows = example_rows(run)
    is_usual = crowd.audiences()[rows] >= (crowd.typical_audience() or 0)
    return run.listing_ids[int(rows[is_usual.argmax()])]


def gains(crowd: Crowd, base: np.ndarray, vectors: np.ndarray, row: int | None = None) -> pd.DataFrame:
    """Return `audience, gain, low, high` of each of `vectors` (V, d), as shares of users; gains over `base` (1, d), `row` as for
    `Crowd.ranks`.
    """
    before = crowd.is_reached(crowd.ranks(base, row)[0])  # (U, 1)
    after = crowd.is_reached(crowd.ranks(vectors, row)[0])  # (U, V)
    differences = pd.DataFrame(estimates(after.astype(float) - before)).fillna(0)
    return pd.DataFrame(
        {"audience": after.mean(axis=0), "gain": differences["value"], **differences[["low", "high"]]}
    )


def price_curve(
    run: Run, draft: Draft, crowd: Crowd, newcomers: Newcomers, row: int | None = None
) -> pd.DataFrame | None:
    """Return `price, audience, low, high`: the audience of a draft at prices of comparable listings and at its own, with the 95 %
    interval over users; `row` as for `Crowd.ranks`.

    None in a market without a price, and for a draft that lacks the category without which a price says little, such as the deal.
    """
    item = price(run.market)
    if item is None or missing_category(run.market, draft.cells, item.name) is not None:
        return None
    low, high, step = trial_range(run.market, draft.cells, item.name)
    prices = (np.linspace(low, high, PRICES) / step).round() * step
    prices = np.unique(np.append(prices, float(draft.cells.get(item.name, low))))
    drafts = [{**draft.cells, item.name: float(f"{value:.9g}")} for value in prices]
    reached = crowd.is_reached(crowd.ranks(newcomers.encode_models(drafts, draft.photos), row)[0])  # (U, P)
    audience = pd.DataFrame(estimates(reached.astype(float))).rename(columns={"value": "audience"})
    return audience.assign(price=prices)[["price", "audience", "low", "high"]]


def best_price(run: Run, prices: pd.DataFrame, share: float) -> str:
    """Return at which of the `prices` (see `price_curve`) most users would get a draft, against its audience now, a `share`."""
    best, view = prices.loc[prices["audience"].idxmax()], view_of(run)
    item = price(run.market)
    assert item is not None  # there are prices
    most = audience_share(best["audience"])
    if best["audience"] <= share:
        return f"No other {item.label.lower()} would reach more than {most}."
    at = view.write(item, best["price"])
    return f"Most users at {at}: {most}, now {audience_share(share, '')}. An association in the model, not a cause."


def price_bars(run: Run, prices: pd.DataFrame, now: float | None) -> tuple[Bar, ...]:
    """Return the curve of `prices` (see `price_curve`) as bars for print, with the price `now` and the one with most users among them."""
    item, best = price(run.market), int(prices["audience"].argmax())
    assert item is not None  # there are prices
    notes = {best: "most users"}
    if now is not None:
        notes[int((prices["price"] - now).abs().argmin())] = "now"
    rows = sorted({*np.linspace(0, len(prices) - 1, BARS).round().astype(int).tolist(), *notes})
    return tuple(
        Bar(
            label=view_of(run).write(item, line["price"]),
            value=line["audience"],
            low=line["low"],
            high=line["high"],
            kind="model" if notes.get(row) == "now" else "better" if row == best else "plain",
            note=notes.get(row, ""),
        )
        for row, line in zip(rows, prices.iloc[rows].to_dict("records"), strict=True)
    )


def seen_by(run: Run, user: str, rank: int) -> Strip:
    """Return the newest listings of a user for whom a listing has this rank."""
    newest = newest_listings(run, run.user_number[user])[:6]
    return Strip(label=f"No. {rank} for {user}, who looked at", listings=tuple(newest))


def draft_evidence(run: Run, params: Params) -> Evidence:
    """Show the values of a draft and the share of users that it would reach, by price where there is one, else its nearest listings.

    Raises:
        VibesError: nothing is filled in, or the draft cannot be launched.
    """
    try:
        cells = json.loads(params.get("draft", "null"))
    except (ValueError, RecursionError):
        cells = None
    like = params.get("like") if params.get("like") in run.market.listing_row else None
    crowd, newcomers = Crowd.of(run), Newcomers(run)
    like = example_draft(run, crowd) if like is None and "draft" not in params else like
    if isinstance(cells, dict):
        cover = params.number("cover", 1, 1, 1000)
        document = launch_document(run.market, cells, like, params.get("photos") != "0", cover)
    elif like is not None:
        cells, document = {}, {"like": like}
    else:
        raise VibesError("Nothing is filled in on this page yet; fill in a listing first.")
    draft, item = Draft.of_mapping(run.market, document), price(run.market)
    result = launch(run, draft, advise=False, crowd=crowd, newcomers=newcomers)
    evidence = Evidence(
        key="draft",
        url="/",
        headline=f"This listing would reach {audience_share(result.share)}",
        population=result.population.describe(),
        lead=like or "",
        facts=_facts(run, cells),
    )
    prices = price_curve(run, draft, crowd, newcomers)
    if prices is not None and item is not None:
        return evidence.model_copy(
            update={
                "sentence": best_price(run, prices, result.share),
                "picture": f"The audience by {item.label.lower()}; the line is the 95 % interval over users.",
                "bars": price_bars(run, prices, draft.cells.get(item.name)),
            }
        )
    near, first = result.competitors.head(6), result.audience.head(1)
    strips = [Strip(label="Active listings nearest to it", listings=tuple(near[C.LISTING].tolist()))]
    strips += [seen_by(run, *user) for user in zip(first[C.USER], first["rank"], strict=True)]
    rank = "" if result.median_rank is None else f" Its median rank is {result.median_rank:,.0f}."
    return evidence.model_copy(
        update={
            "sentence": f"They would find it among their first {result.k}.{rank}",
            "picture": "The values of the listing, the active listings nearest to it, and what the user looked at for whom it ranks highest.",
            "columns": (tuple(strips),),
        }
    )


def _facts(run: Run, cells: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    """Return the labels and the values of a draft."""
    years, items = years_of(run.market), {item.name: item for item in run.market.attributes}
    units = {name: display_unit(run.market, item) for name, item in items.items() if item.shown_as != "place"}
    return tuple(
        (
            (items[name].label if name in items else str(name))
            + (f" ({units[name]})" if units.get(name) else ""),
            cell_text(value, name not in years),
        )
        for name, value in cells.items()
    )


def changed_values(
    run: Run, draft: Draft, start: Mapping[str, Any], crowd: Crowd, newcomers: Newcomers
) -> pd.DataFrame:
    """Return what each value that differs from those of `start` gains or costs a draft, compared with the value of `start`:
    `attribute, before, after, audience, gain, low, high`, the largest first; `audience` is that without the change.
    """
    known = {item.name for item in run.market.attributes if item.shown_as != "place"}
    names = [name for name in {**start, **draft.cells} if start.get(name) != draft.cells.get(name)]
    undone = {name: {**draft.cells, name: start.get(name)} for name in names if name in known}
    undone = {
        name: {key: cell for key, cell in cells.items() if cell is not None} for name, cells in undone.items()
    }
    names = [name for name, cells in undone.items() if cells or draft.photos]
    columns = ["attribute", "before", "after"]
    rows = pd.DataFrame([(name, start.get(name), draft.cells.get(name)) for name in names], columns=columns)
    if not names:
        return rows.reindex(columns=[*columns, *FIGURES])
    vectors = newcomers.encode_models([draft.cells, *(undone[name] for name in names)], draft.photos)
    figures = gains(crowd, vectors[:1], vectors[1:])
    figures[["gain", "low", "high"]] = -figures[["gain", "high", "low"]].to_numpy()
    result = rows.join(figures)
    return result.sort_values("gain", key=lambda gain: -gain.abs(), kind="stable", ignore_index=True)


def draft_named(run: Run, name: str) -> str | Draft:
    """Return the draft in a JSON file, or the id of a listing, for a command's argument `--listing`.

    Raises:
        VibesError: it is neither a file nor a listing.
    """
    if name in run.listing_row:
        return name
    if name.endswith(".json"):
        return Draft.of_file(run.market, Path(name))
    raise VibesError(
        f"Option --listing is '{name}', which is neither a listing of {run.path} nor a JSON file; give one of them."
    )
