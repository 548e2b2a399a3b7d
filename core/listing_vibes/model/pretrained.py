"""Starting from a published Longformer that lies in a folder."""

from pathlib import Path

import torch

from listing_vibes.errors import VibesError, needs
from listing_vibes.model.longformer import Longformer


def start_from(path: Path, longformer: Longformer) -> None:
    """Give `longformer` the weights of the folder `path`, as `transformers` saves it (safetensors); no network.

    Its item positions stay as they are, token types beyond those of the folder are copies of the folder's first, and
    position rows beyond ours are left out. The attention window is ours.

    Raises:
        VibesError: no such folder, no Longformer, no safetensors in it, or sizes other than ours.
    """
    with needs("init"):
        import transformers

    if not (path / "config.json").is_file():
        raise VibesError(
            f"init = '{path}' is no folder of a transformers model (it has no config.json); give the folder of "
            "allenai/longformer-base-4096 or -large-4096."
        )
    try:
        found = transformers.AutoConfig.from_pretrained(path, local_files_only=True)
        if found.model_type != "longformer":
            raise VibesError(f"init = '{path}' holds a {found.model_type} model; give a Longformer.")
        ours = longformer.config
        sizes = {
            "layers": (found.num_hidden_layers, ours.layers),
            "width": (found.hidden_size, ours.width),
            "heads": (found.num_attention_heads, ours.heads),
            "ffn": (found.intermediate_size, ours.ffn),
        }
        other = [f"{name} {theirs}, not {own}" for name, (theirs, own) in sizes.items() if theirs != own]
        if other:
            raise VibesError(
                f"init = '{path}' has {', '.join(other)}; choose the preset or [encoder] sizes of that model."
            )
        theirs = transformers.LongformerModel.from_pretrained(
            path, local_files_only=True, use_safetensors=True, add_pooling_layer=False
        )
    except (OSError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise VibesError(
            f"init = '{path}' cannot be loaded ({reason}); give a folder with config.json and model.safetensors."
        ) from error
    start = Longformer.from_transformers(
        theirs,
        words=False,
        token_types=max(ours.token_types, found.type_vocab_size),
        max_items=ours.max_items,
    )
    state = start.state_dict()
    state["item_position.weight"] = longformer.item_position.weight.detach()
    state["token_type.weight"] = state["token_type.weight"][: ours.token_types]
    rows = len(state["token_position.weight"])
    if rows < ours.max_tokens:
        raise VibesError(f"init = '{path}' has {rows} positions; set [encoder] max_tokens to {rows} or less.")
    state["token_position.weight"] = state["token_position.weight"][: ours.max_tokens]
    with torch.no_grad():
        longformer.load_state_dict(state)
