"""Search photos by text with ImageNet classes as vectors of words: ConSE (Norouzi et al. 2014, arXiv 1312.5650).

The vector of a photo is the mean of the sentence vectors of its most likely classes, weighted by their probability. So photos
can be searched by text although their encoder never saw a text. The search is approximate: what none of the thousand classes
resembles ("swimming pool") cannot be found.
"""

import zipfile
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from listing_vibes.features.texts.text_encoder import TextEncoder
from listing_vibes.market.durable import atomic_path

if TYPE_CHECKING:
    from listing_vibes.features.photos.photo_encoder import PhotoEncoder

TOP = 10  # classes stored for each photo, as in the paper
CHUNK = 4096  # photos classified at a time
#: The minimum probability of a class that a photo clearly shows, and the minimum number and share of such photos.
CLEAR, SEVERAL, COMMON = 0.3, 3, 0.02


@dataclass(frozen=True, eq=False)
class Looks:
    """P photos in the order of a market's table, each with T classes, the most likely first; U distinct classes."""

    classes: np.ndarray  # (P, T) int16, into `names`
    shares: np.ndarray  # (P, T) float16 probabilities, all zero for a photo that could not be read
    names: np.ndarray  # (U,) str
    words: np.ndarray  # (U, d) float16, sentence vectors of the names
    text_encoder: np.ndarray  # (1,) str, the encoder of `words`

    @cached_property
    def ok(self) -> np.ndarray:
        """(P,) bool, whether the photo has classes."""
        return np.asarray(np.any(self.shares > 0, axis=1))

    def similarity(self, query: np.ndarray) -> np.ndarray:
        """Return (P,) float32: the cosine of every photo to a text's vector (d,); -1 for photos without classes."""
        neighbors = self.words.astype(np.float32) @ query  # (U,)
        score = (self.shares.astype(np.float32) * neighbors[self.classes]).sum(axis=1) / self._norm
        return np.where(self.ok, score, -1).astype(np.float32)

    def seen(self, photos: np.ndarray, query: np.ndarray, most: int = 2) -> list[str]:
        """Return the names of the classes of each of `photos` (n,) that contribute most to its similarity to a text's vector (d,)."""
        alike = np.maximum(self.words.astype(np.float32) @ query, 0)  # (U,)
        weight = self.shares[photos].astype(np.float32) * alike[self.classes[photos]]  # (n, T)
        best = np.argsort(-weight, axis=1, kind="stable")[:, :most]
        names = self.names[np.take_along_axis(self.classes[photos], best, axis=1)]
        present = np.take_along_axis(weight, best, axis=1) > 0
        return [", ".join(row[mask]) for row, mask in zip(names, present, strict=True)]

    def frequent(self, most: int) -> list[str]:
        """Return the classes that at least `COMMON` of the photos clearly show, the most frequent first, as texts to search for."""
        photos = np.bincount(self.classes[self.shares >= CLEAR], minlength=len(self.names))
        order = np.argsort(-photos, kind="stable")[:most]
        return [str(self.names[at]) for at in order if photos[at] >= max(SEVERAL, COMMON * self.ok.sum())]

    @cached_property
    def _norm(self) -> np.ndarray:
        """(P,) length of each photo's mean vector, 1 for photos without classes."""
        words, norm = self.words.astype(np.float32), np.ones(len(self.classes), np.float32)
        for first in range(0, len(norm), CHUNK):
            rows = slice(first, first + CHUNK)
            mean = np.einsum("pt,ptd->pd", self.shares[rows].astype(np.float32), words[self.classes[rows]])
            norm[rows] = np.linalg.norm(mean, axis=1)
        return np.where(self.ok, np.maximum(norm, 1e-9), 1)


def class_names() -> list[str]:
    """Return the thousand ImageNet classes, each with its synonyms and definition: `four-poster: a bed with posts at ...`.

    With only the names, as in the paper, "canopy bed" is more similar to "studio couch" than to "four-poster".
    """
    from timm.data import ImageNetInfo

    info = ImageNetInfo()
    return [str(info.index_to_description(number, detailed=True)) for number in range(info.num_classes())]


def classify_photos(vectors: np.ndarray, ok: np.ndarray, encoder: "PhotoEncoder", text: TextEncoder) -> Looks:
    """Classify photos with `vectors` (P, w) by `encoder`; `ok` (P,) marks the valid ones.

    Raises:
        VibesError: the encoder has no ImageNet classes.
    """
    classes, shares = np.zeros((len(ok), TOP), np.int16), np.zeros((len(ok), TOP), np.float16)
    usable = np.flatnonzero(ok)
    for first in range(0, len(usable), CHUNK):
        rows = usable[first : first + CHUNK]
        likely = encoder.classify(vectors[rows])  # (n, 1000)
        best = np.argsort(-likely, axis=1, kind="stable")[:, :TOP]
        classes[rows], shares[rows] = best, np.take_along_axis(likely, best, axis=1)
    seen = np.unique(classes[usable])
    every = class_names()
    names = [every[number] for number in seen]
    short = np.array([name.split(":")[0].split(",")[0] for name in names], dtype=str)
    numbers = np.searchsorted(seen, classes).clip(max=max(len(seen) - 1, 0)).astype(np.int16)
    words = text.encode(names).astype(np.float16)
    return Looks(numbers, shares, short, words, np.array([text.name]))


def save_looks(looks: Looks, file: Path, fingerprint: str) -> None:
    """Write `looks` with the fingerprint of their photos."""
    arrays = {field.name: getattr(looks, field.name) for field in fields(looks)}
    with atomic_path(file) as temporary, temporary.open("wb") as stream:
        np.savez_compressed(stream, fingerprint=np.array([fingerprint]), **arrays)


def load_looks(file: Path, fingerprint: str) -> Looks | None:
    """Load what `save_looks` wrote; None where the file is missing, damaged, or for other photos."""
    try:
        with np.load(file, allow_pickle=False) as stored:
            if str(stored["fingerprint"][0]) != fingerprint:
                return None
            return Looks(**{field.name: stored[field.name] for field in fields(Looks)})
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None
