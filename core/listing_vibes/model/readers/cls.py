"""One sequence of all tokens."""

from listing_vibes.model.readers import Reader


class Cls(Reader):
    """The `[CLS]` of one sequence, newest listing first (Recformer, Li et al. 2023)."""

    reads = "sequence"
    sentence = "one sequence of all its listings' tokens, newest first, through the Longformer"
