"""Pieces of furniture: each function builds one at the kit's origin, its back towards +y, its front towards -y."""
