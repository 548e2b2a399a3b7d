"""Embedding of a market: the vectors of every listing in every space, written into a run folder, and its default space."""

import platform
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

from listing_vibes.errors import VibesError
from listing_vibes.features.content_spaces import AttributeSpace, content_spaces
from listing_vibes.features.featurizer import Featurizer
from listing_vibes.features.market_summary import TransferReport, coverage
from listing_vibes.features.photos.photo_vectors import PhotoVectors, photo_center
from listing_vibes.market.attribute_types import type_of
from listing_vibes.market.durable import only_writer
from listing_vibes.market.log import EventLog
from listing_vibes.market.market import Market
from listing_vibes.market.splits import Catalogue, NoTrainingEvents
from listing_vibes.model.settings import BlendWeights, Resolved
from listing_vibes.progress import Notice, Report, silent
from listing_vibes.run.engine import Engine, embedded_with, load_prepared, weights_digest
from listing_vibes.run.manifest import (
    LISTINGS,
    DefaultSpace,
    Manifest,
    is_sound,
    named_model,
    read_spaces,
)
from listing_vibes.run.other_market import shares_listings, split_of_model, training_market, transfer_settings
from listing_vibes.run.run import Run
from listing_vibes.run.save import MODEL, write_run
from listing_vibes.run.scorers import default_weights
from listing_vibes.run.versions import reading, sweep
from listing_vibes.scoring.attribute_weights import weighted_attributes


def spaces_of(
    market: Market,
    photos: PhotoVectors | None,
    engine: Engine | None,
    report: Report = silent,
    stored: dict[bytes, np.ndarray] | None = None,
    complete: bool = True,
    attributes: AttributeSpace | None = None,
) -> dict[str, np.ndarray]:
    """Return the embeddings (L, d) in each space that the market and the model support.

    Args:
        attributes: the attributes space; None for equal weights.
        stored: the engine's vectors (d,) of listings by the digest of their content, which are not encoded again.
        complete: see `listing_vibes.market.precomputed_vectors`.
    """
    values: dict[str, np.ndarray] = {}
    if engine is not None:
        values["model"] = _model_space(engine, stored or {}, report)
    values |= content_spaces(market, photos, report, complete, attributes)
    if not values:
        raise VibesError(
            f"{market.path} has neither attributes nor photos, so there is nothing to compare listings by."
        )
    return values


def _model_space(engine: Engine, available: dict[bytes, np.ndarray], report: Report) -> np.ndarray:
    """Return the vectors (L, d) in the model space; each distinct content that is not in `available` is encoded once."""
    contents = engine.features.digests()
    digests, first, of = np.unique(contents, return_index=True, return_inverse=True)  # (C,), (C,), (L,)
    is_new = np.array([digest not in available for digest in digests], bool)  # (C,)
    vectors = np.zeros((len(digests), engine.settings.encoder_config().width), np.float32)
    for row in np.flatnonzero(~is_new):
        vectors[row] = available[digests[row]]
    if is_new.any():
        vectors[is_new] = engine.encode_listings(report, first[is_new])
    return vectors[of]


def stored_vectors(run: Path, model_run: Path, engine: Engine) -> dict[bytes, np.ndarray]:
    """Return the stored vectors (d,) of the listings of `run` by the digest of their content.

    Empty if `engine`, the model of `model_run`, has other weights or another precision than that of the vectors.
    """
    if not (run / "run.toml").is_file() or embedded_with(run) != weights_digest(model_run):
        return {}
    manifest = Manifest.load(run)
    features = load_prepared(run, manifest.fingerprint) if manifest.encoded_by == engine.precision else None
    if features is None or not is_sound(run, LISTINGS):
        return {}
    try:
        vectors = read_spaces(run / LISTINGS)["model"].astype(np.float32)
    except (VibesError, KeyError):  # The file is damaged, so listings are embedded again.
        return {}
    return dict(zip(features.digests().tolist(), vectors, strict=True))


