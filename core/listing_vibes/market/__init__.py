"""The market folder: read, inferred, validated, fingerprinted, split."""
