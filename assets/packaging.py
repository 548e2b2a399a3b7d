"""What pyproject.toml cannot say: a wheel carries `assets/demo`, without the studio, as `core/demo/bundled`, and
`assets/models` as `core/models`."""

import shutil
from pathlib import Path

from setuptools.command.build_py import build_py

ASSETS = Path(__file__).resolve().parent
#: Where a wheel has which folder of the assets; `core.run.named` finds them there.
CARRIED = {"demo": "core/demo/bundled", "models": "core/models"}


class BuildWithDemo(build_py):
    """Copies demo and models beside the code of a wheel; an editable installation reads them where they lie."""

    def run(self) -> None:
        """Build the packages, then add them."""
        super().run()
        if not self.editable_mode:
            left_out = shutil.ignore_patterns("studio", ".cache", "__pycache__")
            for name, target in CARRIED.items():
                shutil.copytree(
                    ASSETS / name, Path(self.build_lib) / target, ignore=left_out, dirs_exist_ok=True
                )
