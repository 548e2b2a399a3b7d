"""Configuration of the features: which parts of a listing and of a history the model reads, and in which form; and the photo encoder
that can train with the model, with the names of its trained weights and vectors.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, ValidationInfo, field_validator, model_validator

from listing_vibes.features.texts.sources import TEXT_SOURCES
from listing_vibes.market.documents import Forbidding

#: The photo encoder that is always available, that has the ImageNet classes, and whose last stages can be trained.
LITE0 = "tf_efficientnet_lite0"
#: The prefix of the trained stages' weights in a run's `model.safetensors`.
PREFIX = "photo_blocks."
STORED = re.compile(rf"{LITE0}-tail(\d)-\d+-[0-9a-f]{{8}}")


def is_trained(name: str) -> bool:
    """Return whether a photo encoder's name is that of stages trained by a run."""
    return STORED.fullmatch(name) is not None


def trained_weights(run: Path, name: str) -> Path | None:
    """Return the file in the run folder `run` with the weights of the encoder `name`; None for an encoder that training leaves as it is."""
    return run / "model.safetensors" if is_trained(name) else None


class FeatureConfig(Forbidding):
    """The table `[features]` of a configuration file."""

    tokenisation: Literal["tabular", "wordpiece"] = "tabular"
    attributes: bool = True

    photos: int = Field(4, ge=0, le=32, description="photo tokens a listing, 0 = none, 1 = the cover")
    photo_encoder: str = Field("", description="empty = what --encoder says")
    photo_train_blocks: int = Field(
        0, ge=0, le=3, description="last stages of EfficientNet-Lite0 that train with the model; 0 = frozen"
    )

    text: bool = True  # tokens with the sentence vectors of each text attribute
    text_encoder: Annotated[str, AfterValidator(TEXT_SOURCES.known)] = "minilm-whitened"
    words: bool = True  # tabular: the set of known words of each text attribute

    vectors: bool = True  # tokens of the market's precomputed vectors, where market.toml has `tokens = true`

    meta: bool = True  # action and duration tokens in histories

    @model_validator(mode="before")
    @classmethod
    def _complete(cls, table: Any) -> Any:
        """Default to the trainable encoder where stages of an encoder are trained."""
        if isinstance(table, Mapping) and table.get("photo_train_blocks") and not table.get("photo_encoder"):
            return {**table, "photo_encoder": LITE0}
        return table

    @field_validator("photo_train_blocks")
    @classmethod
    def _check_trainable(cls, stages: int, info: ValidationInfo) -> int:
        result = info.data
        if stages and result.get("photo_encoder") != LITE0:
            raise ValueError(f"only {LITE0} can be trained; leave out photo_encoder or set this to 0")
        if stages and not result.get("photos"):
            raise ValueError("this needs a photo, and photos is 0; set it to 0 as well")
        return stages
