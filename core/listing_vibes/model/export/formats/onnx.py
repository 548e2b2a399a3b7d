"""ONNX, the format that other engines read."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from listing_vibes.market.durable import atomic_path
from listing_vibes.model.export.formats import Format, Graph
from listing_vibes.model.export.formats._onnx import open_onnx, write_onnx
from listing_vibes.model.export.graph import PaddedGraph

if TYPE_CHECKING:
    from torch.export import ExportedProgram

TENSORRT = "tensorrt.sh"


class Onnx(Format):
    """One ONNX file a graph in float32, and the command that makes a TensorRT engine of each."""

    suffix = ".onnx"

    def write(self, program: "ExportedProgram", names: list[str], path: Path) -> None:
        write_onnx(program, names, path)

    def open(self, path: Path) -> Graph:
        return open_onnx(path)

    def write_beside(self, out: Path, graphs: Mapping[str, PaddedGraph], max_tokens: int) -> None:
        """One `trtexec` a graph: the least, usual and largest of every free dimension."""
        sizes = {
            "batch": (1, 64, 256), "length": (3, min(256, max_tokens), max_tokens), "events": (2, 16, 50),
            "sets": (2, 512, 8192), "members": (2, 32, 128), "contents": (2, 512, 8192), "listings": (1, 1024, 1 << 20),
        }  # fmt: skip
        lines = [
            "#!/bin/sh",
            "# Needs TensorRT 10 and a GPU; raise the largest sizes where yours are larger.",
            "set -e",
        ]
        for kind, graph in graphs.items():
            given = []
            for place, bound in enumerate(("min", "opt", "max")):
                shapes = []
                for name, axes in graph.inputs.items():
                    width = graph.width
                    shapes.append(
                        f"{name}:" + "x".join(str(width if a is None else sizes[a][place]) for a in axes)
                    )
                given.append(f"  --{bound}Shapes={','.join(shapes)}")
            file = f"{kind}{self.suffix}"
            lines.append(f"trtexec --onnx={file} --saveEngine={kind}.plan --fp16 \\\n" + " \\\n".join(given))
        with atomic_path(out / TENSORRT) as temporary:
            temporary.write_text("\n".join(lines) + "\n", encoding="utf-8")
