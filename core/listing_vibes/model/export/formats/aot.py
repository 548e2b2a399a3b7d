"""Compiled ahead of time by AOTInductor, for torch without Python."""

from pathlib import Path

import numpy as np
import torch

from listing_vibes.errors import VibesError
from listing_vibes.model.export.formats import Format, Graph
from listing_vibes.model.export.inputs import Arrays
from listing_vibes.model.export.trace import tensors_of


class Aot(Format):
    """A package with a shared library of the graph for this machine's processor."""

    suffix = ".pt2"

    def write(self, program: torch.export.ExportedProgram, names: list[str], path: Path) -> None:
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

    def open(self, path: Path) -> Graph:
        from torch._inductor import aoti_load_package

        package = aoti_load_package(str(path))

        def run(arrays: Arrays) -> np.ndarray:
            with torch.inference_mode():
                found: np.ndarray = package(tensors_of(arrays)).numpy()
            return found

        return run
