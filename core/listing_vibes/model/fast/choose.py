"""Which inference path this device and these settings call for."""

import logging
from dataclasses import dataclass
from typing import Any, Literal

import torch

from listing_vibes.device import device, device_of, half, multiplies_bf16
from listing_vibes.model.fast.model import FastModel
from listing_vibes.model.listing_model import ListingModel
from listing_vibes.packed.linear import onednn_packs
from listing_vibes.packed.machine import keep_memory

logger = logging.getLogger(__name__)

#: What may be asked for: the fastest, the readable model in float32, or a type.
Asked = Literal["auto", "plain", "float32", "bf16"]
TYPES = {torch.float32: "float32", torch.bfloat16: "bf16", torch.float16: "fp16"}


@dataclass(frozen=True)
class Inference:
    """A way to encode.

    Attributes:
        name: kept with what it encoded, since two paths round differently: "plain", "float32" or "bf16" on a CPU, and on
            another device its name, too ("cuda-bf16", "cuda-fp16", "cuda-float32").
        dtype: of the matrix products.
        packed: by the packed rows of `listing_vibes.model.fast`, which are made for CPUs; else by the readable model.
    """

    name: str
    dtype: torch.dtype = torch.float32
    packed: bool = False

    @property
    def options(self) -> dict[str, Any]:
        """What `listing_vibes.model.encoder.encode` is told."""
        return {"dtype": None if self.packed or self.dtype is torch.float32 else self.dtype}


def chosen(asked: Asked = "auto", where: torch.device | None = None) -> Inference:
    """The path for `asked`: "auto" takes the fastest there, and what is lacking falls back with a log line.

    A CPU has the packed path, in bfloat16 where it multiplies that quicker than float32, or where "bf16" is asked for and it
    has the instructions (workers that must agree may be of several kinds). Other devices run the readable model, in their 16-bit
    type by autocast, with torch's fused attention.
    """
    where = device() if where is None else where
    dtype = None if asked in ("plain", "float32") else half(where)
    if where.type != "cpu":
        if dtype is None and asked in ("auto", "bf16"):
            logger.info("encoder: float32, since %s multiplies in no 16-bit type", where)
        dtype = dtype or torch.float32
        return Inference(f"{where.type}-{TYPES[dtype]}", dtype)
    if asked == "plain" or not onednn_packs():
        if asked != "plain":
            logger.info("encoder: the readable model (a torch without oneDNN)")
        return Inference("plain")
    if asked == "bf16" and multiplies_bf16():
        dtype = torch.bfloat16
    if asked != "float32" and dtype is None:
        logger.info("encoder: float32, since this CPU does not multiply bfloat16 quicker")
    return Inference("float32", packed=True) if dtype is None else Inference("bf16", dtype, packed=True)


def fast_model(model: ListingModel, asked: Asked = "auto") -> tuple[ListingModel | FastModel, Inference]:
    """What to encode with, where `model` is, and its path. The packed path has the weights of this moment."""
    path = chosen(asked, device_of(model))
    if not path.packed:
        return model, path
    keep_memory()
    return FastModel(model, path.dtype), path
