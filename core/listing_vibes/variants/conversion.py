"""Conversion of weights from and to `transformers.LongformerModel`, and initialization from a pretrained one.

transformers' pooler, word table and position rows for padding (0 .. pad_token_id, which real tokens do not use) have no
counterpart and are dropped. Item positions have no counterpart in `transformers`: a converted model gives the same output for rows
without item positions.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from listing_vibes.errors import VibesError, needs
from listing_vibes.model.encoder_config import EncoderConfig
from listing_vibes.model.model import ListingEncoder
from listing_vibes.variants.sliding_window import SlidingWindowEncoder

if TYPE_CHECKING:
    import transformers

#: The id of RoBERTa's padding token, which Longformer also has: real tokens start at position row PADDING + 1.
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


def shared_weights(layers: int) -> dict[str, str]:
    """Return our name and that of `transformers` for each weight that both have (all except words and positions)."""
    modules = dict(_TOP)
    for i in range(layers):
        modules |= {f"layers.{i}.{ours}": f"encoder.layer.{i}.{theirs}" for ours, theirs in _LAYER.items()}
    return {
        f"{our}.{part}": f"{their}.{part}" for our, their in modules.items() for part in ("weight", "bias")
    }


def from_transformers(
    model: "transformers.PreTrainedModel", token_types: int | None = None, max_items: int = 51
) -> SlidingWindowEncoder:
    """Return a copy of a `transformers` Longformer, with or without a head, that gives the same output.

    >>> import transformers
    >>> size = {"hidden_size": 8, "num_attention_heads": 2, "intermediate_size": 16, "max_position_embeddings": 18}
    >>> theirs = transformers.LongformerModel(
    ...     transformers.LongformerConfig(num_hidden_layers=1, attention_window=[4], vocab_size=30, **size)
    ... )
    >>> ours = from_transformers(theirs)
    >>> ours.config.width, type(to_transformers(ours)).__name__
    (8, 'LongformerModel')

    Args:
        token_types: rows of the token-type table, by default as many as in `transformers`; further rows are copies of the first.
        max_items: item positions, which are initialized at random.

    Raises:
        VibesError: the architecture or activation is another one, or `token_types` is less than in the model.
    """
    theirs = model.config
    if theirs.model_type != "longformer" or theirs.hidden_act != "gelu":
        raise VibesError(
            f"Cannot convert a {theirs.model_type} model with activation {theirs.hidden_act}; "
            "give a transformers Longformer with activation gelu."
        )
    state: dict[str, Tensor] = getattr(model, "longformer", model).state_dict()
    first = theirs.pad_token_id + 1
    type_rows = state["embeddings.token_type_embeddings.weight"]
    extra = (token_types or len(type_rows)) - len(type_rows)
    if extra < 0:
        raise VibesError(
            f"token_types {token_types} is below the {len(type_rows)} of the model; give at least that many."
        )
    windows = theirs.attention_window
    config = EncoderConfig(
        layers=theirs.num_hidden_layers,
        width=theirs.hidden_size,
        heads=theirs.num_attention_heads,
        ffn=theirs.intermediate_size,
        window=windows if isinstance(windows, int) else tuple(windows),
        dropout=theirs.hidden_dropout_prob,
        attention_dropout=theirs.attention_probs_dropout_prob,
        max_tokens=theirs.max_position_embeddings - first,
        max_items=max_items,
        token_types=len(type_rows) + extra,
        layer_norm_eps=theirs.layer_norm_eps,
    )
    encoder = SlidingWindowEncoder(config).to(type_rows.device, type_rows.dtype)
    names = shared_weights(config.layers)
    ours = {our: state[their] for our, their in names.items() if their in state}
    ours["token_type.weight"] = torch.cat([type_rows, type_rows[:1].expand(extra, -1)])
    ours["token_position.weight"] = state[POSITIONS][first:]
    ours["item_position.weight"] = encoder.item_position.weight.detach()
    encoder.load_state_dict(ours)
    return encoder.train(model.training)


def to_transformers(encoder: ListingEncoder) -> "transformers.LongformerModel":
    """Return a `transformers.LongformerModel` (no pooler) with the same weights and output as `encoder`.

    Its word table is zeros, so call it with `inputs_embeds`, and with a `global_attention_mask` of 1 at token 0 of each row.
    """
    import transformers  # Imported here, since the import takes seconds.

    config, like = encoder.config, encoder.token_type.weight
    # transformers pads rows to a multiple of the window, and reads a position for each padding token.
    padding = -config.max_tokens % max(config.windows)
    their_config = transformers.LongformerConfig(
        attention_window=list(config.windows),
        hidden_size=config.width,
        num_hidden_layers=config.layers,
        num_attention_heads=config.heads,
        intermediate_size=config.ffn,
        hidden_act="gelu",
        hidden_dropout_prob=config.dropout,
        attention_probs_dropout_prob=config.attention_dropout,
        max_position_embeddings=PADDING + 1 + config.max_tokens + padding,
        type_vocab_size=config.token_types,
        layer_norm_eps=config.layer_norm_eps,
        pad_token_id=PADDING,
        vocab_size=PADDING + 2,
    )
    model = transformers.LongformerModel(their_config, add_pooling_layer=False)
    nn.Module.to(model, like.device, like.dtype)
    state = encoder.state_dict()
    theirs = {their: state[our] for our, their in shared_weights(config.layers).items() if our in state}
    unread = like.new_zeros(PADDING + 1, config.width)
    theirs[POSITIONS] = torch.cat(
        [unread, state["token_position.weight"], like.new_zeros(padding, config.width)]
    )
    theirs[WORDS] = like.new_zeros(PADDING + 2, config.width)
    model.load_state_dict(theirs)
    return model.train(encoder.training)


def load_pretrained(path: Path, encoder: ListingEncoder) -> None:
    """Load the weights of the folder `path`, as saved by `transformers` (safetensors), into `encoder`; without network.

    Item positions are not changed, additional token types are copies of the folder's first, and additional position rows of the
    folder are ignored. The attention window is that of `encoder`.

    Raises:
        VibesError: the folder does not exist, has no Longformer or no safetensors, or has other sizes.
    """
    with needs("init"):
        import transformers

    if not (path / "config.json").is_file():
        raise VibesError(
            f"init = '{path}' is not a folder of a transformers model (it has no config.json); give the folder of "
            "allenai/longformer-base-4096 or -large-4096."
        )
    ours = encoder.config
    try:
        _check_sizes(path, transformers.AutoConfig.from_pretrained(path, local_files_only=True), ours)
        theirs = transformers.LongformerModel.from_pretrained(
            path, local_files_only=True, use_safetensors=True, add_pooling_layer=False
        )
    except (OSError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise VibesError(
            f"init = '{path}' cannot be loaded ({reason}); give a folder with config.json and model.safetensors."
        ) from error
    types = max(ours.token_types, theirs.config.type_vocab_size)
    state = from_transformers(theirs, types, ours.max_items).state_dict()
    rows = len(state["token_position.weight"])
    if rows < ours.max_tokens:
        raise VibesError(f"init = '{path}' has {rows} positions; set [encoder] max_tokens to {rows} or less.")
    state["item_position.weight"] = encoder.item_position.weight.detach()
    state["token_type.weight"] = state["token_type.weight"][: ours.token_types]
    state["token_position.weight"] = state["token_position.weight"][: ours.max_tokens]
    encoder.load_state_dict(state)


def _check_sizes(path: Path, theirs: Any, ours: EncoderConfig) -> None:
    if theirs.model_type != "longformer":
        raise VibesError(f"init = '{path}' holds a {theirs.model_type} model; give a Longformer.")
    sizes = {
        "layers": (theirs.num_hidden_layers, ours.layers),
        "width": (theirs.hidden_size, ours.width),
        "heads": (theirs.num_attention_heads, ours.heads),
        "ffn": (theirs.intermediate_size, ours.ffn),
    }
    other = [f"{name} {result}, not {size}" for name, (result, size) in sizes.items() if result != size]
    if other:
        raise VibesError(
            f"init = '{path}' has {', '.join(other)}; choose the preset or [encoder] sizes of that model."
        )
