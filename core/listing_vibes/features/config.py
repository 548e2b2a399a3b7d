"""Configuration of the features: which parts of a listing and of a history the model reads, and in which form."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, ValidationInfo, field_validator, model_validator

from listing_vibes.features.photos.trainable import LITE0
from listing_vibes.features.texts.sources import TEXT_SOURCES
from listing_vibes.market.documents import Forbidding


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
    def _complete(cls, given: Any) -> Any:
        """Default to the trainable encoder where stages of an encoder are trained."""
        if isinstance(given, Mapping) and given.get("photo_train_blocks") and not given.get("photo_encoder"):
            return {**given, "photo_encoder": LITE0}
        return given

    @field_validator("photo_train_blocks")
    @classmethod
    def _check_trainable(cls, stages: int, info: ValidationInfo) -> int:
        result = info.data
        if stages and result.get("photo_encoder") != LITE0:
            raise ValueError(f"only {LITE0} can be trained; leave out photo_encoder or set this to 0")
        if stages and not result.get("photos"):
            raise ValueError("this needs a photo, and photos is 0; set it to 0 as well")
        return stages
