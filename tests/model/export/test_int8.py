"""Matrices in int8: what a layer near the identity has learned remains."""

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from listing_vibes.model.export.formats.int8 import keep_diagonals, near_identity, quantise

pytestmark = pytest.mark.slow

WIDTH = 32
LEARNED = np.random.default_rng(0).normal(scale=0.003, size=(WIDTH, WIDTH)).astype(np.float32)
NEAR = np.eye(WIDTH, dtype=np.float32) + LEARNED


def graph_of(*matrices: np.ndarray) -> onnx.ModelProto:
    """x times one matrix after the other."""
    names = ["x", *(f"y{place}" for place in range(len(matrices)))]
    nodes = [
        helper.make_node("MatMul", [names[place], f"w{place}"], [names[place + 1]], f"product{place}")
        for place in range(len(matrices))
    ]
    ends = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", matrix.shape[place]])
        for name, matrix, place in ((names[0], matrices[0], 0), (names[-1], matrices[-1], 1))
    ]
    constants = [numpy_helper.from_array(matrix, f"w{place}") for place, matrix in enumerate(matrices)]
    graph = helper.make_graph(nodes, "products", ends[:1], ends[1:], constants)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)


def run(model: onnx.ModelProto, x: np.ndarray) -> np.ndarray:
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, {"x": x})[0]


@pytest.mark.parametrize("layer", ["MatMul", "Gemm"])
def test_what_a_layer_near_the_identity_learned_is_kept(tmp_path, layer):
    x = np.random.default_rng(1).normal(size=(64, WIDTH)).astype(np.float32)
    path, given = tmp_path / "near.onnx", graph_of(NEAR)
    given.graph.node[0].op_type = layer
    onnx.save(given, path)
    quantise(path)
    model = onnx.load(path)
    assert "MatMulInteger" in {node.op_type for node in model.graph.node}
    change = run(model, x) - x  # (64, WIDTH), that is x @ LEARNED
    assert np.linalg.norm(change - x @ LEARNED) < 0.05 * np.linalg.norm(x @ LEARNED)


def test_splitting_changes_no_sum_and_only_what_gains_by_it():
    wide, x = np.tile(LEARNED, (1, 2)), np.random.default_rng(1).normal(size=(5, WIDTH)).astype(np.float32)
    model = graph_of(NEAR, 30 * LEARNED, wide)
    before = run(model, x)
    assert keep_diagonals(model.graph) == 1
    np.testing.assert_allclose(run(model, x), before, rtol=1e-5, atol=1e-6)
    assert near_identity(NEAR) and not near_identity(30 * LEARNED) and not near_identity(wide)
