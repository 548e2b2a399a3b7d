"""Delivery of a job's lists to object storage: written locally first, then uploaded with the manifest last, so that a reader who
finds the manifest finds every file.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from listing_vibes.errors import VibesError
from listing_vibes.market.durable import scratch_folder
from listing_vibes.market.storage import Place, is_address, storage_errors
from listing_vibes.serving.batch.job import MANIFEST

PROBE = "_vibes-probe"  # readers of parquet folders skip names that begin with _


@contextmanager
def delivered(out: str) -> Iterator[Path]:
    """Yield the folder that a job writes to: `out`, or for a URL a local folder whose files are uploaded at the end.

    Write access to a URL is checked at once, since lists may take long. A job that was interrupted starts again from the first
    chunk.

    Raises:
        VibesError: the URL holds lists already, or cannot be written.
    """
    if not is_address(out):
        yield Path(out)
        return
    place = Place.of(out, "OUT")
    with storage_errors(place):
        place.files.invalidate_cache()
        values = {place.inside(str(name)): str(name) for name in place.files.find(place.path)}
    existing = {
        name: path for name, path in values.items() if "/" not in name
    }  # subfolders may hold the lists of other days
    strange = [name for name in existing if name.endswith(".parquet") and not name.startswith("part-")]
    if MANIFEST in existing or strange:
        raise VibesError(
            f"{place.shown} holds {MANIFEST if MANIFEST in existing else strange[0]} already; choose another folder, such "
            "as one with the date."
        )
    with scratch_folder() as folder:
        probe, created = folder / PROBE, folder / "lists"
        probe.touch()
        (place / PROBE).put(probe)
        with suppress(Exception):  # write permission does not imply delete permission
            place.files.rm_file((place / PROBE).path)
        yield created
        files = sorted(created.glob("*.parquet"))
        for file in files:
            (place / file.name).put(file)
        for name in set(existing) - {file.name for file in files}:
            if name.startswith("part-"):  # left by a delivery that was interrupted
                with storage_errors(place, "written"):
                    place.files.rm_file(existing[name])
        (place / MANIFEST).put(created / MANIFEST)
