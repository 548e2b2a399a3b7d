"""Starting from a published Longformer: a folder as `transformers` writes it, without network."""

import pytest
import torch
import transformers

from listing_vibes.errors import VibesError
from listing_vibes.model.config import EncoderConfig
from listing_vibes.model.longformer import Longformer
from listing_vibes.model.pretrained import start_from

SIZES = {"layers": 2, "width": 32, "heads": 2, "ffn": 64, "window": 16, "max_tokens": 60}


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    """As allenai/longformer-* is: one token type, a masked-language-model head, more positions than we need."""
    path = tmp_path_factory.mktemp("hub") / "longformer"
    torch.manual_seed(4)
    config = transformers.LongformerConfig(
        attention_window=8,
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=82,
        type_vocab_size=1,
        vocab_size=30,
    )
    model = transformers.LongformerForMaskedLM(config).eval()
    model.save_pretrained(path, safe_serialization=True)
    return path, model.longformer


def test_the_encoder_computes_what_the_published_model_does(published):
    path, theirs = published
    ours = Longformer(EncoderConfig(**SIZES, dropout=0.0)).eval()
    items = ours.item_position.weight.clone()
    start_from(path, ours)
    tokens, mask = torch.randn(1, 8, 32), torch.ones(1, 8, dtype=torch.bool)
    with torch.no_grad():
        expected = theirs(
            inputs_embeds=tokens,
            attention_mask=mask.long(),
            global_attention_mask=torch.tensor([[1] + [0] * 7]),
        ).last_hidden_state
        # The window is ours; on rows that both windows hold whole (distance up to 4) there is no difference.
        near = Longformer(EncoderConfig(**{**SIZES, "window": 8}, dropout=0.0)).eval()
        start_from(path, near)
        torch.testing.assert_close(
            near(tokens, mask, token_type=torch.full((1, 8), 3)), expected, atol=5e-5, rtol=0
        )
    assert torch.equal(ours.item_position.weight, items)


@pytest.mark.parametrize(
    "change, said",
    [
        ({"layers": 3}, "layers 2, not 3"),
        ({"ffn": 128}, "ffn 64, not 128"),
        ({"max_tokens": 100}, "80 positions"),
    ],
)
def test_other_sizes_are_named(published, change, said):
    with pytest.raises(VibesError, match=said):
        start_from(published[0], Longformer(EncoderConfig(**{**SIZES, **change})))


def test_what_is_no_longformer_folder_is_named(published, tmp_path):
    ours = Longformer(EncoderConfig(**SIZES))
    with pytest.raises(VibesError, match="it has no config"):
        start_from(tmp_path, ours)
    transformers.BertConfig().save_pretrained(tmp_path)
    with pytest.raises(VibesError, match="holds a bert model"):
        start_from(tmp_path, ours)
    transformers.AutoConfig.from_pretrained(published[0]).save_pretrained(tmp_path / "empty")
    with pytest.raises(VibesError, match="cannot be loaded"):
        start_from(tmp_path / "empty", ours)
    (tmp_path / "pickled").mkdir()
    transformers.AutoConfig.from_pretrained(published[0]).save_pretrained(tmp_path / "pickled")
    torch.save(published[1].state_dict(), tmp_path / "pickled" / "pytorch_model.bin")
    with pytest.raises(VibesError, match="cannot be loaded"):
        start_from(tmp_path / "pickled", ours)
