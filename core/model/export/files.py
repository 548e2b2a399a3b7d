"""Writing a graph for other engines, and running what was written."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch

from core.errors import VibesError
from core.market.io import atomic_path
from core.model.export.graph import PaddedGraph
from core.model.export.inputs import LEAST_LENGTH, Arrays
from core.model.export.int8 import quantise

FORMATS = ("onnx", "int8", "aot")
SUFFIX: dict[str, str] = {"onnx": ".onnx", "int8": ".int8.onnx", "aot": ".pt2"}
OPSET = 18
Graph = Callable[[Arrays], np.ndarray]


def write_graph(graph: PaddedGraph, sample: Arrays, path: Path, format: str, rows: int) -> None:
    """Write `graph` in one file, with the batch and all lengths free.

    Args:
        format: one of `FORMATS`.
        sample: inputs as those that will come, every free dimension at least 2.
        rows: the largest length of a row, in tokens or events.

    Raises:
        VibesError: a library or a compiler is missing.
    """
    with _quietly():
        program = _traced(graph, sample, rows)
        with atomic_path(path) as temporary:
            if format == "aot":
                _compile(program, temporary)
            else:
                _write_onnx(program, sorted(sample), temporary)
                if format == "int8":
                    _quantise(temporary)


def open_graph(path: Path) -> Graph:
    """What runs the file on this machine's CPU: arrays in, (B, d) float32 out.

    Raises:
        VibesError: a library is missing, or the file is no graph.
    """
    if path.suffix == ".pt2":
        return _open_aot(path)
    try:
        import onnxruntime
    except ImportError as error:
        raise _missing(error) from error
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = torch.get_num_threads()
    try:
        session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # the library's errors have no common class
        raise VibesError(
            f"{path} cannot be opened ({str(error).splitlines()[0]}); export it again."
        ) from error
    names = [one.name for one in session.get_inputs()]
    return lambda arrays: session.run(None, {name: arrays[name] for name in names})[0]


def _traced(graph: PaddedGraph, sample: Arrays, rows: int) -> torch.export.ExportedProgram:
    dims: dict[str, Any] = {}
    shapes: dict[str, Any] = {}
    for name, axes in graph.inputs.items():
        for axis in filter(None, axes):
            most = {"max": rows} if axis in ("length", "events") else {}
            least = LEAST_LENGTH if axis == "length" else 1
            dims.setdefault(axis, torch.export.Dim(axis, min=least, **most))
        shapes[name] = {place: dims[axis] for place, axis in enumerate(axes) if axis is not None}
    tensors = _tensors(sample)
    given = ({name: shapes[name] for name in tensors},)
    with torch.no_grad():
        return torch.export.export(graph, (tensors,), dynamic_shapes=given, strict=False)


def _tensors(arrays: Arrays) -> dict[str, torch.Tensor]:
    """By sorted name, since a compiled graph knows its inputs by their order."""
    return {name: torch.from_numpy(arrays[name]) for name in sorted(arrays)}


def _write_onnx(program: torch.export.ExportedProgram, names: list[str], path: Path) -> None:
    try:
        import onnxscript  # noqa: F401 (what torch writes ONNX with)
    except ImportError as error:
        raise _missing(error) from error
    made = torch.onnx.export(
        program,
        input_names=names,
        output_names=["unit_vector"],
        dynamo=True,
        opset_version=OPSET,
        verbose=False,
    )
    assert made is not None
    made.save(path, external_data=False)


def _quantise(path: Path) -> None:
    try:
        quantise(path)
    except ImportError as error:
        raise _missing(error) from error


def _compile(program: torch.export.ExportedProgram, path: Path) -> None:
    from torch._inductor import aoti_compile_and_package
    from torch._inductor.exc import InductorError, InvalidCxxCompiler

    package = path.with_name(path.name + ".pt2")  # the name that the library asks for
    try:
        aoti_compile_and_package(program, package_path=str(package))
        package.replace(path)
    except (InvalidCxxCompiler, InductorError, FileNotFoundError) as error:
        raise VibesError(
            f"--format aot needs a C++ compiler that torch can use ({str(error).splitlines()[0]}); install g++."
        ) from error
    finally:
        package.unlink(missing_ok=True)


def _open_aot(path: Path) -> Graph:
    from torch._inductor import aoti_load_package

    package = aoti_load_package(str(path))

    def run(arrays: Arrays) -> np.ndarray:
        with torch.inference_mode():
            found: np.ndarray = package(_tensors(arrays)).numpy()
        return found

    return run


def _missing(error: ImportError) -> VibesError:
    return VibesError(f"Exporting needs {error.name}; install it with `pip install 'listing-vibes[export]'`.")


@contextmanager
def _quietly() -> Iterator[None]:
    """The exporters talk at length about what does not concern whoever exports."""
    loggers = [logging.getLogger(name) for name in (None, "onnxscript", "onnx_ir", "torch.onnx")]
    before = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, before, strict=True):
            logger.setLevel(level)