def library_versions() -> dict[str, str]:
    """Return the versions of the libraries that a run depends on."""
    values = {"python": platform.python_version()}
    for name in ("listing-vibes", "numpy", "pandas", "torch", "timm", "transformers", "accelerate"):
        try:
            values[name] = version(name)
        except PackageNotFoundError:
            continue
    return values


def model_to_embed(run: Path, model: Path | str | None, drop_model: bool = False) -> Path | None:
    """Return the run folder of the model with which `run` is embedded: the `model` that is named, else the one that `run` has.

    Args:
        drop_model: give up the model that `run` has.
    """
    if model is not None:
        return named_model(model)
    with reading(run) as folder:
        return run if not drop_model and (folder / MODEL[0]).is_file() else None


def embed_market(
    market: Market,
    run: Path,
    photos: PhotoVectors | None,
    model_run: Path | None = None,
    report: Report = silent,
    drop_model: bool = False,
) -> Manifest:
    """Write `run` as a run over `market`, with the model of `model_run` or else the one that it has; no model is trained.

    Listings whose content is embedded in `model_run` or in an earlier version of `run` are not encoded again. An existing run is
    replaced by publishing a new version once it is complete; evaluation results of another model are no longer current.

    Args:
        drop_model: give up the model that `run` has.

    Raises:
        VibesError: `model_run` has no model or another photo encoder than the market, or another process writes `run`.
    """
    with only_writer(run, "vibes embed"), ExitStack() as leases:
        sweep(run)
        model_run = model_to_embed(run, model_run, drop_model)
        source = None if model_run is None else leases.enter_context(reading(model_run))
        before = leases.enter_context(reading(run))
        return write_run(_embedded(market, photos, source, before, report, model_run), run, source)


def _embedded(
    market: Market,
    photos: PhotoVectors | None,
    source: Path | None,
    before: Path,
    report: Report,
    model_run: Path | None,
) -> Run:
    """Return the run over a market with the model of `model_run`, which lies in `source`.

    `before` is the folder of the earlier version of the run.
    """
    settings, engine, share, transfer = Resolved(), None, None, None
    prior: dict[str, float] = {}
    stored: dict[bytes, np.ndarray] = {}
    origin: dict[str, Any] = {}
    if source is not None and model_run is not None:
        model = Manifest.load(source)
        settings, trained_on = transfer_settings(model, market)
        if trained_on != market.fingerprint:
            transfer = _report_transfer(market, model_run, source, model)
        engine = Engine.load(source, market, settings, photos, adapt=True)
        for folder in dict.fromkeys((source.resolve(), before.resolve())):  # These are often the same folder.
            stored |= stored_vectors(folder, source, engine)
        if transfer is not None:
            report(Notice(f"The model of {model_run} {transfer.sentence}."))
            prior = model.attribute_weights
            share = None if transfer.learned else coverage(market, engine.featurizer, transfer)
        origin = {"trained_on": trained_on, "encoded_by": engine.precision, "carried": transfer}
        if (
            transfer is None and model.markets is None
        ):  # The training is that of this market, which a refit repeats.
            origin["steps"] = model.steps
    log, catalogue = EventLog.from_market(market), Catalogue.of(market)
    split = None
    if log.is_positive.any():
        with suppress(NoTrainingEvents):  # such as a log of one moment: no weights can be fitted
            split = split_of_model(log, catalogue, settings.split, transfer)
    attributes = weighted_attributes(market, log, split, catalogue, prior, settings.seed, report)
    spaces = spaces_of(market, photos, engine, report, stored, attributes=attributes)
    if transfer is not None or settings.blend is None:
        blend = None if split is None else default_weights(engine, settings, spaces, log, split, catalogue)
        settings = settings.model_copy(update={"blend": blend})
    default = default_space(market, spaces, share, settings.blend)
    report(Notice(default.sentence))
    manifest = Manifest(
        market=str(market.path),
        market_name=market.name,
        fingerprint=market.fingerprint,
        photo_encoder=photos.encoder if photos is not None else "",
        default_space=default,
        attribute_weights={} if attributes is None else attributes.weights,
        versions=library_versions(),
        settings=settings,
        **origin,
    )
    return Run(market, manifest, spaces, engine, photo_center=photo_center(photos))


