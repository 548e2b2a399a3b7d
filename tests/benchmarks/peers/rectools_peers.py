"""SASRec, eSASRec, HSTU and BERT4Rec by RecTools on an exported split: `python rectools_peers.py OUT [--only esasrec] [--patience N]`.

Runs in the peers' environment (`requirements.txt`); it sees what `export.py` wrote, and writes of each peer
`OUT/NAME.parquet` (query, item_id, score: the best listings of each query) and `OUT/NAME.json` (settings, epochs, what
validation said after each, processor time). A peer trains until validation has not been better for `--patience` epochs,
and its best epoch answers.
"""

import argparse
import copy
import json
import logging
import time
from pathlib import Path
from typing import Any

import attr
import pandas as pd
import torch
from lightning_fabric import seed_everything
from pytorch_lightning import Trainer
from rectools import Columns
from rectools.dataset import Dataset
from rectools.models import BERT4RecModel, HSTUModel, SASRecModel
from rectools.models.nn.transformers.base import TransformerModelBase
from rectools.models.nn.transformers.hstu import STULayers
from rectools.models.nn.transformers.lightning import TransformerLightningModule
from rectools.models.nn.transformers.ligr import LiGRLayers
from rectools.models.nn.transformers.sasrec import SASRecDataPreparator
from torch.nn.functional import cross_entropy

#: Listings kept of each query; a target that is not among them ranks last.
KEPT = 1000
QUERIES_AT_ONCE = 1000
ROWS_AT_ONCE = 16
#: Listings whose share of hits validation counts.
K = 30
#: eSASRec: SASRec's objective, LiGR layers, a softmax over sampled negatives (arXiv:2508.06450). HSTU (arXiv:2402.17152) as
#: its authors set it; its bias by time, which asks for the moment of each query, with `--times`.
PEERS: dict[str, tuple[type[TransformerModelBase[Any]], dict[str, Any]]] = {
    "sasrec": (SASRecModel, {"loss": "softmax", "use_key_padding_mask": True}),
    "esasrec": (
        SASRecModel,
        {"loss": "sampled_softmax", "n_negatives": 256, "use_key_padding_mask": True, "transformer_layers_type": LiGRLayers},
    ),
    "hstu": (
        HSTUModel,
        {
            "loss": "sampled_softmax", "n_negatives": 128,
            "lightning_module_kwargs": {"logits_t": 0.05},
        },
    ),
    "bert4rec": (BERT4RecModel, {"loss": "softmax", "use_key_padding_mask": True}),
}  # fmt: skip


class WithoutPadding(TransformerLightningModule):
    """The same losses without the padding: short histories in long rows are little else.

    Rows of like length are read together, of the columns that one of them fills (HSTU's layers want them all), and the
    places alone that hold an event are scored. Positions count from the end and padding is masked, so that this changes no
    figure.
    """

    def training_step(self, batch: dict[str, torch.Tensor], batch_idx: int) -> torch.Tensor:
        """The mean over the E events that are to be foretold."""
        items = self.torch_model.item_model.get_all_embeddings()  # (I, d)
        whole = isinstance(self.torch_model.transformer_layers, STULayers)
        order = (batch["x"] != 0).sum(1).argsort()
        found, own, drawn = [], [], []
        for rows in order.split(ROWS_AT_ONCE):
            begin = 0 if whole else int((batch["x"][rows] != 0).any(0).int().argmax())
            x, y = batch["x"][rows, begin:], batch["y"][rows, begin:]  # (b, T)
            told = {"x": x} | ({"unix_ts": batch["unix_ts"][rows]} if "unix_ts" in batch else {})
            found.append(self.torch_model.encode_sessions(told, items)[y != 0])
            own.append(y[y != 0])
            if self.loss == "sampled_softmax":
                drawn.append(batch["negatives"][rows, begin:][y != 0])
        target = torch.cat(own)  # (E,)
        scores = self.torch_model.similarity_module(torch.cat(found), items) / self.logits_t  # (E, I)
        if self.loss == "sampled_softmax":
            scores = scores.gather(1, torch.cat([target[:, None], torch.cat(drawn)], 1))  # (E, 1 + n)
            target = torch.zeros_like(target)
        loss = cross_entropy(scores, target)
        self.log(self.train_loss_name, loss, on_step=False, on_epoch=True)
        return loss


class DrawnBaskets(SASRecDataPreparator):
    """Simultaneous events in an order drawn anew each epoch; as they come they are often sorted by something."""

    def get_dataloader_train(self) -> Any:
        """Rows are sorted by time afterwards, stably."""
        kept = self.train_dataset
        events = kept.interactions.df.sample(frac=1, random_state=int(torch.randint(2**31, ())))
        self.train_dataset = attr.evolve(kept, interactions=attr.evolve(kept.interactions, df=events))
        return super().get_dataloader_train()


