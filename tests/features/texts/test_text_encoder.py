"""Sentence vectors of texts: each text once, padding without effect, and zero for nothing."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer

from listing_vibes.errors import VibesError
from listing_vibes.features.texts import text_encoder
from listing_vibes.features.texts.sources.tfidf import Tfidf
from listing_vibes.features.texts.text_encoder import TextEncoder, embed_texts, load_text_encoder
from listing_vibes.progress import Counted
from listing_vibes.variants import own_bert
from listing_vibes.variants.own_bert import OwnBert

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
    """Records the texts that it encodes."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, "minilm")
        self.encoded: list[str] = []

    def encode(self, texts):
        self.encoded += texts
        return super().encode(texts)


def test_blank_texts_are_zero_and_strange_ones_have_vectors(minilm, tmp_path):
    texts = ["bed", "", "  \n", None, float("nan"), pd.NA, "bed "]
    vectors = embed_texts(pd.Series(texts, dtype=object), tmp_path, encoder=minilm)
    assert not vectors[1:6].any() and vectors[0].any()
    np.testing.assert_array_equal(vectors[0], vectors[6])
    assert embed_texts([], tmp_path, encoder=minilm).shape == (0, 384)
    strange = ["\ud800 lone surrogate", "nul \0 byte", "🏡" * 3000, "word " * 5000, "\u202eleft", "!"]
    np.testing.assert_allclose(
        np.linalg.norm(embed_texts(strange, tmp_path, encoder=minilm), axis=1), 1, atol=1e-5
    )


def test_each_text_is_encoded_once_and_then_never(minilm, tmp_path, monkeypatch):
    monkeypatch.setattr(text_encoder, "WRITTEN", 3)
    counting, calls = Counting(minilm.folder), []
    first = embed_texts([*TEXTS, *TEXTS, ""], tmp_path, calls.append, counting)
    assert sorted(counting.encoded) == sorted(text.strip() for text in TEXTS)
    assert calls == [Counted("texts", done, 4) for done in (0, 3, 4)]  # the first before the model is loaded
    again = embed_texts([*reversed(TEXTS), "new"], tmp_path, encoder=counting)
    assert counting.encoded[4:] == ["new"]
    np.testing.assert_array_equal(again[:4], first[3::-1])


@pytest.mark.slow
def test_cached_texts_need_no_torch_and_loading_is_silent(minilm, tmp_path, capfd):
    embed_texts(["bed"], tmp_path, encoder=TextEncoder(minilm.folder, "minilm"))
    assert capfd.readouterr() == ("", "")
    child = f"""
import sys
from listing_vibes.features.texts.text_encoder import embed_texts
assert embed_texts(["bed", None], {str(tmp_path)!r}).any(axis=1).tolist() == [True, False]
assert "torch" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", child], cwd=ROOT, check=True)


@pytest.mark.slow
def test_texts_have_the_vectors_of_transformers_in_any_batch(minilm):
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


def test_changed_weights_are_another_encoder_and_refused_in_the_package(minilm, tmp_path, monkeypatch):
    shutil.copytree(text_encoder.minilm_folder(), tmp_path / "model")
    with (tmp_path / "model" / "model.safetensors").open("r+b") as weights:
        weights.seek(-1, 2)
        weights.write(b"?")
    monkeypatch.setattr(text_encoder, "minilm_folder", lambda: tmp_path / "model")
    with pytest.raises(VibesError, match="expected weights file"):
        text_encoder.load_text_encoder()
    other = TextEncoder(tmp_path / "model", "minilm").name
    assert other.startswith("minilm-") and other != minilm.name  # never compared


TITLES = [
    "Lamp LX-200 brass",
    "Lamp LX-210 brass",
    "quiet flat by the harbour",
    "quiet flat by the old harbour",
    "sofa bed, red red red",
    "sofa bed, blue",
]


def test_it_equals_scikit_learn_is_restored_and_puts_similar_letters_near():
    letters = TfidfVectorizer(analyzer="char_wb", ngram_range=(3, 5), sublinear_tf=True, dtype=np.float32)
    words = TfidfVectorizer(sublinear_tf=True, dtype=np.float32)
    both = np.hstack([maker.fit_transform(TITLES).toarray() for maker in (words, letters)])
    expected = TruncatedSVD(5, random_state=0).fit(both).transform(both)
    view = Tfidf.fit(TITLES, 5)
    vectors = view.vectors([*TITLES, "LX-220"])
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.abs(vectors[:6]), np.abs(expected), atol=1e-4)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    assert vectors[6] @ vectors[0] > 0.3 > vectors[6] @ vectors[2]
    head, arrays = view.state()
    again = Tfidf.restore(json.loads(json.dumps(head)), arrays)
    np.testing.assert_array_equal(again.vectors(TITLES), view.vectors(TITLES))


def test_unknown_and_wordless_texts_are_zero():
    view = Tfidf.fit(TITLES, 3)
    assert not view.vectors(["", "%%%", "ÿÿÿ"]).any() and view.vectors([]).shape == (0, 3)
    nothing = Tfidf.fit(["", " "], 3)
    assert Tfidf.restore(*nothing.state()).vectors(["lamp"]).shape == (1, 1)
    assert Tfidf.fit(["a b", "c d e"], 3).vectors(["a b"]).any()  # no word of two letters, but n-grams


MARKET_TEXTS = [
    f"The {place} flat number {n} has a zorbel oven" for n in range(6) for place in ("harbour", "park")
]


@pytest.mark.slow
def test_it_is_trained_by_seed_once_and_restored_by_a_run(tmp_path, monkeypatch):
    monkeypatch.setattr(own_bert, "STEPS", 2)
    seen: list = []
    view = OwnBert.fit(MARKET_TEXTS, 8, tmp_path / "a", seen.append)
    assert [(one.done, one.total) for one in seen] == [(1, 2), (2, 2)]
    vectors, plain = view.vectors(MARKET_TEXTS, tmp_path / "a"), load_text_encoder().encode(MARKET_TEXTS)
    assert vectors.shape == (12, 384) and 0.3 < (plain * vectors).sum(axis=1).mean() < 0.99999
    again = OwnBert.fit(MARKET_TEXTS[::-1], 8, tmp_path / "b")
    assert again.key == view.key
    for name, weights in view.weights.items():
        np.testing.assert_array_equal(again.weights[name], weights)
    monkeypatch.setattr(
        "transformers.AutoModelForMaskedLM.from_pretrained", None
    )  # training again would fail
    cached = OwnBert.fit(MARKET_TEXTS, 8, tmp_path / "a")
    head, arrays = view.state()
    for other in (cached, OwnBert.restore(head, arrays)):
        np.testing.assert_array_equal(other.vectors(MARKET_TEXTS, tmp_path / "a"), vectors)
    with pytest.raises(VibesError, match="own-bert"):
        OwnBert.fit(["", "  "], 8, tmp_path)