def _report_transfer(
    market: Market, model_run: Path, source: Path, stored: Manifest
) -> TransferReport | None:
    """Return the report on the transfer of the model of `model_run` to `market`; None if the model was trained on it.

    Raises:
        VibesError: the model knows no attribute of the market, or one with another type.
    """
    before = stored.carried if stored.carried is not None and not stored.carried.learned else None
    here = bool(stored.market) and (source / stored.market).resolve() == market.path.resolve()
    same = here or stored.fingerprint == market.fingerprint
    if same and before is None:
        return stored.carried
    run, name = (Path(before.run), before.market_name) if before else (model_run, stored.market_name)
    shared = (
        before.shared
        if before and same
        else training_market(stored, market) is not None or shares_listings(market, run)
    )
    return TransferReport.of(
        market, Featurizer.load(source), run, name, weights_digest(source), shared=shared
    )


#: Up to .64 a model had a lower recall than attributes in 21 of 24 trials on eight towns; above .80 a higher one in seven of eight.
COVERAGE = 0.75
#: Mean attributes per listing: photos have a higher recall than two or three attributes and a lower one than six; four are even.
ATTRIBUTES = 4.0
#: Share of the listings that have a photo.
PHOTOS = 0.5
#: The number of validation queries from which on the weights of a blend say more than these limits.
QUERIES = 100


def default_space(
    market: Market,
    spaces: Mapping[str, np.ndarray],
    coverage: float | None = None,
    blend: BlendWeights | None = None,
) -> DefaultSpace:
    """Return the space in which a run compares listings by default, and why.

    A model that was trained on the market is the default. Otherwise it is the space with the greatest weight in the default blend,
    which was fitted on the market's validation queries. With fewer than `QUERIES` of them a model of another market is, if its
    `coverage` of the market is at least `COVERAGE`; else the attributes, if a listing has at least `ATTRIBUTES` of them on average;
    then the photos, if at least `PHOTOS` of the listings have one. How these three were chosen, on eight towns, the demo and a
    market of houses, is in `assets/docs/research.md`.

    Args:
        spaces: vectors (L, d) by space; a row of zeros is a listing without a vector.
        coverage: the coverage of the market by a model of another market, 0 to 1; None if the model was trained on the market.
        blend: the default blend; None if the market has no events.
    """
    if "model" in spaces and coverage is None:
        return DefaultSpace(space="model", reason="the model was trained on this market")
    if blend is not None and blend.queries >= QUERIES:
        weights = {name: weight for name, weight in blend.weights.items() if name in spaces}
        if weights and max(weights.values()) > 0:
            reason = f"it has the greatest weight in the ranking that was fitted on {blend.queries:,} validation queries"
            return DefaultSpace(space=max(weights, key=weights.__getitem__), reason=reason)
    unknown = ""
    if "model" in spaces and coverage is not None:
        share = f"{coverage:.0%} of the values in this market"
        if coverage >= COVERAGE:
            return DefaultSpace(space="model", reason=f"the model knows {share}")
        unknown = f"the model knows only {share}, and "
    missing = [type_of(item.kind).missing(market.listings, item.name) for item in market.attributes]
    filled = float(sum(1 - part.mean() for part in missing))
    photos = float(np.any(spaces["photos"], axis=1).mean()) if "photos" in spaces else 0.0
    if "attributes" in spaces and (filled >= ATTRIBUTES or photos < PHOTOS):
        return DefaultSpace(
            space="attributes", reason=f"{unknown}a listing has {filled:.1f} attributes on average"
        )
    if photos:
        few = f", and only {filled:.1f} attributes" if "attributes" in spaces else ""
        return DefaultSpace(space="photos", reason=f"{unknown}{photos:.0%} of the listings have a photo{few}")
    return DefaultSpace(space=next(iter(spaces)), reason="it is the only space of the run")
