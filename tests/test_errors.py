"""Whatever goes wrong is told in one line that is safe to show."""

import errno
import re
import subprocess
import sys
import tomllib
import unicodedata
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from listing_vibes.errors import EXTRAS, VibesError, printable, sentence_of


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (VibesError("Give a\nnumber."), "Give a number."),
        (OSError(errno.ENOSPC, "No space left", "run/model"), "disk is full while writing run/model"),
        (PermissionError(errno.EACCES, "Permission denied", "run"), "no permission for run"),
        (OSError(errno.EROFS, "Read-only file system", "run"), "no permission for run"),
        (OSError(errno.ENAMETOOLONG, "File name too long", "a" * 300), "too long (300 characters)"),
        (NotADirectoryError(errno.ENOTDIR, "Not a directory", "a/b"), "a/b is a file, not a folder"),
        (OSError(errno.EIO, "Input/output error", "disk"), "refused disk (Input/output error)"),
        (
            ModuleNotFoundError("No module", name="implicit.cpu"),
            "needs implicit; install it with `pip install 'listing-vibes[train]'`",
        ),
        (ModuleNotFoundError("No module", name="nobody_knows"), "ModuleNotFoundError: No module"),
        (MemoryError(), "out of memory"),
        (RecursionError("maximum recursion depth exceeded"), "nested too deeply"),
        (ValueError("x" * 500), "ValueError: xxx"),
        (ZeroDivisionError(), "ZeroDivisionError: no reason given"),
    ],
)
def test_every_error_has_a_sentence(error, words):
    sentence = sentence_of(error)
    assert words in sentence and "\n" not in sentence and sentence[-1] == "." and len(sentence) < 400


def test_every_package_of_an_extra_has_it():
    pyproject = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text(encoding="utf-8"))
    names: dict[str, set[str]] = {}
    for name, packages in packages_distributions().items():
        for package in packages:
            names.setdefault(package.lower().replace("_", "-"), set()).add(name)
    extras = pyproject["project"]["optional-dependencies"]
    for extra, wanted in extras.items():
        for one in [] if extra == "dev" else wanted:
            package = re.match(r"[\w-]+", one)[0]
            if "model" in package or "minilm" in package or "milvus-lite" in package:
                continue  # weights and a server, which nothing imports by a name of their own
            known = names[package] & set(EXTRAS)
            bring = {name for name, these in extras.items() if any(re.match(package, one) for one in these)}
            assert known and {EXTRAS[name] for name in known} <= bring, package


@given(st.text(st.characters(exclude_categories=())))
def test_nothing_that_moves_a_cursor_or_turns_a_line_is_shown(text):
    shown = printable(text)
    hidden = [c for c in shown if unicodedata.category(c) in ("Cc", "Cf", "Cs")]
    assert set(hidden) <= set("\u200d\u200c\u00ad")  # joiners and soft hyphens, which words need
    shown.encode("utf-8")  # no lone surrogate


def test_a_word_stays_as_it_is():
    assert (
        printable("Straße „Nord“ 中文 \U0001f3e0 a\u202eb\x1b[2J")
        == "Straße „Nord“ 中文 \U0001f3e0 a\\u202eb\\x1b[2J"
    )


@pytest.mark.slow
def test_a_fault_of_ours_ends_with_a_sentence_and_with_debug_with_a_traceback(tmp_path):
    code = (
        "import sys; from listing_vibes import cli\n"
        "@cli.app.command()\n"
        "def broken(): raise RuntimeError('a fault')\n"
        "sys.argv = ['vibes', 'broken', *sys.argv[1:]]\n"
        "cli.main()"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert told.returncode == 2 and told.stderr.count("\n") == 1 and "RuntimeError: a fault" in told.stderr
    shown = subprocess.run([sys.executable, "-c", code, "--debug"], capture_output=True, text=True)
    assert shown.returncode == 1 and "Traceback" in shown.stderr
