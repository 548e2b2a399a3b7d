"""The encoder: token embeddings, the Longformer, losses and checkpoints."""
