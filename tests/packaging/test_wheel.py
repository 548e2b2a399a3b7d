"""The wheel, installed in an environment of its own: the demo opens, Python finds it, and nothing is written into it."""

import os
import shutil
import site
import subprocess
import sys
import urllib.request
import venv
from dataclasses import dataclass
from pathlib import Path

import pytest

from browser.served import wait_for
from listing_vibes_app.server.command_line import ADDRESS, free_port

ROOT = Path(__file__).resolve().parents[2]

#: What a notebook does with the installed demo.
NOTEBOOK = """
import listing_vibes
from listing_vibes import Run
from listing_vibes.demo.shipped import bundled_run
from listing_vibes.run.manifest import Manifest
from listing_vibes.run.manifest import named_model

run = Run.open(bundled_run())
assert run.path.is_relative_to({site!r}), run.path
for name in ("homes", "demo"):
    assert named_model(name).is_relative_to({site!r}) and Manifest.load(named_model(name)).trained_on
print(len(run.recommend("user-00007", k=5)), len(run.similar("home-0007", k=7)))
"""
#: Pages that are drawn from start to end, as a visitor's browser asks for them.
PAGES = """
import sys
from streamlit.testing.v1 import AppTest
import listing_vibes_app
from listing_vibes.demo.shipped import bundled_run

sys.argv = ["main.py", str(bundled_run())]
driver = AppTest.from_file(listing_vibes_app.__path__[0] + "/main.py", default_timeout=300)
driver.run()
for page in ("similar", "users", "map", "cold"):
    driver.switch_page(f"app_pages/{page}/page.py")
    driver.run()
    assert not driver.exception, (page, driver.exception)
"""


@dataclass(frozen=True)
class Installed:
    """A virtual environment that holds the wheel and sees this one's libraries; `run` runs its programs elsewhere."""

    folder: Path
    packages: Path

    @property
    def environment(self) -> dict[str, str]:
        nowhere = dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY"), "http://127.0.0.1:9") | {"NO_PROXY": ADDRESS}
        kept = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        return kept | nowhere | {"LISTING_VIBES_CACHE": str(self.folder / "cache")}

    def program(self, name: str) -> str:
        return str(self.folder / "venv" / ("Scripts" if os.name == "nt" else "bin") / name)

    def python(self, code: str) -> str:
        done = subprocess.run(
            [self.program("python"), "-c", code],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def files(self) -> dict[str, tuple[int, int]]:
        """Size and time of every file of the installed packages, but for Python's own compiled ones."""
        kept = [path for path in self.packages.rglob("*") if path.is_file() and path.suffix != ".pyc"]
        return {str(path): (path.stat().st_size, path.stat().st_mtime_ns) for path in kept}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this source, built from a copy so that nothing an earlier build left is in it."""
    source, out = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    left = shutil.ignore_patterns("__pycache__", "*.pyc", ".cache", "studio")
    for name in ("core", "app", "assets"):
        shutil.copytree(ROOT / name, source / name, ignore=left)
    pip("wheel", "--no-build-isolation", "--wheel-dir", str(out), str(source))
    (found,) = out.glob("*.whl")
    return found


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    folder = tmp_path_factory.mktemp("installed")
    venv.create(folder / "venv", with_pip=False)
    (packages,) = (folder / "venv").rglob("site-packages")
    libraries = [*site.getsitepackages(), site.getusersitepackages()]
    (packages / "libraries.pth").write_text(
        "\n".join(libraries)
    )  # behind it, so that the wheel's own come first
    found = Installed(folder, packages)
    pip("--python", found.program("python"), "install", str(wheel))
    return found


def pip(*arguments: str) -> None:
    places = [] if arguments[0] == "wheel" else ["--force-reinstall"]
    command = [sys.executable, "-m", "pip", "--quiet", *arguments, "--no-deps", "--no-index", *places]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
def test_every_file_that_is_no_code_is_in_it(installed):
    for room in ("core", "app"):
        files = [path for path in (ROOT / room).rglob("*") if path.is_file() and path.suffix != ".pyc"]
        missing = [
            path for path in files if not (installed.packages / path.relative_to(ROOT / room)).is_file()
        ]
        assert len(files) > 20 and missing == []
    assert not list(installed.packages.rglob("studio"))
    notices = {path.name for path in installed.packages.glob("*.dist-info/licenses/**/*") if path.is_file()}
    assert notices == {"LICENSE", "THIRD_PARTY.md"}
    assert (installed.packages / "listing_vibes" / "docs" / "index.md").is_file()


@pytest.mark.slow
def test_it_claims_no_name_but_its_two_packages(installed):
    (record,) = installed.packages.glob("listing_vibes-*.dist-info/RECORD")
    first = {line.split("/")[0] for line in record.read_text(encoding="utf-8").splitlines()}
    names = {name for name in first if not name.endswith(".dist-info") and not name.startswith("..")}
    assert names == {"listing_vibes", "listing_vibes_app"}


@pytest.mark.slow
def test_the_demo_opens_and_nothing_is_written_into_it(installed):
    before, port = installed.files(), free_port()
    with (installed.folder / "server.log").open("wb") as log:
        server = subprocess.Popen(
            [installed.program("vibes"), "demo", "--no-browser", "--port", str(port)],
            cwd=installed.folder, env=installed.environment, stdout=log, stderr=subprocess.STDOUT,
        )  # fmt: skip
    url = f"http://{ADDRESS}:{port}"
    try:
        wait_for(url + "/_stcore/health", server, installed.folder / "server.log")
        with urllib.request.urlopen(url, timeout=180) as page:
            assert b"<html" in page.read()
        with urllib.request.urlopen(f"{url}/photo/run/320/0?listing=home-0007", timeout=180) as photo:
            assert photo.headers["Content-Type"] == "image/webp" and len(photo.read()) > 1000
    finally:
        server.terminate()
        server.wait(180)
    assert installed.files() == before
    assert list((installed.folder / "cache").rglob("thumbnails/*.webp"))


@pytest.mark.slow
def test_its_pages_draw_and_python_recommends_from_it(installed):
    before = installed.files()
    assert installed.python(NOTEBOOK.format(site=str(installed.packages)) + PAGES).split()[:2] == ["5", "7"]
    assert installed.files() == before
