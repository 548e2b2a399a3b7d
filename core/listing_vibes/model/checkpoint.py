"""The model that settings describe, the recipes of training, and weights and training state as safetensors and JSON, without pickle
and written atomically.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file

from listing_vibes.errors import VibesError
from listing_vibes.features.feature_config import PREFIX
from listing_vibes.market.durable import atomic_path
from listing_vibes.registry import load

if TYPE_CHECKING:
    from listing_vibes.features.tokens.vocabulary import Vocabulary
    from listing_vibes.model.model import ListingModel
    from listing_vibes.model.settings import Resolved

RECIPES = {
    "single-stage": "listing_vibes.model.checkpoint:Recipe",
    "two-stage": "listing_vibes.variants.two_stage:TwoStage",
}


class Recipe:
    """The way from the first step of a training to the last: by default all parts train until the end."""

    #: The class of the loop of steps, as "module:Class".
    optimization: ClassVar[str] = "listing_vibes.training.optimize:Optimization"

    def model(self, vocabulary: Vocabulary, model: ListingModel) -> ListingModel:
        """Return the model that the loop trains, from one with the user encoder of the settings."""
        return model


def recipe_of(settings: Resolved) -> Recipe:
    """Return the recipe of these settings."""
    recipe: Recipe = load(RECIPES[settings.training.recipe])()
    return recipe


def build_model(vocabulary: Vocabulary, settings: Resolved) -> ListingModel:
    """Return an untrained model with these `settings`."""
    from listing_vibes.model.user_encoders import USER_ENCODERS

    model = USER_ENCODERS[settings.history]().model(vocabulary, settings.encoder_config())
    return recipe_of(settings).model(vocabulary, model)


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
