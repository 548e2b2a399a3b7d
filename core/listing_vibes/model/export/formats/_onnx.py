"""ONNX files, and running them with ONNX Runtime."""

from pathlib import Path

import torch

from listing_vibes.errors import VibesError
from listing_vibes.model.export.formats import Graph

OPSET = 18


def write_onnx(program: torch.export.ExportedProgram, names: list[str], path: Path) -> None:
    """Write the program with the input names `names` as one file.

    Raises:
        ImportError: a library is missing.
    """
    import onnxscript  # noqa: F401 (torch requires it to write ONNX)

    created = torch.onnx.export(
        program,
        input_names=names,
        output_names=["unit_vector"],
        dynamo=True,
        opset_version=OPSET,
        verbose=False,
    )
    assert created is not None
    created.save(path, external_data=False)


def open_onnx(path: Path) -> Graph:
    """Return a function that runs the file.

    Raises:
        VibesError: the file is not ONNX.
        ImportError: a library is missing.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = torch.get_num_threads()
    try:
        session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # The library's errors have no common base class.
        raise VibesError(
            f"{path} cannot be opened ({str(error).splitlines()[0]}); export it again."
        ) from error
    names = [get_input.name for get_input in session.get_inputs()]
    return lambda arrays: session.run(None, {name: arrays[name] for name in names})[0]
