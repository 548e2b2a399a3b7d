"""The other ways of the method, each named by a setting: what the work that we follow describes, and the default does not use.

| setting | way | module |
|---|---|---|
| `history = "cls"` | Recformer's user encoder, with attention in a sliding window | `cls`, `sliding_window` |
| `features.tokenisation = "wordpiece"` | word pieces | `word_pieces` |
| `training.recipe = "two-stage"` | frozen listings in the second half | `two_stage` |
| `training.pretrain_steps` | masked values, and pairs of listings | `pretraining` |
| `training.loss = "log_in"`, `"log_out"` | several positives | `losses` |
| `init` | weights of a `transformers` Longformer, and back | `conversion` |
| `features.photo_train_blocks` | photo stages trained end to end | `photo_stages` |
| `features.photo_encoder = "vae"` | an autoencoder of the market's photos | `vae` |
| `features.text_encoder = "own-bert"` | MiniLM trained further on the market's texts | `own_bert` |

A module is imported by its name when a setting asks for it; nothing of the default path imports this package.
"""
