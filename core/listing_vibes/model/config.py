"""The shape of an encoder, and the five shapes that ship with the project."""

from pydantic import BaseModel, ConfigDict, Field, model_validator


class EncoderConfig(BaseModel):
    """Sizes of a `listing_vibes.model.model.ListingEncoder`.

    `window` is the whole attention window as `transformers` counts it: a token sees `window // 2` tokens on
    either side and itself. One even number for all layers, or one a layer. `max_items` is the number of
    item positions: 0 for a token that belongs to no item, like `[CLS]`, 1 for the newest listing of a
    history, 2 for the one before it. Raises pydantic's `ValidationError` on sizes that do not fit together
    and on unknown keys.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    # Bounds above are far beyond what anybody trains: a damaged file must not ask for a billion layers.
    layers: int = Field(gt=0, le=1000)
    width: int = Field(gt=0, le=2**16)
    heads: int = Field(gt=0, le=2**16)
    ffn: int = Field(gt=0, le=2**20)
    window: int | tuple[int, ...] = 64
    dropout: float = Field(default=0.1, ge=0, lt=1)
    # Off by default: torch has no fast CPU attention with dropout. Here so that conversions lose nothing.
    attention_dropout: float = Field(default=0.0, ge=0, lt=1)
    max_tokens: int = Field(default=1024, gt=0, le=2**24)
    max_items: int = Field(default=51, gt=0, le=2**24)
    token_types: int = Field(default=4, gt=0, le=1000)
    layer_norm_eps: float = Field(default=1e-5, gt=0)

    @property
    def windows(self) -> tuple[int, ...]:
        """The window of each layer."""
        return self.window if isinstance(self.window, tuple) else (self.window,) * self.layers

    @model_validator(mode="after")
    def _sizes_fit(self) -> "EncoderConfig":
        if self.width % self.heads:
            raise ValueError(
                f"width {self.width} is not a multiple of heads {self.heads}; change one of them"
            )
        if len(self.windows) != self.layers:
            raise ValueError(
                f"window names {len(self.windows)} layers, layers is {self.layers}; give one number"
            )
        for window in self.windows:
            if window < 2 or window % 2:
                raise ValueError(
                    f"window {window} is not an even number of at least 2; use {max(2, window + 1)}"
                )
        return self


PRESETS: dict[str, EncoderConfig] = {
    "tiny": EncoderConfig(layers=2, width=128, heads=2, ffn=512, window=64),
    "mini": EncoderConfig(layers=2, width=256, heads=4, ffn=512, window=64),
    "small": EncoderConfig(layers=4, width=256, heads=4, ffn=1024, window=64),
    # The shapes of allenai/longformer-base-4096 and -large-4096.
    "base": EncoderConfig(layers=12, width=768, heads=12, ffn=3072, window=512, max_tokens=4096),
    "large": EncoderConfig(layers=24, width=1024, heads=16, ffn=4096, window=512, max_tokens=4096),
}
