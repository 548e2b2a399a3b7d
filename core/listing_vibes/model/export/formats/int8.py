"""ONNX with int8 weights of its matrix products.

Some layers start as the identity and end near it: a diagonal of about 1, and other entries of about 0.01, which one scale
of 1/127 per column would round to 0. For these the diagonal stays in float, x W = x (W - D) + x D, and the scale is that of the
other entries.
"""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from listing_vibes.model.export.formats.onnx import Onnx

if TYPE_CHECKING:
    import onnx
    from torch.export import ExportedProgram


class Int8(Onnx):
    """Like `onnx`, with the weights of the matrix products in int8."""

    suffix = ".int8.onnx"

    def write(self, program: "ExportedProgram", names: list[str], path: Path) -> None:
        super().write(program, names, path)
        quantise(path)


#: A diagonal is split off if this reduces the median scale of the columns below this share.
SHRINKS = 0.5


def quantise(path: Path) -> None:
    """Rewrite the ONNX file `path`: the matrix of every linear layer becomes int8, with one scale per column.

    The inputs of these layers are quantized dynamically, with one scale per layer and batch. Tables, biases, norms and
    attention stay in float32.

    Raises:
        ImportError: a library is missing.
    """
    import onnx
    from onnxruntime.quantization import QuantType, quantize_dynamic
    from onnxruntime.quantization.onnx_model import ONNXModel

    graph = ONNXModel(onnx.load(path))
    graph.replace_gemm_with_matmul()  # The library would also do this, but only after `keep_diagonals`.
    keep_diagonals(graph.model.graph)
    quantize_dynamic(
        graph.model, path, op_types_to_quantize=["MatMul"], per_channel=True, weight_type=QuantType.QInt8
    )


def keep_diagonals(graph: "onnx.GraphProto") -> int:
    """Split every product x W with W near the identity into x (W - D) + x D, and return the number of these."""
    from onnx import NodeProto, helper, numpy_helper

    constants = {item.name: item for item in graph.initializer}
    nodes: list[NodeProto] = []
    result = 0
    for node in graph.node:
        weight = constants.get(node.input[1]) if node.op_type == "MatMul" else None
        matrix = None if weight is None else numpy_helper.to_array(weight)  # (n, m)
        if matrix is None or not near_identity(matrix):
            nodes.append(node)
            continue
        result += 1
        diagonal, name = np.diag(matrix), node.output[0]
        rest = matrix - np.diag(diagonal)
        graph.initializer.append(numpy_helper.from_array(rest, f"{name}_rest"))
        graph.initializer.append(numpy_helper.from_array(diagonal, f"{name}_diagonal"))
        given = node.input[0]
        nodes += [
            helper.make_node("MatMul", [given, f"{name}_rest"], [f"{name}_turned"], f"{name}_turn"),
            helper.make_node("Mul", [given, f"{name}_diagonal"], [f"{name}_kept"], f"{name}_keep"),
            helper.make_node("Add", [f"{name}_turned", f"{name}_kept"], [name], f"{name}_add"),
        ]
    read = {name for node in nodes for name in node.input}
    remaining = [item for item in graph.initializer if item.name in read]
    for field, values in (("node", nodes), ("initializer", remaining)):
        graph.ClearField(field)
        getattr(graph, field).extend(values)
    return result


def near_identity(matrix: np.ndarray) -> bool:
    """Return whether quantizing `matrix` (n, m) with one scale per column is much more exact without its diagonal."""
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1]:
        return False
    rest = np.abs(matrix - np.diag(np.diag(matrix))).max(axis=0)  # (n,)
    return bool(np.median(rest / np.maximum(np.abs(matrix).max(axis=0), 1e-12)) < SHRINKS)
