"""A sentence encoder adapted to the market: MiniLM pre-trained further on the market's texts.

Masked language modeling (Devlin et al. 2019, arXiv 1810.04805) for a few hundred steps before the encoder is frozen
("Don't Stop Pretraining", Gururangan et al. 2020, arXiv 2004.10964). The weights are cached next to the text vectors of
the market and in the run, so that it opens without that market.
"""

import hashlib
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from listing_vibes.errors import VibesError
from listing_vibes.features.texts.sources import TextSource
from listing_vibes.features.texts.text_encoder import (
    TextEncoder,
    embed_texts,
    load_text_encoder,
    minilm_folder,
)
from listing_vibes.features.vector_cache import MEMORY
from listing_vibes.market.durable import atomic_path
from listing_vibes.progress import Counted, Report, silent

NAME = "own-bert"
BATCH, TOKENS = 32, 64  # texts per step, word pieces per text
RATE, MASKED = 5e-5, 0.15
STEPS, SEED = 300, 0
IGNORED = -100  # label of a piece that is not masked
WEIGHTS = "model.safetensors"


@dataclass(frozen=True, eq=False)
class OwnBert(TextSource):
    """The adapted encoder."""

    key: str  # hash of its training texts and settings; part of its cache folder's name
    weights: dict[str, np.ndarray]  # float16 by name

    @classmethod
    def fit(cls, texts: Sequence[str], width: int, cache: Path, report: Report = silent) -> "OwnBert":
        """Train on the distinct `texts`, or load the result of the same training from the cache."""
        from safetensors.numpy import load_file

        if cache == MEMORY:
            raise VibesError(
                "The text encoder own-bert keeps its weights beside the market, which is in memory; write it with market.save(FOLDER) first."
            )
        base = load_text_encoder()
        texts = sorted(text for text in texts if text.strip())
        if not texts:
            raise VibesError("There is no text to train own-bert on; set features.text to false.")
        parts = f"{base.name} {STEPS} {SEED} {BATCH} {TOKENS} {RATE} {MASKED}\0" + "\0".join(texts)
        key = hashlib.sha256(parts.encode("utf-8", "replace")).hexdigest()[:16]
        cached = _folder(cache, key) / WEIGHTS
        return cls(key, load_file(cached) if cached.is_file() else _train(base, texts, report))

    def vectors(self, texts: Sequence[str], cache: Path, report: Report = silent) -> np.ndarray:
        """Return (N, 384) float32, mean-pooled and L2-normalized."""
        return embed_texts(texts, cache, report, self._encoder(cache))

    def state(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        return {"key": self.key}, self.weights

    @classmethod
    def restore(cls, head: dict[str, Any], arrays: dict[str, np.ndarray]) -> "OwnBert":
        return cls(head["key"], arrays)

    def _encoder(self, cache: Path) -> TextEncoder:
        """Return the encoder from its folder in `cache`, which is created if necessary."""
        from safetensors.numpy import save_file

        folder = _folder(cache, self.key)
        if not (folder / WEIGHTS).is_file():
            folder.mkdir(parents=True, exist_ok=True)
            for file in minilm_folder().iterdir():
                if file.suffix in (".json", ".txt"):
                    shutil.copyfile(file, folder / file.name)
            with atomic_path(
                folder / WEIGHTS
            ) as temporary:  # last, so that a folder with weights is complete
                save_file(self.weights, temporary, metadata={"format": "pt"})
        return TextEncoder(folder, NAME)


def _folder(cache: Path, key: str) -> Path:
    return cache / f"{NAME}-{key}.model"


def _train(base: TextEncoder, texts: list[str], report: Report) -> dict[str, np.ndarray]:
    """Return float16 weights after `STEPS` steps."""
    import torch
    from transformers import (
        AutoModelForMaskedLM,
        AutoTokenizer,
        DataCollatorForLanguageModeling,
        get_linear_schedule_with_warmup,
    )

    from listing_vibes.device import device, seeded

    with seeded(SEED):
        tokenizer = AutoTokenizer.from_pretrained(base.folder, local_files_only=True)
        collate = DataCollatorForLanguageModeling(tokenizer, mlm_probability=MASKED)
        model = AutoModelForMaskedLM.from_pretrained(base.folder, local_files_only=True, dtype=torch.float32)
        model.train().to(device())
        optimizer = torch.optim.AdamW(model.parameters(), lr=RATE, weight_decay=0.01)
        rates = get_linear_schedule_with_warmup(optimizer, max(1, STEPS // 10), STEPS)
        rng = np.random.default_rng([SEED, 21])
        cut = {"truncation": True, "max_length": TOKENS, "return_special_tokens_mask": True}
        for step in range(STEPS):
            rows = rng.integers(len(texts), size=BATCH)
            batch = collate([tokenizer(texts[row], **cut) for row in rows])
            masked_loss(model, batch.to(device())).backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
            rates.step()
            report(Counted("training own-bert", step + 1, STEPS))
    state = model.base_model.state_dict()
    return {name: tensor.detach().cpu().half().numpy() for name, tensor in state.items()}


def masked_loss(model: Any, batch: Any) -> Any:
    """Return the mean cross-entropy of the masked pieces of a collated batch, 0 where none is masked."""
    from torch.nn.functional import cross_entropy

    hidden = batch["labels"] != IGNORED  # (B, T)
    states = model.base_model(
        input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]
    ).last_hidden_state  # (B, T, 384)
    # The model's loss would compute the 30,000-way scores of all pieces: seven times the work.
    scores = model.cls(states[hidden])  # (m, V)
    return cross_entropy(scores.float(), batch["labels"][hidden], reduction="sum") / hidden.sum().clamp(min=1)
