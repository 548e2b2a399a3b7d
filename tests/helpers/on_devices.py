"""The same market trained, embedded, evaluated and asked on another device as on the CPU: what must come out alike."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from helpers.copies import change_settings
from helpers.tiny import tiny_events, tiny_listings, tiny_photos
from listing_vibes.device import VARIABLE, device, device_of
from listing_vibes.evaluation.run_evaluation import evaluate_run
from listing_vibes.features.photos.photo_vectors import PhotoVectors, load_photo_vectors
from listing_vibes.market.config import MarketConfig
from listing_vibes.market.market import Market
from listing_vibes.market.writer import write_market
from listing_vibes.model.settings import Resolved
from listing_vibes.run.blends import NO_BLEND
from listing_vibes.run.embedding import embed_market
from listing_vibes.run.newcomers import Newcomers
from listing_vibes.run.run import Run
from listing_vibes.training.train import train

#: Ways to train, each with what makes it differ.
WAYS: dict[str, dict] = {
    "cls": {"history": "cls", "training": {"recipe": "two-stage", "pretrain_steps": 2}},
    "listing-vectors": {
        "history": "listing-vectors",
        "features": {"text": False, "photo_train_blocks": 1},
        "training": {"recency_days": 30},
    },
}


@contextmanager
def on(name: str) -> Iterator[None]:
    """Inside, this process computes on the device of this name."""
    before = os.environ.get(VARIABLE)
    os.environ[VARIABLE] = name
    try:
        yield
    finally:
        os.environ.pop(VARIABLE) if before is None else os.environ.update({VARIABLE: before})


def photo_market(path: Path) -> Market:
    """Twelve listings with an attribute of every kind and two photos each, twenty users."""
    rng = np.random.default_rng(3)
    table = tiny_listings(rng, 12, False)
    shots = tiny_photos(rng, path, table["listing_id"], 2)
    events = tiny_events(rng, table["listing_id"], 20, 6, True)
    write_market(path, MarketConfig(name="Two devices", actions=["view", "save"]), table, shots, events)
    return Market.open(path)


def settings_of(way: str, bf16: bool | None = False) -> Resolved:
    """A training of a few steps."""
    base = {
        "preset": "tiny",
        "encoder": {"layers": 2, "width": 32, "heads": 2, "ffn": 64, "dropout": 0.0},
        "training": {
            "bf16": bf16, "max_steps": 4, "batch": 8, "fresh": 5, "bank_every": 3, "validate_every": 2, "warmup": 1,
            "max_epochs": 9, "checkpoint_every": 3,
        },
    }  # fmt: skip
    given = WAYS[way]
    return Resolved.model_validate(
        {**base, **given, "training": {**base["training"], **given.get("training", {})}}
    )


def trained_on(name: str, market: Market, run: Path, settings: Resolved, photos: PhotoVectors | None) -> Run:
    """A run that was trained, and is opened, on the device of this name."""
    with on(name):
        train(market, run, settings, photos)
        opened = Run.open(run, market)
        assert device_of(opened.engine.model) == device()
    return opened


def cosine(one: np.ndarray, other: np.ndarray) -> float:
    """The least cosine of two sets of unit vectors (n, d), row by row."""
    return float((one * other).sum(axis=1).min())


def same_weights_same_answers(run: Path, there: str, tmp_path: Path, least: float = 0.999) -> None:
    """A trained run opened on the CPU and on the device `there` embeds, recommends, evaluates and encodes newcomers alike."""
    exact = tmp_path / "exact"
    shutil.copytree(run, exact)
    change_settings(exact, inference="float32")
    found: dict[str, dict] = {}
    for name in ("cpu", there):
        with on(name):
            opened = Run.open(run)
            engine, log = opened.engine, opened.log
            start, end = log.start[:-1], log.start[1:]
            listing = opened.market.listings.iloc[0]
            cells = {"price": float(listing["price"]), "room_type": str(listing["room_type"])}
            photo = (opened.market.path / opened.market.photos["path"].iloc[1]).read_bytes()
            embed_market(opened.market, tmp_path / f"embedded-{name}", _photos(opened), exact)
            embedded = Run.open(tmp_path / f"embedded-{name}", opened.market)
            found[name] = {
                "exact listings": engine.in_float32().encode_listings(),
                "listings": engine.encode_listings(),
                "exact histories": engine.in_float32().encode_histories(log, start, end),
                "histories": engine.encode_histories(log, start, end),
                "histories blend a table": engine.encode_histories(log, start, end, opened.vectors("model")),
                "exact embedded": embedded.vectors("model"),
                "newcomer": Newcomers(opened).encode(cells, [photo], ["model"]).vectors["model"][None],
                "recommended": opened.recommend(log.users[0], 12, blend=NO_BLEND)
                .set_index("listing_id")["score"]
                .sort_index(),
                "similar": opened.similar(opened.listing_ids[0], 5)["listing_id"].tolist(),
                "ranks": evaluate_run(embedded, baselines="none").ranks["default ranking"],
                "path": engine.precision,
            }
            assert device_of(engine.model) == device() and opened.engine.model is engine.model
    ours, theirs = found["cpu"], found[there]
    assert theirs["path"].startswith(f"{there.partition(':')[0]}-") and ours["path"] != theirs["path"]
    for what, value in ours.items():
        if what.startswith("exact"):
            assert cosine(value, theirs[what]) > 0.99999, what
        elif isinstance(value, np.ndarray) and value.ndim == 2:
            assert cosine(value, theirs[what]) > least, what
    scores = ours["recommended"], theirs["recommended"]
    assert scores[0].index.equals(scores[1].index)
    np.testing.assert_allclose(scores[0], scores[1], atol=0.02)
    assert ours["similar"] == theirs["similar"]
    assert np.abs(ours["ranks"] - theirs["ranks"]).mean() < 0.05  # of twelve candidates


def _photos(run: Run) -> PhotoVectors | None:
    return load_photo_vectors(run.market.path, run.market.photos, run.engine.featurizer.photo_encoder)
