"""Writing of a run into a folder: a new one, or a new version of the run that is there."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from listing_vibes.errors import VibesError
from listing_vibes.features.market_summary import save_summaries
from listing_vibes.market.documents import write_json
from listing_vibes.market.durable import copy_file, only_writer
from listing_vibes.run.contents import FILES, LISTINGS, save_spaces, seal
from listing_vibes.run.fits import save_fits
from listing_vibes.run.manifest import Manifest
from listing_vibes.run.versions import building, forget, publish, sweep

if TYPE_CHECKING:
    from listing_vibes.run.run import Run


def save_run(run: Run, folder: Path) -> None:
    """Write a run to a folder; see `Run.save`.

    Raises:
        VibesError: the folder holds something else, cannot be written, or another process writes it.
    """
    if run.stored_run is not None and folder.resolve() == run.path.resolve():
        raise VibesError(f"{folder} is the folder of this run; give another one.")
    is_run = (folder / "run.toml").is_file()
    if folder.is_dir() and any(folder.iterdir()) and not is_run:
        raise VibesError(f"{folder} is not empty and holds no run; give a new folder, or that of a run.")
    with only_writer(folder, "Run.save"):
        if not is_run:
            write_run(run, folder)
            return
        manifest = _manifest_in(run, folder)
        sweep(folder)
        with building(folder) as built:
            _write_files(run, built, manifest)
            publish(folder, built, manifest, embedded=True, other_model=True)
        sweep(folder)


def write_run(run: Run, folder: Path) -> None:
    """Write a run into a folder without one, `run.toml` last; needs the folder's `only_writer`."""
    manifest = _manifest_in(run, folder)
    forget(folder)
    _write_files(run, folder, manifest)
    seal(folder, manifest)


def _manifest_in(run: Run, folder: Path) -> Manifest:
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


def _write_files(run: Run, out: Path, manifest: Manifest) -> None:
    """Write all files of a run but `run.toml`; those of a stored run are copied."""
    if run.stored_run is not None:
        for name in FILES:
            if (run.folder / name).is_file():
                copy_file(run.folder / name, out / name)
        vectors = {space: run.stored_vectors(space) for space in run.spaces}
        if not (out / LISTINGS).is_file() or run.photo_center is not None:
            save_spaces(out, np.array(run.listing_ids), vectors, run.photo_center)
        return
    if run.has_model:
        from listing_vibes.model.checkpoint import save_weights
        from listing_vibes.run.engine import save_prepared

        save_weights(out / "model.safetensors", run.engine.model)
        run.engine.featurizer.save(out)
        save_summaries(out, run.summaries)
    vectors = {space: run.stored_vectors(space) for space in run.spaces}
    save_spaces(out, np.array(run.listing_ids), vectors, run.photo_center)
    if run.has_model:
        save_prepared(out, run.engine.features, manifest.fingerprint)
    if run.metrics is not None:
        write_json(out / "metrics.json", run.metrics, indent=1)
    # A refit has the blends of the run that it repeats, and no figures.
    if run.metrics is not None or run.fits:
        save_fits(out, run.fits)
