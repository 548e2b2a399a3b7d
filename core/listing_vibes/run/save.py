"""The writer of runs: into a new folder, or as a new version of the run that is there."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from listing_vibes.errors import VibesError
from listing_vibes.features.market_summary import save_summaries
from listing_vibes.market.documents import write_json
from listing_vibes.market.durable import copy_file, only_writer
from listing_vibes.run.blends import save_blends
from listing_vibes.run.engine import save_prepared, weights_digest
from listing_vibes.run.manifest import FILES, LISTINGS, Manifest, save_spaces, seal
from listing_vibes.run.versions import building, forget, publish, reading, sweep

if TYPE_CHECKING:
    from listing_vibes.run.run_data import RunData

#: The files of a model in a run folder, and of the markets that it was trained on.
MODEL, ABOUT = ("model.safetensors", "vocabulary.json", "features.safetensors"), ("seen.json",)


def save_run(run: RunData, folder: Path) -> None:
    """Write a run to a folder; see `Run.save`.

    Raises:
        VibesError: the folder holds something else, cannot be written, or another process writes it.
    """
    if run.stored_run is not None and folder.resolve() == run.path.resolve():
        raise VibesError(f"{folder} is the folder of this run; give another one.")
    if folder.is_dir() and any(folder.iterdir()) and not (folder / "run.toml").is_file():
        raise VibesError(f"{folder} is not empty and holds no run; give a new folder, or that of a run.")
    with only_writer(folder, "Run.save"):
        write_run(run, folder, other_model=True)


def write_run(
    run: RunData, folder: Path, model_files: Path | None = None, other_model: bool | None = None
) -> Manifest:
    """Write a run into a folder without one, `run.toml` last, or as the next version of the run that is there; return its manifest.

    Needs the folder's `only_writer`.

    Args:
        model_files: the folder whose files of the model are copied; None for the model in memory.
        other_model: whether evaluation results of the run that is there are of another model; None: if its weights differ.
    """
    manifest = _manifest_in(run, folder)
    if not (folder / "run.toml").is_file():
        forget(folder)
        write_files(run, folder, manifest.fingerprint, model_files)
        return seal(folder, manifest)
    sweep(folder)
    with reading(folder) as before, building(folder) as built:
        write_files(run, built, manifest.fingerprint, model_files)
        if other_model is None:
            other_model = weights_digest(built) != weights_digest(before)
        publish(folder, built, manifest, embedded=True, other_model=other_model)
    sweep(folder)
    return manifest


def write_files(
    run: RunData,
    out: Path,
    fingerprint: str,
    model_files: Path | None = None,
    copy: Callable[[Path, Path], object] = copy_file,
) -> None:
    """Write all files of a run but `run.toml`; those of a stored run are copied.

    Args:
        fingerprint: of the market.
        model_files: see `write_run`.
    """
    if run.stored_run is not None:
        copy_files(run.folder, out, FILES, copy)
    elif run.has_model and model_files is not None:
        copy_files(model_files, out, (*MODEL, *ABOUT), copy)
        if run.engine.featurizer.within is not None:  # adapted to one of the markets of the training
            run.engine.featurizer.save(out)
    elif run.has_model:
        from listing_vibes.model.checkpoint import save_weights

        save_weights(out / MODEL[0], run.engine.model)
        run.engine.featurizer.save(out)
        save_summaries(out, run.summaries)
    if run.stored_run is None or run.photo_center is not None or not (out / LISTINGS).is_file():
        vectors = {space: run.stored_vectors(space) for space in run.spaces}
        save_spaces(out, np.array(run.listing_ids), vectors, run.photo_center)
    if run.stored_run is not None:
        return
    if run.has_model:
        save_prepared(out, run.engine.features, fingerprint)
    if run.metrics is not None:
        write_json(out / "metrics.json", run.metrics, indent=1)
    # A refit has the blends of the run that it repeats, and no figures.
    if run.metrics is not None or run.fitted_blends:
        save_blends(out, run.fitted_blends)


def copy_files(
    source: Path, out: Path, names: tuple[str, ...], copy: Callable[[Path, Path], object] = copy_file
) -> None:
    """Copy those of the files `names` that are in `source`."""
    for name in names:
        if (source / name).is_file():
            copy(source / name, out / name)


def link_file(source: Path, target: Path) -> None:
    """Link a file of a version, or copy it: it is replaced, never changed, so a link is as good as a copy."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def _manifest_in(run: RunData, folder: Path) -> Manifest:
    """Return the manifest of a run in a folder, after writing a market in memory into the folder."""
    manifest, market = run.manifest, run.market
    before = market.fingerprint
    if not market.is_stored:
        market.save(folder / "market", overwrite=True)
    update = {
        "market": str(market.path.resolve()),
        "market_from_run": os.path.relpath(market.path.resolve(), folder.resolve()),
        "market_name": market.name,
    }
    if manifest.fingerprint == before:  # The digest of files differs from that of tables in memory.
        update["fingerprint"] = market.fingerprint
        if manifest.trained_on == before:
            update["trained_on"] = market.fingerprint
    manifest = manifest.model_copy(update=update)
    if run.stored_run is None:  # Its market is that of the folder from now on.
        run.manifest = manifest
    return manifest
