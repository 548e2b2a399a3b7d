"""The command line of the explorer's server."""

import os
import socket
import sys
from pathlib import Path

from listing_vibes.errors import VibesError
from listing_vibes.serving.service.access import Access

ADDRESS = "127.0.0.1"


def command(runs: list[Path], port: int | None = None, browser: bool = True) -> list[str]:
    """Return the command that serves `runs` on the loopback interface.

    A container has a network of its own and sets LISTING_VIBES_HOST to the address to listen on. The environment defines who
    has access, see `listing_vibes.serving.service.access.Access`.

    Args:
        runs: one or more run folders.
        port: to listen on; None picks a free one.
        browser: open a browser once the server is up.

    Raises:
        VibesError: the port is in use, or the token is too short.
    """
    Access.of_environment()
    script, host = Path(__file__).parents[1] / "asgi.py", os.environ.get("LISTING_VIBES_HOST") or ADDRESS
    number, headless = free_port() if port is None else _check_port(port), str(not browser).lower()
    # -P: the working directory may hold modules with the name of ours or of a library.
    start = [sys.executable, "-P", "-m", "streamlit", "run", str(script), "--server.address", host]
    options = ["--server.port", str(number), "--server.headless", headless]
    return [*start, *options, "--", *(str(run.resolve()) for run in runs)]


def free_port() -> int:
    """Return a free port on 127.0.0.1."""
    with socket.socket() as probe:
        probe.bind((ADDRESS, 0))
        return int(probe.getsockname()[1])


def address(arguments: list[str]) -> str:
    """Return the URL of the server that `command` returned."""
    return f"http://{ADDRESS}:{arguments[arguments.index('--server.port') + 1]}"


def _check_port(port: int) -> int:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((ADDRESS, port))
        except (OSError, OverflowError) as error:
            raise VibesError(
                f"Port {port} on {ADDRESS} cannot be used; choose another with --port."
            ) from error
    return port
