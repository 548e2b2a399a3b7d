"""A second device that needs no GPU: its tensors hold theirs on the CPU and refuse to meet CPU tensors.

Torch's "privateuse1" device is free for backends outside of torch, and may be one in Python. Here every tensor of that
device is a wrapper, every operation runs on the tensors within, and one that mixes both devices fails as it would on a
GPU. Numbers on the CPU (tensors without dimensions) may join, as there. `torch.autocast` lowers what it lowers on a GPU,
so that types that do not fit each other show as well. What the two devices cannot tell apart is speed and rounding.
"""

from collections.abc import Iterator
from typing import Any

import torch
from torch.utils import _pytree as pytree
from torch.utils.backend_registration import _setup_privateuseone_for_python_backend

NAME = "second"
#: Operations that exist to bring tensors from one device to the other.
CROSSING = {"aten::_to_copy", "aten::copy_", "aten::_copy_from"}
#: A GPU's tensor may be indexed by the CPU's.
INDEXING = {"aten::index", "aten::index_put", "aten::index_put_"}
#: What autocast casts down on a GPU, and what it keeps in float32; of the rest the wider type wins there as here.
LOWERED = ("linear", "matmul", "mm", "bmm", "addmm", "scaled_dot_product_attention", "einsum", "conv2d")
KEPT = ("layer_norm", "softmax.int", "cumsum", "embedding_bag")
LIBRARIES: list[torch.library.Library] = []  # registrations live as long as these


class Module:
    """What torch asks of a device beside its operations."""

    bf16 = False  # as `torch.cuda.is_bf16_supported` says it

    @staticmethod
    def is_available() -> bool:
        return True

    @staticmethod
    def is_initialized() -> bool:
        return True

    @staticmethod
    def device_count() -> int:
        return 1

    @staticmethod
    def current_device() -> int:
        return 0

    @staticmethod
    def _is_in_bad_fork() -> bool:
        return False

    @staticmethod
    def manual_seed_all(seed: int) -> None:
        """The numbers are drawn on the CPU."""

    @staticmethod
    def get_amp_supported_dtype() -> list[torch.dtype]:
        return [torch.bfloat16, torch.float16]

    @classmethod
    def is_bf16_supported(cls) -> bool:
        return cls.bf16


class OnSecond(torch.Tensor):
    """A tensor of the second device around one on the CPU."""

    inner: torch.Tensor

    @staticmethod
    def __new__(cls, inner: torch.Tensor) -> "OnSecond":
        return torch.Tensor._make_wrapper_subclass(
            cls,
            inner.shape,
            strides=inner.stride(),
            storage_offset=inner.storage_offset(),
            dtype=inner.dtype,
            device=torch.device(NAME, 0),
        )

    def __init__(self, inner: torch.Tensor) -> None:
        self.inner = inner

    def __repr__(self, *, tensor_contents: Any = None) -> str:
        return f"OnSecond({self.inner!r})"

    def tolist(self) -> Any:
        """As on a GPU, where torch itself brings the numbers over."""
        return self.inner.tolist()

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return run(func, args, kwargs or {})


def run(func: Any, args: Any, kwargs: dict[str, Any]) -> Any:
    """One operation, on the tensors within; refuses to mix devices."""
    name, device = func._schema.name, kwargs.get("device")
    tensors = [x for x in pytree.arg_tree_leaves(*args, **kwargs) if isinstance(x, torch.Tensor)]
    inside = [isinstance(x, OnSecond) for x in tensors]
    strangers = [x for x, own in zip(tensors, inside, strict=True) if not own and x.dim()]
    if strangers and name not in CROSSING and not (name in INDEXING and inside[0]):
        raise RuntimeError(
            f"Expected all tensors to be on the same device, but {name} got {tuple(strangers[0].shape)} on the cpu beside "
            f"tensors on {NAME}"
        )
    stays = device is None or torch.device(device).type == NAME
    if device is not None and stays:
        kwargs = {**kwargs, "device": torch.device("cpu")}
    bare, named = pytree.tree_map_only(OnSecond, lambda x: x.inner, (args, kwargs))
    found = func(*bare, **named)
    if func._schema.is_mutable:  # gives back some of its arguments, or nothing
        outer = {id(x.inner if own else x): x for x, own in zip(tensors, inside, strict=True)}
        return pytree.tree_map_only(torch.Tensor, lambda x: outer[id(x)], found)
    return pytree.tree_map_only(torch.Tensor, wrapped, found) if stays else found


def wrapped(inner: torch.Tensor) -> OnSecond:
    """`inner` on the second device, for inference alone where it is: a view of a weight is not, not even there."""
    with torch.inference_mode(inner.is_inference()):
        return OnSecond(inner)


def second_device() -> torch.device:
    """`torch.device("second")`, registered once a process, and before its first backward pass: autograd counts the
    devices then, and never again (see `helpers.second`)."""
    if torch._C._get_privateuse1_backend_name() != NAME:
        _setup_privateuseone_for_python_backend(NAME, Module)
        _register_factories()
        _register_autocast()
    return torch.device(NAME)


def _register_factories() -> None:
    """What makes tensors out of none, such as `torch.zeros(3, device="second")`."""
    library = torch.library.Library("aten", "IMPL")
    for operation in _factories():

        def make(*args: Any, _operation: Any = operation, **kwargs: Any) -> Any:
            return OnSecond(_operation(*args, **{**kwargs, "device": torch.device("cpu")}))

        library.impl(operation, make, "PrivateUse1")

    def copy(source: torch.Tensor, target: torch.Tensor, non_blocking: bool = False) -> torch.Tensor:
        inner = [x.inner if isinstance(x, OnSecond) else x for x in (source, target)]
        inner[1].copy_(inner[0])
        return target

    library.impl("_copy_from", copy, "PrivateUse1")  # how `torch.tensor([1.0], device="second")` is filled
    LIBRARIES.append(library)


def _factories() -> Iterator[Any]:
    for full in torch._C._dispatch_get_all_op_names():
        space, _, name = full.partition("::")
        packet, _, overload = name.partition(".")
        operation = getattr(getattr(torch.ops.aten, packet, None), overload or "default", None)
        if space != "aten" or operation is None or name.startswith(("_", "sparse", "range")):
            continue
        kinds = [str(argument.type) for argument in operation._schema.arguments]
        given = [argument.name for argument in operation._schema.arguments]
        if "device" in given and not any("Tensor" in kind for kind in kinds):
            yield operation


def _register_autocast() -> None:
    key = "AutocastPrivateUse1"
    everything, aten = torch.library.Library("_", "IMPL"), torch.library.Library("aten", "IMPL")
    everything.fallback(torch.library.fallthrough_kernel, key)
    here = torch._C.DispatchKeySet(torch._C.DispatchKey.AutocastPrivateUse1)
    for name in LOWERED + KEPT:
        packet, _, overload = name.partition(".")
        operation = getattr(getattr(torch.ops.aten, packet), overload or "default")

        def cast(
            *args: Any, _operation: Any = operation, _lowered: bool = name in LOWERED, **kwargs: Any
        ) -> Any:
            dtype = torch.get_autocast_dtype(NAME) if _lowered else torch.float32

            def fit(x: torch.Tensor) -> torch.Tensor:
                return x.to(dtype) if x.is_floating_point() and x.dtype != torch.float64 else x

            with torch._C._ExcludeDispatchKeyGuard(here):
                args, kwargs = pytree.tree_map_only(torch.Tensor, fit, (args, kwargs))
                return _operation(*args, **kwargs)

        aten.impl(name, cast, key)
    LIBRARIES.extend([everything, aten])
