"""The passport of a market before a model: what the model knows of it, how far it lies from what was learned, and the recall
to expect; nothing is trained and no listing is encoded for it."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict

from listing_vibes.errors import VibesError
from listing_vibes.features.carried import Carried
from listing_vibes.features.content_spaces import content_spaces
from listing_vibes.features.coverage import values_known
from listing_vibes.features.featurizer import Featurizer
from listing_vibes.features.photos.vectors import PhotoVectors, load_photo_vectors
from listing_vibes.features.seen import PhotoSpread, SeenMarket, load_seen, read_by
from listing_vibes.features.within import inside
from listing_vibes.insight.foretold import FILE as CALIBRATION
from listing_vibes.insight.foretold import LEVEL, Foretold, Tried, foretell, load_tried, save_tried
from listing_vibes.market.durable import only_writer
from listing_vibes.market.kept import content, kept
from listing_vibes.market.log import EventLog
from listing_vibes.market.market import Market
from listing_vibes.market.splits import Catalogue, make_split
from listing_vibes.progress import Report, Stage, silent
from listing_vibes.run.contents import check_loaded
from listing_vibes.run.generations import reading
from listing_vibes.run.manifest import Manifest
from listing_vibes.run.named import named_model
from listing_vibes.run.run import Run
from listing_vibes.run.spaces import library_versions
from listing_vibes.scoring.neighbours import NEIGHBOURS, VectorNeighbours
from listing_vibes.scoring.ranking_names import MODEL_ONLY
from listing_vibes.scoring.tuning import recall

#: Test queries that the neighbours are asked, at most: more change the figure by less than the forecast misses it.
QUERIES = 2000
SPACE = "attributes"


class KnownAttribute(BaseModel):
    """One attribute of the market: whether the model has learned it, the share of its values that it knows, and its shift."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    known: bool
    values_known: float | None = (
        None  # share of what is told, missing cells aside; None of an unknown attribute
    )
    shift: float | None = (
        None  # total variation from the nearest known market, 0 to 1; None where that lacks it or kept no value of it
    )


