"""ONNX with int8 weights."""

from pathlib import Path
from typing import TYPE_CHECKING

from listing_vibes.model.export.formats import Format, Graph
from listing_vibes.model.export.formats._onnx import open_onnx, write_onnx
from listing_vibes.model.export.int8 import quantise

if TYPE_CHECKING:
    from torch.export import ExportedProgram


class Int8(Format):
    """Like `onnx`, with the weights of the matrix products in int8; see `listing_vibes.model.export.int8`."""

    suffix = ".int8.onnx"

    def write(self, program: "ExportedProgram", names: list[str], path: Path) -> None:
        write_onnx(program, names, path)
        quantise(path)

    def open(self, path: Path) -> Graph:
        return open_onnx(path)
