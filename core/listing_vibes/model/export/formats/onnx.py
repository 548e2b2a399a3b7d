"""ONNX in float32."""

from pathlib import Path
from typing import TYPE_CHECKING

from listing_vibes.model.export.formats import Format, Graph
from listing_vibes.model.export.formats._onnx import open_onnx, write_onnx

if TYPE_CHECKING:
    from torch.export import ExportedProgram


class Onnx(Format):
    """One ONNX file per graph, in float32."""

    suffix = ".onnx"

    def write(self, program: "ExportedProgram", names: list[str], path: Path) -> None:
        write_onnx(program, names, path)

    def open(self, path: Path) -> Graph:
        return open_onnx(path)