def model_of(name: str, given: argparse.Namespace) -> TransformerModelBase[Any]:
    """The peer, not yet trained."""
    seed_everything(given.seed, workers=True)

    def trainer() -> Trainer:
        return Trainer(
            max_epochs=1, accelerator="cpu", deterministic=True, logger=False, enable_checkpointing=False,
            enable_progress_bar=False, enable_model_summary=False,
        )  # fmt: skip

    kind, own = PEERS[name]
    if kind is HSTUModel:
        own = own | {"relative_time_attention": given.times}
    if given.baskets == "set" and kind is not BERT4RecModel:
        own = own | {"data_preparator_type": DrawnBaskets}
    return kind(
        n_factors=given.factors, n_heads=given.heads, n_blocks=given.blocks, session_max_len=given.history,
        dropout_rate=given.dropout, batch_size=128, lr=1e-3, lightning_module_type=WithoutPadding,
        get_trainer_func=trainer, **own,
    )  # fmt: skip


def rank(
    model: TransformerModelBase[Any],
    histories: pd.DataFrame,
    moments: pd.DataFrame,
    k: int = KEPT,
    new_alone: bool = False,
) -> pd.DataFrame:
    """The best `k` of each query, which is a user of its own whose interactions are its history."""
    context = moments.rename(columns={"query": Columns.User}).assign(**{Columns.Weight: 0.0})
    parts = []
    for _, chunk in histories.groupby(histories["query"] // QUERIES_AT_ONCE):
        frame = chunk.rename(columns={"query": Columns.User}).assign(**{Columns.Weight: 1.0})
        dataset = Dataset.construct(frame)
        known = model.data_preparator.item_id_map.external_ids
        asked = frame.loc[
            frame[Columns.Item].isin(known), Columns.User
        ].unique()  # the others it cannot answer
        if not len(asked):
            continue
        timed = model.require_recommend_context
        found = model.recommend(
            users=asked, dataset=dataset, k=k, filter_viewed=new_alone, on_unsupported_targets="ignore",
            context=context[context[Columns.User].isin(asked)].copy() if timed else None,
        )  # fmt: skip
        parts.append(found.rename(columns={Columns.User: "query"})[["query", Columns.Item, Columns.Score]])
    return pd.concat(parts, ignore_index=True)


def recall(
    model: TransformerModelBase[Any], histories: pd.DataFrame, moments: pd.DataFrame, targets: pd.DataFrame
) -> float:
    """Validation recall@30, a mean over users; what a history holds is no candidate."""
    found = rank(model, histories, moments, K, new_alone=True)
    hit = targets.merge(found, on=["query", Columns.Item], how="left")[Columns.Score].notna()
    return float(hit.groupby(targets["user_id"].to_numpy()).mean().mean())


def fit(
    model: TransformerModelBase[Any],
    train: Dataset,
    valid: tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame],
    given: Any,
) -> list[float]:
    """Train, leave the best epoch's weights in `model`, and give what validation said after each epoch."""
    said: list[float] = []
    best: dict[str, Any] = {}
    since = 0  # epochs since the best one
    while len(said) < given.epochs and since < given.patience:
        model.fit_partial(train, min_epochs=1, max_epochs=1)
        said.append(recall(model, *valid))
        print(f"epoch {len(said)}: validation recall@{K} {said[-1]:.4f}", flush=True)
        since = 0 if said[-1] > max(said[:-1], default=-1) else since + 1
        if not since:
            best = copy.deepcopy(model.lightning_model.state_dict())
    model.lightning_model.load_state_dict(best)
    return said


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--only", choices=tuple(PEERS))
    parser.add_argument("--name", help="of the files that are written; the peer's own by default")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=100, help="at most")
    parser.add_argument("--patience", type=int, default=5)
    parser.add_argument("--baskets", choices=("order", "set"), default="order")
    parser.add_argument("--history", type=int, default=200)
    parser.add_argument("--factors", type=int, default=256)
    parser.add_argument("--blocks", type=int, default=2)
    parser.add_argument("--heads", type=int, default=4)
    parser.add_argument("--dropout", type=float, default=0.2)
    parser.add_argument("--times", action="store_true", help="HSTU's bias by time, where the log has times")
    given = parser.parse_args()
    logging.getLogger("pytorch_lightning").setLevel(logging.WARNING)
    tables = {
        name: pd.read_parquet(given.out / f"{name}.parquet")
        for name in (
            "train",
            "histories",
            "moments",
            "validation",
            "validation_histories",
            "validation_moments",
        )
    }
    train = Dataset.construct(tables["train"])
    for peer in [given.only] if given.only else PEERS:
        name, began = given.name or peer, time.process_time()
        model = model_of(peer, given)
        asked = tables["validation_histories"], tables["validation_moments"], tables["validation"]
        said = fit(model, train, asked, given)
        spent = time.process_time() - began
        rank(model, tables["histories"], tables["moments"]).to_parquet(
            given.out / f"{name}.parquet", index=False
        )
        told = {key: value for key, value in vars(given).items() if key != "out"}
        (given.out / f"{name}.json").write_text(
            json.dumps(told | {"validation": said, "processor_seconds": round(spent)}), encoding="utf-8"
        )
