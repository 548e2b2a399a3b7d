"""The formats that a model is exported in: one class in one file each."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from listing_vibes.registry import Registry

if TYPE_CHECKING:
    import numpy as np
    from torch.export import ExportedProgram

    from listing_vibes.model.export.inputs import Arrays

#: Runs what was written: arrays in, (B, d) float32 out.
Graph = Callable[["Arrays"], "np.ndarray"]


class Format(ABC):
    """How a traced graph becomes a file and is run: `onnx.py` in this folder is `vibes export --format onnx`."""

    #: Of the files.
    suffix: ClassVar[str]

    @abstractmethod
    def write(self, program: ExportedProgram, names: list[str], path: Path) -> None:
        """Write the program, whose inputs are called `names`, in the file `path` (which is put in its place whole).

        Raises:
            ImportError: a library is missing.
        """

    @abstractmethod
    def open(self, path: Path) -> Graph:
        """What runs the file on this machine's CPU.

        Raises:
            VibesError: the file is no graph.
            ImportError: a library is missing.
        """


#: All formats by name; knowing the names imports no torch.
FORMATS = Registry(__name__, Format, "format")
