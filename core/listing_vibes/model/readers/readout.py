"""Tokens in blocks, each read out."""

from listing_vibes.model.readers import Reader


class Readout(Reader):
    """Oldest listing first, each with a `[CLS]` of its own."""

    reads = "blocks"
    sentence = "the listings' tokens oldest first through the Longformer, each prefix embedded in one pass"