class Passport(BaseModel):
    """What a model may expect in a market; `text` says it in lines."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    market: str
    run: str
    sentence: str  # what the model knows, see `listing_vibes.features.carried`
    nearest: str | None  # of the markets that it was trained on; None where it does not say what it saw
    shift: float | None  # mean over the attributes that have one
    attributes_known: float
    values_known: float | None
    attributes: list[KnownAttribute]
    photo_shift: float | None  # Fréchet distance as a share of the known photos' variance
    neighbours: float | None  # recall@30 of the market's neighbours by attributes; None without events to ask
    queries: int
    expected: Foretold | None
    why_not: str = ""  # why there is no forecast

    def text(self) -> str:
        """As `vibes passport` prints it."""
        lines = [f"{self.market}, before the model of {self.run}", f"It {self.sentence}."]
        if self.nearest is None:
            lines.append("The run does not say what it was trained on; train it again with this version.")
        else:
            lines.append(
                f"Nearest known market: {self.nearest} ({_share(self.shift)} of the values would have to move)."
            )
        lines.append(f"Values known: {_share(self.values_known)}.")
        if self.photo_shift is not None:
            lines.append(
                f"Photos: {_share(self.photo_shift)} of the spread that is known away from those it knows."
            )
        lines += ["", pd.DataFrame(
            {
                "attribute": [one.name for one in self.attributes],
                "known": ["yes" if one.known else "no" for one in self.attributes],
                "values known": [_share(one.values_known) for one in self.attributes],
                "shift": [_share(one.shift) for one in self.attributes],
            }
        ).to_string(index=False), "", self.expectation]  # fmt: skip
        return "\n".join(lines)

    @property
    def expectation(self) -> str:
        """The recall to expect, in a sentence or two."""
        bar = (
            f"The neighbours by attributes, which need no training, reach a recall@30 of {self.neighbours:.3f} here."
            if self.neighbours is not None
            else ""
        )
        if self.expected is None:
            return f"{bar} {self.why_not}".strip()
        one = self.expected
        held = f"; forecasts of each from the others held {one.held}" if one.held else ""
        return (
            f"{bar} Expect {one.value:.3f} of the model ({LEVEL:.0%}: {one.low:.3f} to {one.high:.3f}), as {one.markets} models like it "
            f"tell, each tried in a market that it was not trained on{held}."
        )


def passport(
    market: Market | Path | str,
    model: Run | Path | str,
    photos: PhotoVectors | None = None,
    neighbours: float | None = None,
    ask: bool = True,
    report: Report | None = None,
) -> Passport:
    """What the model of a run knows of a market and may expect there: what `vibes passport` does.

    >>> passport(market, run).attributes_known
    1.0

    Args:
        market: a market, or its folder.
        model: a run, or its folder, or the name of a model that ships.
        photos: the vectors of the market's photos by the model's encoder; None: those in the market's cache, where all are.
        neighbours: recall@30 of the neighbours by attributes where it was measured; None: it is measured now,
            unless `ask` is False.
        report: gets the stages and, of the neighbors, the queries that were ranked.

    Raises:
        VibesError: the run has no model, the market shares nothing with it, or has an attribute of another kind.
    """
    report = report or silent
    report(Stage("reading the market"))
    opened = market if isinstance(market, Market) else Market.open(market)
    path = model.path if isinstance(model, Run) else named_model(model)
    with reading(path) as folder:
        manifest = Manifest.load(folder)
        if not manifest.trained_on:
            raise VibesError(f"{path} has no trained model; name a run of `vibes train`.")
        check_loaded(folder, "vocabulary.json", "features.safetensors", "seen.json")
        featurizer, seen, tried = Featurizer.load(folder), load_seen(folder), load_tried(folder)
    origin = manifest.carried if manifest.carried and not manifest.carried.learned else None
    name = origin.market_name if origin else manifest.market_name
    carried = Carried.of(opened, featurizer, Path(origin.run) if origin else path, name)
    here = read_by(featurizer, opened)
    report(Stage("comparing the values with those of the model's markets"))
    near, distances = nearest(seen, here)
    known = values_known(featurizer, here)
    if photos is None and featurizer.photo is not None and len(opened.photos):
        with suppress(VibesError):  # not embedded yet, which the passport does not wait for
            photos = load_photo_vectors(opened.path, opened.photos, featurizer.photo_encoder)
    shown = PhotoSpread.of(featurizer, photos)
    shift = float(np.mean([*distances.values()])) if distances else None
    reached, queries, why = _neighbours(opened, report) if neighbours is None and ask else (neighbours, 0, "")
    learned = _trained_on(opened, manifest, seen)
    expected = None if learned or reached is None or shift is None else foretell(tried, shift, reached)
    if learned and not why:
        why = "The model was trained on this market, so what was tried in others foretells nothing here."
    if expected is None and not why and reached is not None:
        why = (
            "What recall to expect nobody can say: the model was tried in too few markets that it was not trained on. Embed the "
            "market with it and evaluate, which trains nothing."
        )
    return Passport(
        market=opened.name,
        run=str(path if isinstance(model, Run) else model),
        sentence=f"was trained on this market and {carried.sentence}" if learned else carried.sentence,
        nearest=near.name if near else None,
        shift=shift,
        attributes_known=len(carried.known) / max(1, len(carried.known) + len(carried.new)),
        values_known=float(np.mean([*known.values()])) if known else None,
        attributes=[
            KnownAttribute(
                name=name,
                known=name in carried.known,
                values_known=known.get(name, known.get(inside(name))),
                shift=distances.get(name, distances.get(inside(name))),
            )
            for name in (*carried.known, *carried.new)
        ],
        photo_shift=near.photos.distance(shown) if near and near.photos and shown else None,
        neighbours=reached,
        queries=queries,
        expected=expected,
        why_not=why,
    )


def kept_passport(run: Run, neighbours: float | None) -> Passport:
    """The passport of a run's own market before its model, without asking the neighbours; counted once for each state of both.

    Raises:
        VibesError: as `passport`.
    """
    of = [library_versions().get("listing-vibes"), str(run.path), run.market.fingerprint, neighbours]
    files = ("run.toml", "vocabulary.json", "features.safetensors", "seen.json", CALIBRATION)
    return kept(
        run.market.path,
        "passport",
        [*of, *(content(run.folder / name) for name in files)],
        Passport,
        lambda: passport(run.market, run, neighbours=neighbours, ask=False),
    )


def tried_on(run: Run) -> Tried:
    """How the model of another market did in the market of `run`, which was evaluated.

    Raises:
        VibesError: the run's model is none of another market, or it was not evaluated.
    """
    results = (run.metrics or {}).get("results", {})
    one, other = (
        results.get(name, {}).get("recall@30", {}).get("value") for name in (MODEL_ONLY, NEIGHBOURS[SPACE])
    )
    if not run.transferred or one is None or other is None:
        raise VibesError(
            f"{run.path} does not say how a model did in a market that it was not trained on; make it with `vibes embed MARKET "
            "RUN --model RUN`, and evaluate it."
        )
    found = passport(run.market, run, neighbours=other)
    return Tried(market=run.market.name, shift=found.shift or 0.0, model=one, neighbours=other)


def calibrate(model: Run | Path | str, tried: Sequence[Run | Tried]) -> list[Tried]:
    """Keep with a model how it, or models trained like it on all markets but one, did where they were not trained.

    Raises:
        VibesError: a run tells nothing of that, see `tried_on`, or the model's folder is being written.
    """
    path = model.path if isinstance(model, Run) else Path(model)
    rows = [one if isinstance(one, Tried) else tried_on(one) for one in tried]
    with only_writer(path, "calibrating"), reading(path) as folder:
        save_tried(folder, rows)
    return rows


def nearest(seen: Sequence[SeenMarket], market: Market) -> tuple[SeenMarket | None, dict[str, float]]:
    """The known market from which the least would have to move, where an attribute that it lacks counts as all; and its
    distances by attribute."""

    def far(one: tuple[SeenMarket, dict[str, float]]) -> float:
        return float(np.mean([one[1].get(attribute.name, 1.0) for attribute in market.attributes] or [1.0]))

    return min(((one, one.distances(market)) for one in seen), key=far, default=(None, {}))


def _trained_on(market: Market, manifest: Manifest, seen: Sequence[SeenMarket]) -> bool:
    """Whether the model learned from the events of `market`, in this state or in another."""
    states = {manifest.trained_on, *(one.fingerprint for one in manifest.markets or ())}
    # Folders of two markets may be called the same; who gives a name means it.
    return market.fingerprint in states or market.config.name in {one.name for one in seen}


def _neighbours(market: Market, report: Report | None) -> tuple[float | None, int, str]:
    """Recall@30 of the neighbours by attributes on the market's own test queries, how many were asked, or why none."""
    log, catalogue = EventLog.from_market(market), Catalogue.of(market)
    vectors = content_spaces(market, None).get(SPACE) if market.attributes else None
    try:
        split = make_split(log, catalogue) if len(log) else None
    except VibesError:
        split = None
    if split is None or not len(split.test) or vectors is None:
        lacking = "events" if not len(log) else "attributes" if vectors is None else "a test query"
        return None, 0, f"Without {lacking} to ask, nobody can say what recall to expect."
    queries = split.test
    if len(queries) > QUERIES:
        queries = queries.take(np.sort(np.random.default_rng(0).choice(len(queries), QUERIES, replace=False)))
    # By means of histories alone, as when the ratios were measured that a forecast multiplies.
    if report is not None:
        report(Stage("neighbors by attributes, chosen on validation"))
    scorer = VectorNeighbours.tune(vectors, log, split, catalogue, NEIGHBOURS[SPACE], means_alone=True)
    if report is not None:
        report(Stage(f"neighbors by attributes, asked {len(queries):,} test queries"))
    return recall(scorer, log, queries, catalogue), len(queries), ""


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.0%}"
