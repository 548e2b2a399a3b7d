"""Sentence vectors of texts: each text once, padding without a trace, nothing for nothing."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from listing_vibes.errors import VibesError
from listing_vibes.features.texts import encoder
from listing_vibes.features.texts.encoder import TextEncoder, embed_texts, load_text_encoder
from listing_vibes.progress import Counted, Stage

ROOT = Path(__file__).resolve().parents[3]
TEXTS = [
    "A quiet room with a canopy bed",
    "Loft",
    "Large house by the sea, " * 20,
    "quiet bedroom, four-poster",
]


@pytest.fixture(scope="module")
def minilm() -> TextEncoder:
    return load_text_encoder()


class Counting(TextEncoder):
    """Remembers which texts it was asked for; fails at a chosen call."""

    def __init__(self, folder: Path, fail_at: int = 0) -> None:
        super().__init__(folder, "minilm")
        self.asked: list[str] = []
        self.calls, self.fail_at = 0, fail_at

    def encode(self, texts):
        self.calls += 1
        if self.calls == self.fail_at:
            raise KeyboardInterrupt
        self.asked += texts
        return super().encode(texts)


def test_nothing_to_read_is_a_zero_row(minilm):
    texts = ["bed", "", "  \n", None, float("nan"), pd.NA, "bed "]
    result = embed_texts(pd.Series(texts, dtype=object), encoder=minilm)
    assert result.ok.tolist() == [True, False, False, False, False, False, True]
    assert not result.vectors[1:6].any()
    np.testing.assert_array_equal(result.vectors[0], result.vectors[6])
    assert embed_texts([], encoder=minilm).vectors.shape == (0, 384)
    assert embed_texts([None], encoder=minilm).vectors.shape == (1, 384)


def test_strange_texts_have_vectors(minilm):
    texts = ["\ud800 lone surrogate", "nul \0 byte", "🏡" * 3000, "word " * 5000, "\u202eright to left", "!"]
    result = embed_texts(texts, encoder=minilm)
    assert result.ok.all()
    np.testing.assert_allclose(np.linalg.norm(result.vectors, axis=1), 1, atol=1e-5)


@pytest.mark.slow
def test_each_text_is_encoded_once_and_then_never(minilm, tmp_path):
    encoder = Counting(minilm.folder)
    first = embed_texts([*TEXTS, *TEXTS, ""], tmp_path, encoder=encoder, batch_size=2)
    assert sorted(encoder.asked) == sorted(text.strip() for text in TEXTS)
    again = embed_texts([*reversed(TEXTS), "new"], tmp_path, encoder=encoder)
    assert encoder.asked[4:] == ["new"]
    np.testing.assert_array_equal(again.vectors[:4], first.vectors[3::-1])
    assert again.encoder == first.encoder == minilm.name


def test_progress_counts_distinct_texts(minilm, tmp_path):
    calls: list[Counted | Stage] = []
    embed_texts([*TEXTS, "Loft"], tmp_path, calls.append, encoder=minilm, batch_size=3)
    assert calls[:2] == [Stage("4 texts"), Counted("texts", 0, 4)]  # before the model is loaded
    assert [(one.done, one.total) for one in calls[2:]] == [(3, 4), (4, 4)]
    assert calls[2].left > 0 == calls[3].left
    calls.clear()
    embed_texts(TEXTS, tmp_path, calls.append, encoder=minilm)
    assert calls == [Counted("texts", 4, 4, 0.0)]


@pytest.mark.slow
def test_cached_texts_need_no_torch_and_loading_is_silent(minilm, tmp_path):
    child = f"""
