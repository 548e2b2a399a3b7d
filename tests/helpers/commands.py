"""The command `vibes`, in this process or in one of its own."""

import contextlib
import io
import json
import subprocess
import sys
from pathlib import Path
from unittest import mock

from listing_vibes import cli

ROOT = Path(__file__).parents[2]


def rules_file(folder: Path, **rules: object) -> list[str]:
    """Write rules as a file, as `--rules` takes it; returns the option."""
    path = folder / "rules.json"
    path.write_text(json.dumps(rules), encoding="utf-8")
    return ["--rules", str(path)]


def vibes(*arguments: object, check: int | None = 0) -> subprocess.CompletedProcess[str]:
    """What `vibes ARGUMENTS` prints and ends with, called here, so that the libraries are loaded once."""
    out, err, code = io.StringIO(), io.StringIO(), 0
    line = mock.patch.object(sys, "argv", ["vibes", *map(str, arguments)])
    with line, contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            cli.main()
        except SystemExit as ended:
            code = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    assert check in (None, code), err.getvalue()
    return subprocess.CompletedProcess(arguments, code, out.getvalue(), err.getvalue())
