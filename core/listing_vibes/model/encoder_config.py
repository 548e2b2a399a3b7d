"""The sizes of an encoder, and the five presets."""

from pydantic import Field, model_validator

from listing_vibes.market.documents import Forbidding


class EncoderConfig(Forbidding):
    """Sizes of a `listing_vibes.model.model.ListingEncoder`.

    `window` is the full attention window as in `transformers`: a token attends to `window // 2` tokens on
    either side and itself. It is one even number for all layers, or one per layer. `max_items` is the number of
    item positions: 0 for a token of no item, such as `[CLS]`, 1 for the newest listing of a history, 2 for the
    one before it. Raises pydantic's `ValidationError` on inconsistent sizes and on unknown keys.
    """

    # The upper bounds only reject damaged files, which could have a billion layers.
    layers: int = Field(gt=0, le=1000)
    width: int = Field(gt=0, le=2**16)
    heads: int = Field(gt=0, le=2**16)
    ffn: int = Field(gt=0, le=2**20)
    window: int | tuple[int, ...] = 64
    dropout: float = Field(default=0.1, ge=0, lt=1)
    # 0 by default, since torch has no fast CPU attention with dropout. It exists so that conversions are lossless.
    attention_dropout: float = Field(default=0.0, ge=0, lt=1)
    max_tokens: int = Field(default=1024, gt=0, le=2**24)
    max_items: int = Field(default=51, gt=0, le=2**24)
    token_types: int = Field(default=4, gt=0, le=1000)
    layer_norm_eps: float = Field(default=1e-5, gt=0)

    @property
    def windows(self) -> tuple[int, ...]:
        """Return the window of each layer."""
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
