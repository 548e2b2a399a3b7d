"""What pyproject.toml cannot say: a wheel carries `assets/demo`, without the studio, as `core/demo/bundled`."""

import shutil
from pathlib import Path

from setuptools.command.build_py import build_py

DEMO = Path(__file__).resolve().with_name("demo")


class BuildWithDemo(build_py):
    """Copies the demo beside the code of a wheel; an editable installation reads it where it lies."""

    def run(self) -> None:
        """Build the packages, then add the demo."""
        super().run()
        if not self.editable_mode:
            left_out = shutil.ignore_patterns("studio", ".cache", "__pycache__")
            target = Path(self.build_lib) / "core" / "demo" / "bundled"
            shutil.copytree(DEMO, target, ignore=left_out, dirs_exist_ok=True)
