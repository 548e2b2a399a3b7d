"""From the numbers of a token to its vector: key + value + piecewise-linear part + set mean + photo or text."""

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from listing_vibes.features.tokens.tabular import bin_offsets, key_count, view_of_key
from listing_vibes.features.tokens.vocabulary import Vocabulary


class TokenEmbedder(nn.Module):
    """Embeds flat tokens (n,) to (n, width).

    Numbers: a vector per quantile bin plus the piecewise-linear encoding (Gorishniy et al. 2022, section 3.2.1): all
    bins below count whole, the number's own bin by its fraction. Photos and texts pass one linear layer a view (an
    encoder) that starts as the identity; a token's key says which one.
    """

    def __init__(self, vocabulary: Vocabulary, width: int) -> None:
        super().__init__()
        self.key = nn.Embedding(key_count(vocabulary), width)
        self.value = nn.Embedding(vocabulary.total, width)
        offsets = bin_offsets(vocabulary)
        sizes = {entry.name: entry.size for entry in vocabulary.attributes if entry.name in offsets}
        first = [0] + [offsets[name] for name, size in sizes.items() for _ in range(size)]
        self.first_bin: torch.Tensor
        self.slope = nn.Parameter(torch.empty(len(first), width))
        self.register_buffer("first_bin", torch.tensor(first), persistent=False)
        self.photo = nn.Linear(width, width)
        self.text = nn.Linear(width, width)
        self.more_photos = nn.ModuleList(nn.Linear(width, width) for _ in range(vocabulary.photo_views - 1))
        self.more_texts = nn.ModuleList(nn.Linear(width, width) for _ in range(vocabulary.text_views - 1))
        self.photo_view: torch.Tensor
        self.text_view: torch.Tensor
        for name, view in zip(("photo_view", "text_view"), view_of_key(vocabulary), strict=True):
            self.register_buffer(name, torch.from_numpy(view), persistent=False)
        # A value is as loud as a photo or a text, whose vectors have length 1; its key whispers.
        nn.init.normal_(self.key.weight, std=0.02)
        nn.init.normal_(self.value.weight, std=width**-0.5)
        nn.init.normal_(self.slope, std=0.5 * width**-0.5)
        for layer in (self.photo, self.text, *self.more_photos, *self.more_texts):
            nn.init.eye_(layer.weight)
            nn.init.zeros_(layer.bias)

    @torch.no_grad()
    def start_words(self, vectors: np.ndarray) -> None:
        """Word pieces start as `vectors` (V, width), those of `listing_vibes.features.tokens.wordpiece.word_vectors`."""
        self.value.weight[1 : 1 + len(vectors)] = torch.from_numpy(vectors)

    def forward(self, batch: "TokenBatch", photos: torch.Tensor, texts: torch.Tensor) -> torch.Tensor:
        """(n, width) vectors; `photos` (P, width) and `texts` (T, width) are looked up by the tokens' rows."""
        vector = self.key(batch.key)  # (n, d)
        vector = vector + self.value(batch.value) * (batch.value > 0).unsqueeze(1)
        below = F.pad(self.slope.cumsum(0), (0, 0, 1, 0))  # (bins + 1, d), row b = sum of slopes before b
        reached = (
            below[batch.bin]
            - below[self.first_bin[batch.bin]]
            + batch.fraction.unsqueeze(1) * self.slope[batch.bin]
        )
        vector = vector + reached * (batch.bin > 0).unsqueeze(1)
        if len(batch.set_member):
            vector = vector + F.embedding_bag(
                batch.set_member, self.value.weight, batch.set_offset, mode="mean", include_last_offset=True
            )
        for rows, table, layers, view in (
            (batch.photo, photos, [self.photo, *self.more_photos], self.photo_view),
            (batch.text, texts, [self.text, *self.more_texts], self.text_view),
        ):
            for number, layer in enumerate(layers):
                mine = rows >= 0 if len(layers) == 1 else (rows >= 0) & (view[batch.key] == number)
                has = mine.nonzero().squeeze(1)
                if len(has):
                    vector = vector.index_add(0, has, layer(table[rows[has]]).to(vector.dtype))
        return vector


class TokenBatch:
    """The tensors of `listing_vibes.features.sequences.Sequences` on one device."""

    def __init__(self, sequences, device: torch.device | str = "cpu") -> None:
        def tensor(array: np.ndarray) -> torch.Tensor:
            return torch.from_numpy(np.ascontiguousarray(array)).to(device)

        self.length = tensor(sequences.length)  # (B,)
        self.key, self.value, self.bin = (
            tensor(a) for a in (sequences.key, sequences.value, sequences.bin)
        )  # (n,)
        self.fraction, self.photo, self.text = (
            tensor(a) for a in (sequences.fraction, sequences.photo, sequences.text)
        )
        self.set_offset, self.set_member = (
            tensor(sequences.set_offset),
            tensor(sequences.set_member.astype(np.int64)),
        )
        size = int(sequences.length.max(initial=1))
        row = np.repeat(np.arange(len(sequences.length)), sequences.length)
        column = np.arange(len(row)) - np.repeat(
            np.cumsum(sequences.length) - sequences.length, sequences.length
        )
        self.shape = (len(sequences.length), size)  # B, S
        self.place = tensor(row * size + column)  # (n,) where each token stands in the padded batch
        self._flat = (sequences.position, sequences.item, sequences.type)
        self.device = device

    def padded(self, flat: torch.Tensor) -> torch.Tensor:
        """(n, ...) -> (B, S, ...), zeros where there is no token."""
        b, s = self.shape
        whole = flat.new_zeros((b * s, *flat.shape[1:]))
        return whole.index_copy(0, self.place, flat).view(b, s, *flat.shape[1:])

    def flat(self) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Token position, item position and token type of the flat tokens, each (n,) int64."""
        position, item, kind = (torch.from_numpy(a.astype(np.int64)).to(self.device) for a in self._flat)
        return position, item, kind

    def structure(self) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
        """mask, token position, item position and token type, each (B, S)."""
        position, item, kind = (self.padded(values) for values in self.flat())
        mask = torch.arange(self.shape[1], device=self.device)[None, :] < self.length[:, None]
        return mask, position, item, kind
