"""What pyproject.toml cannot say: a wheel carries the demo (without the studio), the models and the docs of `assets` inside the
package; an editable installation reads them where they lie (`listing_vibes.run.named`)."""

from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

#: Folder of the package in the wheel by folder of the assets.
BUNDLED = {
    "demo": "listing_vibes/demo/bundled",
    "models": "listing_vibes/models",
    "docs": "listing_vibes/docs",
}
LEFT_OUT = {"studio", "research", ".cache", "__pycache__"}


class BundleAssets(BuildHookInterface):
    """Add the demo and the models to a wheel."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Name the files that a wheel carries beside the code."""
        if version == "editable":
            return
        for name, target in BUNDLED.items():
            for path in sorted((Path(self.root) / "assets" / name).iterdir()):
                if path.name not in LEFT_OUT:
                    build_data["force_include"][str(path)] = f"{target}/{path.name}"
