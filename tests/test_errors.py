"""What users read: an error as one safe sentence, the progress of long work, and words beside figures."""

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
from listing_vibes.progress import Counted, Notice, Stage, Trained, Validated
from listing_vibes.progress.bar import ProgressBar
from listing_vibes.words import count, cut, percent


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


def test_lines_are_printed_and_counts_stand_on_the_bar(capsys):
    with ProgressBar() as bar:
        for update in (
            Stage("features"),
            Counted("photos", 3, 10),
            Trained(4, 8, 1.23456, 30.0),
            Validated(4, 0.25, 0.24, 2, 0.3),
            Notice("'+ photos' is left out." + 30 * " It is said why."),
        ):
            bar(update)
        standing = [(task.description, task.completed, task.total) for task in bar.bar.tasks]
        left = [bar.bar.columns[-1].render(task).plain for task in bar.bar.tasks]
    assert standing == [("photos", 3, 10), ("training, loss 1.235", 4, 8)]
    assert left[1] == "0:00:30"  # the training's own estimate
    assert capsys.readouterr().err.splitlines() == [
        "features ...",
        "step 4: validation recall@30 0.2500, smooth 0.2400 (kept: step 2, smooth 0.3000)",
        "'+ photos' is left out." + 30 * " It is said why.",
    ]


def test_where_there_is_no_terminal_a_line_tells_now_and_then_how_far_it_is(capsys, monkeypatch):
    now = [0.0]
    monkeypatch.setattr("listing_vibes.progress.bar.time.monotonic", lambda: now[0])
    with ProgressBar() as bar:
        for step in range(1, 8):
            now[0] += 12
            bar(Counted("texts", 1000 * step, 50_000, 600.0 - step))
    assert capsys.readouterr().err.splitlines() == [
        "texts: 2,000 of 50,000, about 10 min left",
        "texts: 5,000 of 50,000, about 10 min left",
    ]


def test_a_part_of_the_work_is_told_with_one_decimal(capsys, monkeypatch):
    monkeypatch.setattr("listing_vibes.progress.bar.FIRST_S", 0.0)
    with ProgressBar() as bar:
        bar(Counted("placing listings", 89.61458974, 100))
    assert capsys.readouterr().err.splitlines() == ["placing listings: 89.6 of 100"]


def test_one_thing_and_many():
    assert [count(number, "entry", "entries") for number in (0, 1, 1234)] == [
        "0 entries",
        "1 entry",
        "1,234 entries",
    ]


@pytest.mark.parametrize(
    ("share", "options", "told"),
    [
        (0.12345, {}, "12.3%"),
        (0.0004, {}, "0.0%"),
        (0.0004, {"unit": " %", "bounds": ("< ", "> ")}, "< 0.1 %"),
        (0.9996, {"unit": " %", "bounds": ("< ", "> ")}, "> 99.9 %"),
        (0.004, {"decimals": 0, "bounds": ("under ", "over ")}, "under 1%"),
        (0.996, {"decimals": 0, "bounds": ("under ", "over ")}, "over 99%"),
        (0.5, {"decimals": 0, "bounds": ("under ", "over ")}, "50%"),
        (0.0, {"bounds": ("< ", "> ")}, "0.0%"),
        (1.0, {"bounds": ("< ", "> ")}, "100.0%"),
        (0.0123, {"unit": " %", "signed": True}, "+1.2 %"),
        (-0.0123, {"unit": " %", "signed": True}, "-1.2 %"),
    ],
)
def test_a_share_as_it_is_read(share, options, told):
    assert percent(share, **options) == told


def test_a_text_is_cut_to_a_length_that_holds_the_ellipsis():
    assert cut("a garden", 8) == "a garden"
    assert cut("a garden, sunny", 8) == "a garde…" and cut("garden sunny", 8) == "garden…"
