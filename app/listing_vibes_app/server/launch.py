"""Starting the explorer: the command line of its server, from any working directory."""

import os
import socket
import sys
from pathlib import Path

from listing_vibes.errors import VibesError
from listing_vibes.serving.service.access import Access

ADDRESS = "127.0.0.1"


def command(runs: list[Path], port: int | None = None, browser: bool = True) -> list[str]:
    """The command that serves `runs` on this machine only; theme and settings lie beside `app/listing_vibes_app/asgi.py`.

    A container, whose own network is apart, sets LISTING_VIBES_HOST to the address to listen on; who may ask is told by
    the environment, see `listing_vibes.serving.service.access.Access`.

    Args:
        runs: one or more run folders.
        port: where to listen; None picks a free one.
        browser: open a browser once the server is up.

    Raises:
        VibesError: no run was given, one is no folder, the port is taken, or the token is short.
    """
    Access.of_environment()
    if not runs:
        raise VibesError("No run was given; name the folder of at least one run.")
    for run in runs:
        if not (run / "run.toml").is_file():
            raise VibesError(
                f"{run} is no run: it holds no run.toml; make one with vibes train or vibes embed."
            )
    return [
        sys.executable,
        "-P",  # the working directory may hold modules named as ours or as a library
        "-m",
        "streamlit",
        "run",
        str(Path(__file__).parents[1] / "asgi.py"),
        "--server.address",
        os.environ.get("LISTING_VIBES_HOST") or ADDRESS,
        "--server.port",
        str(free_port() if port is None else _unused(port)),
        "--server.headless",
        "false" if browser else "true",
        "--",
        *(str(run.resolve()) for run in runs),
    ]


def free_port() -> int:
    """A port on 127.0.0.1 that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind((ADDRESS, 0))
        return int(probe.getsockname()[1])


def address(arguments: list[str]) -> str:
    """Where the server that `command` returned will answer."""
    return f"http://{ADDRESS}:{arguments[arguments.index('--server.port') + 1]}"


def _unused(port: int) -> int:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((ADDRESS, port))
        except (OSError, OverflowError) as error:
            raise VibesError(
                f"Port {port} on {ADDRESS} cannot be used; choose another with --port."
            ) from error
    return port
