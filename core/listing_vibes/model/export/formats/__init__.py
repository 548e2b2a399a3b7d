"""The export formats of a model: one class per file."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from listing_vibes.registry import Registry

if TYPE_CHECKING:
    import numpy as np
    from torch.export import ExportedProgram

#: The inputs of a graph by name.
Arrays = dict[str, "np.ndarray"]
#: A function that runs an exported graph: arrays in, (B, d) float32 out.
Graph = Callable[[Arrays], "np.ndarray"]


class Format(ABC):
    """Writes a traced graph to a file and runs it: `onnx.py` in this folder is `vibes export --format onnx`."""

    #: The suffix of the files.
    suffix: ClassVar[str]

    @abstractmethod
    def write(self, program: "ExportedProgram", names: list[str], path: Path) -> None:
        """Write the program with the input names `names` to the file `path`, atomically.

        Raises:
            ImportError: a library is missing.
        """

    @abstractmethod
    def open(self, path: Path) -> Graph:
        """Return a function that runs the file on this machine's CPU.

        Raises:
            VibesError: the file is not a graph.
            ImportError: a library is missing.
        """


#: All formats by name; importing this does not import torch.
FORMATS = Registry(__name__, Format, "format")
