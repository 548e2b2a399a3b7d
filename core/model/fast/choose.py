"""Which inference path this machine and these settings call for."""

import logging
from typing import Literal

import torch

from core.model.fast.linear import onednn_packs
from core.model.fast.model import FastModel
from core.model.listing_model import ListingModel
from core.model.machine import has_bf16, keep_memory

logger = logging.getLogger(__name__)

#: "plain" is the readable model in float32; the others are the packed path in that type.
Inference = Literal["plain", "float32", "bf16"]


def chosen(asked: Inference | Literal["auto"] = "auto") -> Inference:
    """The path for `asked`: "auto" takes the fastest that this machine has, and what it lacks falls back with a log line.

    A GPU runs the readable model: the packed path is made for CPUs.
    """
    if asked == "plain" or torch.cuda.is_available() or not onednn_packs():
        if asked != "plain":
            logger.info("encoder: the readable model (a GPU, or a torch without oneDNN)")
        return "plain"
    if asked != "float32" and not has_bf16():
        logger.info("encoder: float32, since this CPU has no bfloat16 instructions")
        return "float32"
    return "bf16" if asked == "auto" else asked


def fast_model(
    model: ListingModel, asked: Inference | Literal["auto"] = "auto"
) -> tuple[ListingModel | FastModel, Inference]:
    """What to encode with, and the name of its path. The packed path has the weights of this moment."""
    path = chosen(asked)
    if path == "plain":
        return model, path
    keep_memory()
    return FastModel(model, torch.bfloat16 if path == "bf16" else torch.float32), path
