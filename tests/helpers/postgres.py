"""A real PostgreSQL in a folder of a test's own, reached through a socket there."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest


def binary(name: str) -> str | None:
    """A program of PostgreSQL, also where Debian puts those that are not on the path."""
    places = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return shutil.which(name, path=os.pathsep.join([os.environ.get("PATH", ""), *map(str, places)]))


@contextmanager
def postgres() -> Iterator[str]:
    """The SQLAlchemy address of an empty database; skips where PostgreSQL is not installed."""
    initdb, control = binary("initdb"), binary("pg_ctl")
    if initdb is None or control is None:
        if os.environ.get("LISTING_VIBES_REQUIRE_POSTGRES"):
            pytest.fail("LISTING_VIBES_REQUIRE_POSTGRES is set, but there is no PostgreSQL")
        pytest.skip("PostgreSQL is not installed (apt-get install postgresql)")
    # It refuses to run as root, and its socket's path must be short.
    other = ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups"] if os.geteuid() == 0 else []
    with TemporaryDirectory(prefix="vibes-pg-", dir="/tmp") as folder:
        data = f"{folder}/data"
        if other:
            shutil.chown(folder, "nobody")

        def run(*command: str) -> None:
            subprocess.run([*other, *command], check=True, capture_output=True, cwd="/", timeout=300)

        run(initdb, "-D", data, "-U", "vibes", "-A", "trust", "--no-sync", "-E", "UTF8", "--locale=C")
        options = f"-c listen_addresses='' -c unix_socket_directories={folder} -c fsync=off"
        run(control, "-D", data, "-o", options, "-l", f"{folder}/log", "-w", "-t", "240", "start")
        try:
            yield f"postgresql+psycopg://vibes@/postgres?host={folder}"
        finally:
            run(control, "-D", data, "-m", "immediate", "-w", "stop")
