"""Our Longformer against `transformers.LongformerModel`: equal weights, equal output; a start from a published one."""

import pytest
import torch
import transformers

from listing_vibes.errors import VibesError
from listing_vibes.model.encoder_config import EncoderConfig
from listing_vibes.model.model import ListingEncoder
from listing_vibes.variants.conversion import from_transformers, load_pretrained, to_transformers

SIZES = {"layers": 2, "width": 32, "heads": 2, "ffn": 64, "window": 16, "max_tokens": 60}


def theirs(window=64, types=2, positions=1026, kind=transformers.LongformerModel, **more):
    """A small random model whose biases and LayerNorms do something and whose attention is far from flat."""
    torch.manual_seed(0)
    config = transformers.LongformerConfig(
        attention_window=window,
        vocab_size=60,
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=positions,
        type_vocab_size=types,
        layer_norm_eps=1e-5,
        **more,
    )
    model = kind(config).eval()
    with torch.no_grad():
        for weight in model.parameters():
            weight += 0.15 * torch.randn_like(weight)
    return model


def rows(length: int, padded: bool = True) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Token vectors, mask and token types of three rows, padded to three different lengths."""
    random = torch.Generator().manual_seed(length)
    lengths = torch.tensor([length, length // 2, length - 3] if padded else [length] * 3)
    kinds = torch.randint(0, 2, (3, length), generator=random)
    return torch.randn(3, length, 32, generator=random), torch.arange(length) < lengths[:, None], kinds


@torch.no_grad()
def run_theirs(model, tokens, mask, kinds) -> torch.Tensor:
    on_cls = torch.zeros_like(mask, dtype=torch.long)
    on_cls[:, 0] = 1
    return model(
        inputs_embeds=tokens, attention_mask=mask.long(), global_attention_mask=on_cls, token_type_ids=kinds
    ).last_hidden_state


@torch.no_grad()
def run_ours(model, tokens, mask, kinds) -> torch.Tensor:
    position = torch.arange(tokens.shape[1]).expand_as(kinds)
    return model(tokens, mask, position, kinds, torch.zeros_like(kinds))


def assert_same(a: torch.Tensor, b: torch.Tensor, mask: torch.Tensor) -> None:
    """a, b (B, S, d): cosine of each real token at least 0.99999, and no drift in length either."""
    assert torch.cosine_similarity(a, b, dim=-1)[mask].min() >= 0.99999
    assert torch.allclose(a[mask], b[mask], atol=1e-4)


@pytest.mark.parametrize("window", [[16, 64], pytest.param(512, marks=pytest.mark.slow)], ids=str)
@pytest.mark.parametrize("padded", [False, True], ids=["unpadded", "padded"])
@pytest.mark.parametrize("length", [8, 65, pytest.param(1024, marks=pytest.mark.slow)])
def test_output_equals_transformers_both_ways(window, length, padded):
    their, batch = theirs(window), rows(length, padded)
    ours = from_transformers(their)
    expected = run_theirs(their, *batch)
    assert_same(run_ours(ours, *batch), expected, batch[1])
    assert_same(run_theirs(to_transformers(ours), *batch), expected, batch[1])


def test_a_round_trip_keeps_weights_sizes_dtype_and_mode():
    their = theirs(hidden_dropout_prob=0.2, attention_probs_dropout_prob=0.3).double().train()
    ours = from_transformers(their)
    assert (ours.config.dropout, ours.config.attention_dropout, ours.training) == (0.2, 0.3, True)
    back = to_transformers(ours)
    before, after = their.state_dict(), back.state_dict()
    for name, weight in after.items():
        if "word_embeddings" not in name:
            first = 2 if "position_embeddings" in name else 0  # rows that no real token reads
            assert weight.dtype == torch.float64 and torch.equal(weight[first:], before[name][first:]), name
    same = (
        "hidden_dropout_prob",
        "layer_norm_eps",
        "max_position_embeddings",
        "type_vocab_size",
        "pad_token_id",
    )
    assert [getattr(back.config, key) for key in same] == [getattr(their.config, key) for key in same]
    assert back.training and from_transformers(back).state_dict().keys() == ours.state_dict().keys()
    with torch.no_grad():
        for weight in their.parameters():
            weight.zero_()
    assert ours.layers[0].attention.query.weight.abs().min() > 0  # it shares no memory


def test_a_widened_type_table_and_a_model_with_a_head_give_the_output_of_the_body():
    headed = theirs(types=1, kind=transformers.LongformerForMaskedLM)  # as the published models
    ours = from_transformers(headed, token_types=4)
    tokens, mask, kinds = rows(65)
    expected = run_theirs(headed.longformer, tokens, mask, torch.zeros_like(kinds))
    assert_same(run_ours(ours, tokens, mask, kinds * 3), expected, mask)
    assert ours.config.token_types == 4


def test_what_cannot_be_converted_is_refused():
    sizes = {"vocab_size": 9, "hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1}
    bert = transformers.BertModel(transformers.BertConfig(**sizes, intermediate_size=8))
    for model, types in ((bert, None), (theirs(hidden_act="relu"), None), (theirs(), 1)):
        with pytest.raises(VibesError):
            from_transformers(model, types)


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    """As allenai/longformer-* is: one token type, a masked-language-model head, more positions than we need."""
    path = tmp_path_factory.mktemp("hub") / "longformer"
    model = theirs(window=16, types=1, positions=82, kind=transformers.LongformerForMaskedLM)
    model.save_pretrained(path, safe_serialization=True)
    return path, model.longformer


def test_a_start_from_a_folder_computes_what_the_published_model_does(published):
    path, their = published
    ours = ListingEncoder(EncoderConfig(**SIZES)).eval()
    items = ours.item_position.weight.clone()
    load_pretrained(path, ours)
    tokens, mask, kinds = rows(40)
    expected = run_theirs(their, tokens, mask, torch.zeros_like(kinds))
    assert_same(run_ours(ours, tokens, mask, kinds * 3), expected, mask)
    assert torch.equal(ours.item_position.weight, items)


@pytest.mark.parametrize("change", [{"layers": 3}, {"ffn": 128}, {"max_tokens": 100}])
def test_other_sizes_are_refused(published, change):
    with pytest.raises(VibesError):
        load_pretrained(published[0], ListingEncoder(EncoderConfig(**(SIZES | change))))


def test_a_folder_without_a_longformer_in_safetensors_is_refused(published, tmp_path):
    ours, config = (
        ListingEncoder(EncoderConfig(**SIZES)),
        transformers.AutoConfig.from_pretrained(published[0]),
    )
    names = ("nothing", "bert", "empty", "pickled")
    for name in names:
        (tmp_path / name).mkdir()
    transformers.BertConfig().save_pretrained(tmp_path / "bert")
    for name in ("empty", "pickled"):
        config.save_pretrained(tmp_path / name)
    torch.save(published[1].state_dict(), tmp_path / "pickled" / "pytorch_model.bin")
    for name in names:
        with pytest.raises(VibesError, match=name):
            load_pretrained(tmp_path / name, ours)


def test_transformers_may_pad_rows_beyond_our_positions():
    torch.manual_seed(0)
    ours = ListingEncoder(EncoderConfig(**SIZES)).eval()  # 60 positions, which it pads to 64
    batch = rows(59, False)
    assert_same(run_theirs(to_transformers(ours), *batch), run_ours(ours, *batch), batch[1])
