"""Our Longformer against `transformers.LongformerModel`: equal weights, equal output."""

import pytest
import torch
import transformers

from listing_vibes.errors import VibesError
from listing_vibes.model.config import EncoderConfig
from listing_vibes.model.longformer import Longformer

LENGTHS = (8, 63, 64, 65, 300, 1024)
WORDS = 60


def theirs(window=64, types=2, perturb=0.15, **more) -> transformers.LongformerModel:
    """A small random model whose biases and LayerNorms do something and whose attention is far from flat."""
    torch.manual_seed(0)
    config = transformers.LongformerConfig(
        attention_window=window,
        vocab_size=WORDS,
        hidden_size=48,
        num_hidden_layers=3,
        num_attention_heads=3,
        intermediate_size=96,
        max_position_embeddings=1026,
        type_vocab_size=types,
        layer_norm_eps=1e-5,
        **more,
    )
    model = transformers.LongformerModel(config).eval()
    with torch.no_grad():
        for weight in model.parameters():
            weight += perturb * torch.randn_like(weight)
    return model


def rows(length: int, padded: bool, types: int = 2) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Word ids, mask and token types (3, S); padded rows have three different lengths."""
    random = torch.Generator().manual_seed(length)
    ids = torch.randint(2, WORDS, (3, length), generator=random)
    kinds = torch.randint(0, types, (3, length), generator=random)
    lengths = torch.tensor([length, length // 2, length - 3]) if padded else torch.tensor([length] * 3)
    mask = torch.arange(length) < lengths[:, None]
    return ids.masked_fill(~mask, 1), mask, kinds


@torch.no_grad()
def run_theirs(model, mask, kinds, **inputs) -> torch.Tensor:
    on_cls = torch.zeros_like(mask, dtype=torch.long)
    on_cls[:, 0] = 1
    return model(
        attention_mask=mask.long(), global_attention_mask=on_cls, token_type_ids=kinds, **inputs
    ).last_hidden_state


def assert_same(a: torch.Tensor, b: torch.Tensor, mask: torch.Tensor) -> None:
    """a, b (B, S, d): cosine of each real token at least 0.99999, and no drift in length either."""
    assert torch.cosine_similarity(a, b, dim=-1)[mask].min() >= 0.99999
    assert torch.allclose(a[mask], b[mask], atol=1e-4)


@pytest.fixture(scope="module", params=[64, [16, 64, 32], pytest.param(512, marks=pytest.mark.slow)], ids=str)
def pair(request):
    their = theirs(request.param)
    return their, Longformer.from_transformers(their)


@pytest.mark.slow
@pytest.mark.parametrize("padded", [False, True], ids=["unpadded", "padded"])
@pytest.mark.parametrize("length", LENGTHS)
def test_output_equals_transformers_both_ways(pair, length, padded):
    their, ours = pair
    ids, mask, kinds = rows(length, padded)
    expected = run_theirs(their, mask, kinds, input_ids=ids)
    for path in ("dense", "banded", "auto"):
        ours.path = path
        with torch.no_grad():
            assert_same(ours(ours.word_embeddings(ids), mask, kinds), expected, mask)
    assert_same(run_theirs(ours.to_transformers(), mask, kinds, input_ids=ids), expected, mask)


def test_round_trip_is_exact(pair):
    their, ours = pair
    before, back = their.state_dict(), ours.to_transformers()
    after = back.state_dict()
    pooler = {"pooler.dense.weight", "pooler.dense.bias"}
    assert set(before) - set(after) == pooler
    for name, weight in after.items():
        first = 2 if "position_embeddings" in name else 0  # rows that no real token reads
        assert torch.equal(weight[first:], before[name][first:]), name
    same = (
        "hidden_dropout_prob",
        "attention_probs_dropout_prob",
        "layer_norm_eps",
        "max_position_embeddings",
        "vocab_size",
        "pad_token_id",
        "attention_window",
        "type_vocab_size",
        "hidden_act",
    )
    assert {k: getattr(back.config, k) for k in same} == {k: getattr(their.config, k) for k in same}


def test_dropouts_survive_the_round_trip_and_differ():
    ours = Longformer.from_transformers(theirs(hidden_dropout_prob=0.2, attention_probs_dropout_prob=0.3))
    assert (ours.config.dropout, ours.config.attention_dropout) == (0.2, 0.3)
    back = ours.to_transformers().config
    assert (back.hidden_dropout_prob, back.attention_probs_dropout_prob) == (0.2, 0.3)


def test_our_model_goes_to_transformers_and_back():
    config = EncoderConfig(layers=2, width=32, heads=2, ffn=64, window=16, max_tokens=128)
    torch.manual_seed(3)
    ours = Longformer(config).eval()
    with torch.no_grad():
        for weight in ours.parameters():
            weight += 0.2 * torch.randn_like(weight)
        ours.item_position.weight[0] = 0
    tokens, item = torch.randn(2, 50, 32), torch.randint(0, 51, (2, 50))
    mask, kinds = torch.arange(50) < torch.tensor([50, 33])[:, None], torch.randint(0, 4, (2, 50))
    their = ours.to_transformers()
    with torch.no_grad():
        assert_same(run_theirs(their, mask, kinds, inputs_embeds=tokens), ours(tokens, mask, kinds), mask)
        # item positions have no place there, but can be added to the tokens
        history = run_theirs(their, mask, kinds, inputs_embeds=tokens + ours.item_position(item))
        assert_same(history, ours(tokens, mask, kinds, item), mask)

    back = Longformer.from_transformers(their, words=False)
    assert back.config == config
    for name, weight in back.state_dict().items():
        if not name.startswith("item_position"):
            assert torch.equal(weight, ours.state_dict()[name]), name


def test_a_widened_type_table_changes_nothing():
    their = theirs(types=1)  # as the published models
    ours = Longformer.from_transformers(their, token_types=4)
    ids, mask, _ = rows(65, padded=True)
    expected = run_theirs(their, mask, torch.zeros_like(ids), input_ids=ids)
    with torch.no_grad():
        assert_same(ours(ours.word_embeddings(ids), mask, token_type=ids % 4), expected, mask)
        assert_same(ours(ours.word_embeddings(ids), mask), expected, mask)
    assert ours.config.token_types == 4


def test_a_model_with_a_head_converts_as_its_body():
    config = theirs().config
    torch.manual_seed(1)
    headed = transformers.LongformerForMaskedLM(config).eval()
    ours = Longformer.from_transformers(headed)
    ids, mask, kinds = rows(63, padded=True)
    with torch.no_grad():
        assert_same(
            ours(ours.word_embeddings(ids), mask, kinds),
            run_theirs(headed.longformer, mask, kinds, input_ids=ids),
            mask,
        )


def test_the_copy_shares_no_memory():
    their = theirs()
    ours = Longformer.from_transformers(their)
    with torch.no_grad():
        for weight in their.parameters():
            weight.zero_()
    assert ours.layers[0].attention.query.weight.abs().min() > 0
    back = ours.to_transformers()
    with torch.no_grad():
        for weight in back.parameters():
            weight.zero_()
    assert ours.layers[0].attention.query.weight.abs().min() > 0
    assert ours.word_embeddings.weight.abs().max() > 0


def test_dtype_and_mode_are_kept():
    assert Longformer.from_transformers(theirs().double()).norm.weight.dtype == torch.float64
    assert not Longformer.from_transformers(theirs()).training
    ours = Longformer.from_transformers(theirs().train())
    assert ours.training
    assert ours.to_transformers().training


def test_what_cannot_be_converted_is_named():
    bert = transformers.BertModel(
        transformers.BertConfig(
            vocab_size=9, hidden_size=8, num_hidden_layers=1, num_attention_heads=1, intermediate_size=8
        )
    )
    with pytest.raises(VibesError, match="cannot convert a bert model"):
        Longformer.from_transformers(bert)
    with pytest.raises(VibesError, match="activation relu"):
        Longformer.from_transformers(theirs(hidden_act="relu"))
    with pytest.raises(VibesError, match="token_types 1 is below the 2"):
        Longformer.from_transformers(theirs(), token_types=1)
