"""SASRec and BERT4Rec by RecTools on an exported split: `python rectools_peers.py OUT [--epochs N] [--only sasrec]`.

Runs in the peers' environment (`requirements.txt`); it sees `train.parquet` and `histories.parquet` only, and writes
`OUT/sasrec.parquet` and `OUT/bert4rec.parquet` (query, item_id, score: the best listings of each query).
"""

import argparse
from pathlib import Path

import pandas as pd
from lightning_fabric import seed_everything
from pytorch_lightning import Trainer
from rectools import Columns
from rectools.dataset import Dataset
from rectools.models import BERT4RecModel, SASRecModel

#: Listings kept of each query; a target that is not among them ranks last.
KEPT = 1000
QUERIES_AT_ONCE = 1000
SIZES = {"n_factors": 128, "n_blocks": 2, "n_heads": 2, "session_max_len": 50, "dropout_rate": 0.2}


def model_of(name: str, epochs: int, seed: int) -> SASRecModel | BERT4RecModel:
    """The model with the sizes of our own tiny one; softmax over all items, as both do best by RecTools' own account."""
    seed_everything(seed, workers=True)

    def trainer() -> Trainer:
        return Trainer(
            max_epochs=epochs, min_epochs=epochs, accelerator="cpu", deterministic=True, logger=False,
            enable_checkpointing=False, enable_progress_bar=True, enable_model_summary=False,
        )  # fmt: skip

    kind = {"sasrec": SASRecModel, "bert4rec": BERT4RecModel}[name]
    return kind(**SIZES, epochs=epochs, batch_size=128, lr=1e-3, loss="softmax", get_trainer_func=trainer)


def rank(model: SASRecModel | BERT4RecModel, histories: pd.DataFrame) -> pd.DataFrame:
    """Each query is a user of its own, whose interactions are the query's history."""
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
        found = model.recommend(
            users=asked, dataset=dataset, k=KEPT, filter_viewed=False, on_unsupported_targets="ignore"
        )
        parts.append(found.rename(columns={Columns.User: "query"})[["query", Columns.Item, Columns.Score]])
    return pd.concat(parts, ignore_index=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", choices=("sasrec", "bert4rec"))
    given = parser.parse_args()
    train = Dataset.construct(pd.read_parquet(given.out / "train.parquet"))
    histories = pd.read_parquet(given.out / "histories.parquet")
    for name in [given.only] if given.only else ["sasrec", "bert4rec"]:
        model = model_of(name, given.epochs, given.seed)
        model.fit(train)
        rank(model, histories).to_parquet(given.out / f"{name}.parquet", index=False)
