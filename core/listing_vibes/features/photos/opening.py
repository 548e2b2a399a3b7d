"""The photo encoder of a name: a frozen one, or one that a run has trained."""

from pathlib import Path

from listing_vibes.features.photos.encoder import PhotoEncoder, load_frozen
from listing_vibes.features.photos.tail import load_trained
from listing_vibes.features.photos.trainable import is_trained


def load_photo_encoder(
    name: str = "auto", weights: Path | None = None, device: str | None = None
) -> PhotoEncoder:
    """Load a photo encoder from what is on this machine.

    >>> from PIL import Image
    >>> encoder = load_photo_encoder("tf_efficientnet_lite0")
    >>> encoder.encode([Image.new("RGB", (640, 480))]).shape
    (1, 1280)

    Args:
        name: "auto" (EVA-02 where its weights are at hand, otherwise the offline default), any timm name, or
            the name that a loaded encoder gave itself.
        weights: a weights file (.safetensors, or .pth without code) for that model.
        device: see `PhotoEncoder`.

    Raises:
        VibesError: an unknown name, weights that are not at hand, or a file that does not fit the model.
    """
    return load_trained(name, weights, device) if is_trained(name) else load_frozen(name, weights, device)
