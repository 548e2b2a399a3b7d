"""The two towers of a training step, histories and listings, as vectors with gradient; each process makes its part."""

from dataclasses import dataclass

import numpy as np
import torch
from torch.utils.checkpoint import checkpoint

from listing_vibes.market.log import ranges
from listing_vibes.model.dropout import Draw
from listing_vibes.model.embeddings import TokenBatch
from listing_vibes.model.inputs import Inputs
from listing_vibes.model.listing_model import ListingModel
from listing_vibes.model.windows import VectorBatch
from listing_vibes.training.batches import Batch
from listing_vibes.training.processes import Processes

#: Tokens of sequences of which a step keeps what the gradient needs, some 40 KB each in `mini`: those of 256 histories of
#: 512 tokens. A large market's steps have four times as many; they go in parts, each encoded anew for its gradient (Chen et al.
#: 2016, arXiv 1604.06174).
TOKENS_KEPT = 256 * 512


@dataclass(frozen=True, eq=False)
class Towers:
    """What both towers are made of in one step.

    Which tokens and which elements dropout takes follows from the seeds (31 bits) and from what a row is: the number of
    a listing or an example, the first event of a window.
    """

    model: ListingModel
    inputs: Inputs
    tables: tuple[torch.Tensor, torch.Tensor]  # photo and text vectors on the device
    seeds: tuple[int, int]  # of the histories, of the listings

    @property
    def device(self) -> torch.device:
        """Where the vectors are."""
        return self.tables[0].device

    def listings(self, rows: np.ndarray, processes: Processes) -> torch.Tensor:
        """(F, d) vectors of the bare listings `rows` (F,), of which each process encodes its part; L2-normalised."""
        own, seed = rows[processes.mine(len(rows))], self.seeds[1]
        if len(own):
            sequences = self.inputs.listings(own)
            with self._draw(own, seed).active():
                found = self.model.listings(TokenBatch(sequences, self.device), *self.tables)
        else:
            found = self.tables[0].new_zeros((0, self.model.longformer.config.width))
        return processes.gather(found.float(), len(rows))

    def histories(
        self, batch: Batch, rows: np.ndarray | None = None, vectors: torch.Tensor | None = None
    ) -> torch.Tensor:
        """(E, d) the vector of each example's history, L2-normalised.

        "listing-vectors" reads `vectors` (U, d), those of the listings `rows` (U,), among them all of the histories.
        """
        inputs, device, first, end, seed = self.inputs, self.device, batch.first, batch.end, self.seeds[0]
        if not len(batch):
            return self.tables[0].new_zeros((0, self.model.longformer.config.width))
        if self.model.reads == "sequence":
            parts = _parts(inputs.history_lengths(first, end), TOKENS_KEPT)
            if len(parts) == 1:
                return self._sequences(batch.rows, first, end)
            encoded = [
                checkpoint(self._sequences, batch.rows[part], first[part], end[part], use_reentrant=False)
                for part in parts
            ]
            return torch.cat(encoded)
        assert rows is not None and vectors is not None
        windows = VectorBatch.of(inputs, first, end, self._place_of(rows), device)
        with self._draw(first, seed).active():
            found = self.model.prefixes(windows, vectors).float()  # (R, d)
        return found[torch.from_numpy(batch.place).to(device)]

    def _sequences(self, rows: np.ndarray, first: np.ndarray, end: np.ndarray) -> torch.Tensor:
        """(E, d) the vector of each example `rows` (E,) whose history `first:end` is one sequence of tokens."""
        seed = self.seeds[0]
        sequences = self.inputs.histories(first, end)
        with self._draw(rows, seed).active():
            return self.model(TokenBatch(sequences, self.device), *self.tables).float()

    def events(self, batch: Batch, rows: np.ndarray, vectors: torch.Tensor) -> torch.Tensor:
        """(R, d) the vector of each event's listing, of `vectors` (U, d), those of the listings `rows` (U,)."""
        event = ranges(batch.first, batch.end - batch.first)  # (R,)
        place = self._place_of(rows)[self.inputs.listing[event]]
        return vectors[torch.from_numpy(place.astype(np.int64)).to(vectors.device)]

    def _place_of(self, rows: np.ndarray) -> np.ndarray:
        """(L,) where each listing stands in `rows` (U,), -1: nowhere."""
        number = np.full(self.inputs.features.tokens.listings, -1, np.int32)
        number[rows] = np.arange(len(rows), dtype=np.int32)
        return number

    def _draw(self, rows: np.ndarray, seed: int) -> Draw:
        return Draw(torch.from_numpy(rows.astype(np.int32)), seed)


def _parts(lengths: np.ndarray, tokens: int) -> list[slice]:
    """Runs of sequences of `lengths` (E,), each of at most `tokens` where all are padded to the longest, or of one sequence."""
    each = max(1, tokens // max(1, int(lengths.max())))
    return [slice(low, low + each) for low in range(0, len(lengths), each)]
