"""ONNX in float32, run by ONNX Runtime."""

from pathlib import Path

import torch

from listing_vibes.errors import VibesError
from listing_vibes.model.export.formats import Format, Graph

OPSET = 18


class Onnx(Format):
    """One ONNX file per graph, in float32."""

    suffix = ".onnx"

    def write(self, program: torch.export.ExportedProgram, names: list[str], path: Path) -> None:
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

    def open(self, path: Path) -> Graph:
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
