"""Weights to and from `transformers.LongformerModel`.

What has no twin on the other side: transformers' pooler is dropped, and so are its position rows for
padding (0 .. pad_token_id, which no real token reads; they come back as zero). Our item positions have no
place there: a model converted to `transformers` gives our output for rows without item positions, or when
the rows of our `item_position` are added to its `inputs_embeds`.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import torch
from torch import Tensor, nn

from listing_vibes.errors import VibesError
from listing_vibes.model.config import EncoderConfig

if TYPE_CHECKING:
    import transformers

M = TypeVar("M", bound=nn.Module)

# RoBERTa's padding word, which Longformer kept: real tokens start at position row PADDING + 1.
PADDING = 1
WORDS, POSITIONS = "embeddings.word_embeddings.weight", "embeddings.position_embeddings.weight"

_TOP = {"token_type": "embeddings.token_type_embeddings", "norm": "embeddings.LayerNorm"}
_LAYER = {
    **{
        f"attention.{part}{reach}": f"attention.self.{part}{reach}"
        for part in ("query", "key", "value")
        for reach in ("", "_global")
    },
    "attention.out": "attention.output.dense",
    "attention_norm": "attention.output.LayerNorm",
    "up": "intermediate.dense",
    "down": "output.dense",
    "ffn_norm": "output.LayerNorm",
}


def names(layers: int) -> dict[str, str]:
    """Our module names to transformers', for all weights that are equal (all but words and positions)."""
    named = dict(_TOP)
    for i in range(layers):
        named |= {f"layers.{i}.{ours}": f"encoder.layer.{i}.{theirs}" for ours, theirs in _LAYER.items()}
    return named


def from_transformers(
    make: Callable[[EncoderConfig], M],
    hf_model: "transformers.PreTrainedModel",
    *,
    words: bool = True,
    token_types: int | None = None,
    max_items: int = 51,
) -> M:
    """A copy of a `transformers` Longformer, with or without a head, that gives the same output.

    make: builds our Longformer of a configuration. words: copy its word table to `word_embeddings`. token_types: rows of our token-type table, by default
    as many as theirs (the published models have one); further rows start as copies of their first, so a
    widened model gives the same output whatever the new types say. Item positions 1 .. max_items - 1 start
    random (std 0.02, torch's global generator). Raises `VibesError` for another architecture or activation.
    """
    theirs = hf_model.config
    if theirs.model_type != "longformer" or theirs.hidden_act != "gelu":
        raise VibesError(
            f"cannot convert a {theirs.model_type} model with activation {theirs.hidden_act}; "
            "give a transformers Longformer with activation gelu"
        )
    body = getattr(hf_model, "longformer", hf_model)
    state: dict[str, Tensor] = body.state_dict()
    first = theirs.pad_token_id + 1
    type_rows = state["embeddings.token_type_embeddings.weight"]
    extra = (token_types or len(type_rows)) - len(type_rows)
    if extra < 0:
        raise VibesError(
            f"token_types {token_types} is below the {len(type_rows)} of the model; give at least that many"
        )

    windows = theirs.attention_window
    if not isinstance(windows, int):
        windows = windows[0] if len(set(windows)) == 1 else tuple(windows)
    config = EncoderConfig(
        layers=theirs.num_hidden_layers,
        width=theirs.hidden_size,
        heads=theirs.num_attention_heads,
        ffn=theirs.intermediate_size,
        window=windows,
        dropout=theirs.hidden_dropout_prob,
        attention_dropout=theirs.attention_probs_dropout_prob,
        max_tokens=theirs.max_position_embeddings - first,
        max_items=max_items,
        token_types=len(type_rows) + extra,
        layer_norm_eps=theirs.layer_norm_eps,
    )
    ours: dict[str, Tensor] = {
        f"{our}.{kind}": state[f"{their}.{kind}"]
        for our, their in names(config.layers).items()
        for kind in ("weight", "bias")
        if f"{their}.{kind}" in state
    }
    ours["token_type.weight"] = torch.cat([type_rows, type_rows[:1].expand(extra, -1)])
    ours["token_position.weight"] = state[POSITIONS][first:]

    model: Any = make(config).to(type_rows.device, type_rows.dtype)
    ours["item_position.weight"] = model.item_position.weight.detach()
    if words:
        table = state[WORDS]
        size, width = table.shape
        model.word_embeddings = nn.Embedding(size, width, theirs.pad_token_id).to(table.device, table.dtype)
        ours["word_embeddings.weight"] = table
    model.load_state_dict(ours)
    trained: M = model.train(hf_model.training)
    return trained


def to_transformers(model: Any) -> "transformers.LongformerModel":
    """A `transformers.LongformerModel` (no pooler) with the same weights and output as `model`, a Longformer of ours.

    Without a word table of ours its own is a stub of zeros: call it with `inputs_embeds`. Give it
    `global_attention_mask` with 1 at token 0 of each row.
    """
    import transformers  # seconds to import; only conversions pay

    config, words = model.config, model.word_embeddings
    padding = PADDING if words is None or words.padding_idx is None else words.padding_idx
    like = model.token_type.weight
    their_config = transformers.LongformerConfig(
        attention_window=list(config.windows),
        hidden_size=config.width,
        num_hidden_layers=config.layers,
        num_attention_heads=config.heads,
        intermediate_size=config.ffn,
        hidden_act="gelu",
        hidden_dropout_prob=config.dropout,
        attention_probs_dropout_prob=config.attention_dropout,
        max_position_embeddings=config.max_tokens + padding + 1,
        type_vocab_size=config.token_types,
        layer_norm_eps=config.layer_norm_eps,
        pad_token_id=padding,
        vocab_size=padding + 2 if words is None else words.num_embeddings,
    )
    hf_model = transformers.LongformerModel(their_config, add_pooling_layer=False)
    nn.Module.to(hf_model, like.device, like.dtype)
    state = model.state_dict()
    theirs: dict[str, Tensor] = {
        f"{their}.{kind}": state[f"{our}.{kind}"]
        for our, their in names(config.layers).items()
        for kind in ("weight", "bias")
        if f"{our}.{kind}" in state
    }
    unread = like.new_zeros(padding + 1, config.width)
    theirs[POSITIONS] = torch.cat([unread, state["token_position.weight"]])
    theirs[WORDS] = like.new_zeros(padding + 2, config.width) if words is None else words.weight.detach()
    hf_model.load_state_dict(theirs)
    return hf_model.train(model.training)
