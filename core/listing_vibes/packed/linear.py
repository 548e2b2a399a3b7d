"""A linear layer whose weight was reordered once for oneDNN, with what follows it in the same kernel.

oneDNN wants a weight in blocks; `torch.nn.functional.linear` reorders it at every call, and float32 goes to MKL, which
is slow on AMD. The reordered layers are those that `torch.compile` emits on a CPU; where this build of torch lacks
them, the plain functions give the same numbers.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def onednn_packs() -> bool:
    """True where this torch can reorder weights for oneDNN."""
    return torch.backends.mkldnn.is_available() and hasattr(torch.ops.mkldnn, "_reorder_linear_weight")


class PackedLinear:
    """y = f(x W^T + b), f nothing, GELU or the addition of a second input; x (n, in) to (n, out) of one dtype."""

    def __init__(self, weight: Tensor, bias: Tensor, dtype: torch.dtype, rows: int) -> None:
        """weight (out, in) and bias (out,) are copied; `rows` is the n that the order of the weight is best for."""
        self.bias = bias.detach().to(dtype)
        self.weight = weight.detach().to(dtype).contiguous()
        self.packed = onednn_packs()
        if self.packed:
            self.weight = torch.ops.mkldnn._reorder_linear_weight(self.weight, rows)

    @classmethod
    def of(cls, layer: nn.Linear, dtype: torch.dtype, rows: int) -> "PackedLinear":
        """The same as `layer`."""
        return cls(layer.weight, layer.bias, dtype, rows)

    def __call__(self, x: Tensor) -> Tensor:
        """x W^T + b."""
        if self.packed:
            return torch.ops.mkldnn._linear_pointwise(x, self.weight, self.bias, "none", [], "")
        return F.linear(x, self.weight, self.bias)

    def gelu(self, x: Tensor) -> Tensor:
        """GELU(x W^T + b), the exact one with erf."""
        if self.packed:
            return torch.ops.mkldnn._linear_pointwise(x, self.weight, self.bias, "gelu", [], "none")
        return F.gelu(F.linear(x, self.weight, self.bias))

    def plus(self, x: Tensor, other: Tensor) -> Tensor:
        """x W^T + b + other, other (n, out)."""
        if self.packed:
            return torch.ops.mkldnn._linear_pointwise.binary(x, other, self.weight, self.bias, "add")
        return F.linear(x, self.weight, self.bias) + other
