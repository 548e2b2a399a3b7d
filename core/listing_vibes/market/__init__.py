"""The market folder: reading, inference of types, validation, fingerprints and splits."""
