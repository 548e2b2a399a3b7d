"""Weights and training state as safetensors and JSON, without pickle, and written atomically."""

import json
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file

from listing_vibes.errors import VibesError
from listing_vibes.features.photos.trainable import PREFIX
from listing_vibes.market.durable import atomic_path


def save_weights(path: Path, model: torch.nn.Module) -> None:
    """Write the state dict of `model`."""
    tensors = {name: tensor.detach().contiguous().cpu() for name, tensor in model.state_dict().items()}
    with atomic_path(path) as temporary:
        save_file(tensors, temporary)


def load_weights(path: Path, model: torch.nn.Module) -> None:
    """Load weights into `model`; those of trained photo encoder stages only if `model` has such stages.

    Raises:
        VibesError: the file is missing, damaged, or has the weights of another architecture.
    """
    if not path.is_file():
        raise VibesError(f"{path} is missing; train the run again.")
    try:
        weights = load_file(path)
        if getattr(model, "photo_blocks", None) is None:
            # A trained model reads photo vectors, so it has no stages.
            weights = {name: tensor for name, tensor in weights.items() if not name.startswith(PREFIX)}
        model.load_state_dict(weights)
    except SafetensorError as error:
        raise VibesError(f"{path} is damaged ({error}); train the run again.") from error
    except RuntimeError as error:
        reason = str(error).splitlines()[-1].strip()
        first, *others = reason.split(",") if "key(s)" in reason else [reason]
        if others:  # torch lists every array, which may be hundreds.
            reason = f"{first} and {len(others)} more"
        raise VibesError(
            f"{path} does not fit the configuration in run.toml ({reason}); train the run again."
        ) from error


def save_state(
    path: Path,
    model: torch.nn.Module,
    optimizer: torch.optim.Optimizer,
    extra: dict[str, torch.Tensor],
    head: dict[str, Any],
) -> None:
    """Write one file with the weights, the optimizer's moments, `extra` tensors and `head`."""
    tensors = {f"model/{name}": tensor for name, tensor in model.state_dict().items()}
    for index, state in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer/{index}/{name}": torch.as_tensor(value) for name, value in state.items()}
    tensors |= {f"extra/{name}": tensor for name, tensor in extra.items()}
    full = {name: tensor.detach().contiguous().cpu().clone() for name, tensor in tensors.items()}
    with atomic_path(path) as temporary:
        save_file(full, temporary, metadata={"head": json.dumps(head)})


def load_state(
    path: Path, model: torch.nn.Module, optimizer: torch.optim.Optimizer
) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """Restore the state that `save_state` wrote, and return the extra tensors and the head.

    Raises:
        VibesError: the file is damaged or has another configuration.
    """
    try:
        tensors = load_file(path)
        with safe_open(path, "pt") as opened:
            head = json.loads(opened.metadata()["head"])
        model.load_state_dict(_below(tensors, "model/"))
        state: dict[int, dict[str, torch.Tensor]] = {}
        for name, tensor in _below(tensors, "optimizer/").items():
            index, _, key = name.partition("/")
            state.setdefault(int(index), {})[key] = tensor
        optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
    except (SafetensorError, RuntimeError, KeyError, ValueError, TypeError) as error:
        reason = str(error).splitlines()[0]
        raise VibesError(
            f"The checkpoint {path} cannot be resumed ({reason}); remove it and train again."
        ) from error
    return _below(tensors, "extra/"), head


def _below(tensors: dict[str, torch.Tensor], prefix: str) -> dict[str, torch.Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