import sys
from listing_vibes.features.texts.encoder import embed_texts
assert embed_texts(["bed", None], {str(tmp_path)!r}).ok.tolist() == [True, False]
assert ("torch" in sys.modules) == (sys.argv[1] == "first")
"""
    for run in ("first", "second"):
        done = subprocess.run(
            [sys.executable, "-c", child, run], cwd=ROOT, check=True, capture_output=True, text=True
        )
        assert done.stdout == "" and done.stderr == ""


@pytest.fixture
def small_model(tmp_path, minilm) -> Path:
    """A model of another width in a folder of its own, with MiniLM's vocabulary."""
    from transformers import AutoTokenizer, BertConfig, BertModel

    folder = tmp_path / "my model"
    torch.manual_seed(0)
    config = BertConfig(hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16)
    BertModel(config).save_pretrained(folder)
    AutoTokenizer.from_pretrained(minilm.folder, local_files_only=True).save_pretrained(folder)
    return folder


@pytest.mark.slow
def test_any_local_model_may_be_given(small_model, minilm, tmp_path):
    encoder = load_text_encoder(small_model)
    assert encoder.width == 16 and encoder.name.startswith("my_model-")
    result = embed_texts(TEXTS, tmp_path / "cache", encoder=encoder)
    assert result.vectors.shape == (4, 16) and result.encoder == encoder.name
    assert embed_texts(TEXTS, tmp_path / "cache", encoder=minilm).vectors.shape == (4, 384)


def test_other_weights_are_another_encoder(small_model):
    from transformers import AutoModel

    before = load_text_encoder(small_model).name
    model = AutoModel.from_pretrained(small_model, local_files_only=True)
    with torch.no_grad():
        model.embeddings.word_embeddings.weight += 1
    model.save_pretrained(small_model)
    after = load_text_encoder(small_model).name
    assert before != after and before.rsplit("-", 1)[0] == after.rsplit("-", 1)[0]


def test_a_folder_without_a_model_is_one_clear_sentence(small_model, tmp_path):
    with pytest.raises(VibesError, match=r"nowhere holds no text encoder \(config\.json is missing\)"):
        load_text_encoder(tmp_path / "nowhere")
    (small_model / "model.safetensors").write_bytes(b"no weights")
    with pytest.raises(VibesError, match="cannot be loaded as a text encoder"):
        load_text_encoder(small_model).encode(["bed"])
    (small_model / "config.json").write_text(json.dumps({"model_type": "bert"}))
    with pytest.raises(VibesError, match="has no hidden_size"):
        load_text_encoder(small_model)
    (small_model / "config.json").write_text("{")
    with pytest.raises(VibesError, match=r"config\.json is not JSON"):
        load_text_encoder(small_model)


@pytest.mark.slow
def test_texts_have_the_vectors_of_transformers_in_any_company(minilm):
    from transformers import AutoModel, AutoTokenizer

    texts = [*TEXTS, "!", "naïve Straße 東京", "word " * 5000, *(f"a flat of {n} rooms" for n in range(60))]
    tokenizer = AutoTokenizer.from_pretrained(minilm.folder, local_files_only=True)
    model = AutoModel.from_pretrained(minilm.folder, local_files_only=True).eval()
    tokens = [
        tokenizer(text, truncation=True, max_length=minilm.max_tokens, return_tensors="pt") for text in texts
    ]
    with torch.inference_mode():
        pooled = torch.cat([model(**one).last_hidden_state.mean(1) for one in tokens])
    expected = torch.nn.functional.normalize(pooled, dim=1).numpy()
    vectors = minilm.encode(texts)
    assert (vectors * expected).sum(axis=1).min() > 0.999999
    np.testing.assert_allclose(minilm.encode(texts[::-7]), vectors[::-7], atol=2e-6, rtol=0)


def test_changed_weights_of_the_packaged_encoder_are_refused(tmp_path, monkeypatch):
    shutil.copytree(encoder.minilm_folder(), tmp_path / "model")
    with (tmp_path / "model" / "model.safetensors").open("r+b") as weights:
        weights.seek(-1, 2)
        weights.write(b"?")
    monkeypatch.setattr(encoder, "minilm_folder", lambda: tmp_path / "model")
    with pytest.raises(VibesError, match="expected weights file"):
        encoder.load_text_encoder()
