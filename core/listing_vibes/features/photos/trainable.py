"""The photo encoder that can train with the model, and the names of its trained weights and vectors."""

import re
from pathlib import Path

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
