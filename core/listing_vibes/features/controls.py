"""Content without meaning: what shuffled or random content still gives is worth of a fingerprint, not of content.

A model may recognise a listing by its photo without seeing anything on it. Beside a model that is told another
listing's photos, or random vectors, the share that real content has in a figure shows.
"""

import hashlib

import numpy as np
import pandas as pd


def donors(has: np.ndarray, seed: int) -> np.ndarray:
    """Whose content each listing is told: (L,) int64 rows, a cycle through all listings with content in random order.

    Nobody keeps its own (where two have content), and who has no content keeps none.

    has: (L,) bool, whether a listing has content.
    """
    donor = np.arange(len(has))
    order = np.random.default_rng([seed, 11]).permutation(np.flatnonzero(has))
    donor[order] = np.roll(order, 1)
    return donor


def random_like(vectors: np.ndarray, seed: int) -> np.ndarray:
    """Random directions with the norms of `vectors` (N, width), float32; equal rows stay equal."""
    rows = np.ascontiguousarray(vectors, np.float32)
    if not len(rows):
        return rows
    _, same = np.unique(rows.view(np.dtype((np.void, rows.itemsize * rows.shape[1]))), return_inverse=True)
    drawn = np.random.default_rng([seed, 12]).standard_normal((int(same.max()) + 1, rows.shape[1]))
    drawn /= np.linalg.norm(drawn, axis=1, keepdims=True)
    return (drawn[same.ravel()] * np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def shuffled_texts(listings: pd.DataFrame, names: list[str], seed: int) -> pd.DataFrame:
    """`listings` with the text columns `names` of another listing each, all of one and the same listing."""
    names = [name for name in names if name in listings]
    if not names:
        return listings
    donor = donors(listings[names].notna().any(axis=1).to_numpy(), seed)
    return listings.assign(**{name: listings[name].to_numpy()[donor] for name in names})


def random_texts(listings: pd.DataFrame, names: list[str], known: list[str], seed: int) -> pd.DataFrame:
    """`listings` with as many random words of `known` instead of each text; equal texts stay equal."""

    def drawn(text: object) -> object:
        if not isinstance(text, str) or not known:
            return None
        digest = hashlib.blake2b(f"{seed} {text}".encode("utf-8", "replace"), digest_size=8).digest()
        rng = np.random.default_rng(int.from_bytes(digest))
        return " ".join(known[place] for place in rng.integers(len(known), size=len(text.split())))

    kept = {name: [drawn(text) for text in listings[name]] for name in names if name in listings}
    return listings.assign(**{name: pd.Series(texts, listings.index, object) for name, texts in kept.items()})


def permuted(events: int, seed: int) -> np.ndarray:
    """(N,) int64 which event's action and duration each of N events is told with."""
    return np.random.default_rng([seed, 13]).permutation(events)
