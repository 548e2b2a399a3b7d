"""Export of a model as graphs."""

import os

# Otherwise onnxruntime stores a device id in the user's cache and reports its use.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
