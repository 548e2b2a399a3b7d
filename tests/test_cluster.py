"""Photos and texts embedded by the workers of a cluster: the vectors of one process, after any death, in parts that stay."""

import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import psutil
import pytest
from PIL import Image
from tests.serving.batch.test_batch import workers_of

from browser.painted import paint_market
from helpers.commands import vibes
from listing_vibes import cores
from listing_vibes.cluster import current_cluster, on_ray
from listing_vibes.errors import VibesError
from listing_vibes.features.photos import photo_encoder
from listing_vibes.features.photos import photo_vectors as module
from listing_vibes.features.photos.encoders import encoder_of
from listing_vibes.features.photos.photo_encoder import AGREES_BF16
from listing_vibes.features.photos.photo_vectors import PhotoPass, PhotoWorker, load_photo_vectors
from listing_vibes.features.texts.text_encoder import TextWorker, load_text_encoder
from listing_vibes.features.vector_cache import VectorCache
from listing_vibes.market.market import Market
from listing_vibes.run.run import Run


class Direct:
    """A cluster whose workers are in this process."""

    def __init__(self) -> None:
        self.threads, self.calls = 1, 0

    def map(self, worker, arguments, items):
        actor = worker(*arguments)
        for item in reversed(items):  # results come in any order
            self.calls += 1
            yield {
                name: np.array(column, object)
                if name in ("key", "path", "stamp", "problem", "text")
                else column
                for name, column in actor({name: [value] for name, value in item.items()}).items()
            }


def cosines(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    first, second = first.astype(np.float32), second.astype(np.float32)
    return (first * second).sum(axis=1) / np.linalg.norm(first, axis=1) / np.linalg.norm(second, axis=1)


def test_workers_give_the_vectors_and_problems_of_one_process(tmp_path, monkeypatch):
    market = Market.open(paint_market(tmp_path / "market", listings=12, photos=2, users=2, events=2))
    (market.path / market.photos["path"][5]).write_text("no image")
    monkeypatch.setattr(cores, "_limits", [])  # a worker limits the cores of its process, here of this one
    for name, number in ((module, "BATCH"), (module, "PART"), (photo_encoder, "MANY")):
        monkeypatch.setattr(name, number, 5)  # from the sixth photo on another engine encodes
    encoder, cluster = encoder_of(market, "auto"), Direct()
    paths = market.photos["path"].tolist()
    local = PhotoPass(market.path, VectorCache(tmp_path / "local", encoder.name, encoder.width), encoder)
    local.run(paths)
    monkeypatch.setattr(module, "current_cluster", lambda: cluster)
    apart = PhotoPass(market.path, VectorCache(tmp_path / "apart", encoder.name, encoder.width), encoder)
    apart.run(paths)
    first, second = local.gather(paths), apart.gather(paths)
    assert cluster.calls == 5 and first.broken == second.broken and len(first.broken) == 1
    assert cosines(first.vectors[first.ok], second.vectors[second.ok]).min() >= 0.99999
    with pytest.raises(VibesError, match="not 'another'"):
        PhotoWorker(str(market.path), str(tmp_path / "new"), "another", "auto", None, 1)


def test_a_worker_encodes_texts_as_one_process_does():
    texts, encoder = ["a bright flat", "a dark house by the sea"], load_text_encoder()
    result = TextWorker(encoder.name, str(encoder.folder))({"texts": [texts]})
    assert cosines(result["vector"], encoder.encode(texts)).min() >= 0.99999
    with pytest.raises(VibesError, match="not minilm-other"):
        TextWorker("minilm-other", str(encoder.folder))


def test_without_ray_its_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with on_ray(1) as cluster, pytest.raises(VibesError, match=r"pip install 'listing-vibes\[ray\]'"):
        list(cluster.map(TextWorker, ("a", "b"), [{"texts": ["c"]}]))
    assert current_cluster() is None
    vibes("embed", "market", "run", "--workers", "2", check=2)


@pytest.mark.slow
def test_deaths_of_an_actor_and_of_the_command_lose_nothing(tmp_path):
    pytest.importorskip("ray", reason="the extra `ray` is not installed")
    path = paint_market(tmp_path / "market", listings=400, photos=2, users=2, events=2)
    rng = np.random.default_rng(0)
    for file in Market.open(path).photos["path"]:  # each with a content of its own
        Image.fromarray(rng.integers(0, 256, (32, 32, 3), np.uint8)).save(path / file)
    copy = Path(shutil.copytree(path, tmp_path / "copy"))
    vibes("embed", copy, tmp_path / "local")
    command = [
        sys.executable, "-m", "listing_vibes", "embed", str(path), str(tmp_path / "ray"), "--engine", "ray", "--workers", "2",
    ]  # fmt: skip
    name = Run.open(tmp_path / "local").manifest.photo_encoder

    def stored() -> int:
        folder = path / ".cache" / "photos"
        return len(VectorCache(folder, name, None)._keys) if folder.is_dir() else 0

    for victim in ("command", "actor"):
        before, working = stored(), subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        while working.poll() is None and victim is not None:
            if stored() > before:  # a part was written
                if victim == "command":
                    children = psutil.Process(working.pid).children(recursive=True)
                    for process in (psutil.Process(working.pid), *children):
                        process.kill()
                elif actors := workers_of(working.pid):
                    actors[0].kill()
                victim = None
            time.sleep(0.01)
        _, problem = working.communicate(timeout=300)
        if "Ray did not start" in problem:
            pytest.skip("Ray did not start within its own time on this busy machine")
        assert victim is None, "it ended before it could be killed"
        assert working.returncode in (0, -9), problem
    assert working.returncode == 0
    market = Market.open(path)
    result = load_photo_vectors(path, market.photos, name)
    local = load_photo_vectors(copy, market.photos, name)
    # The command that continues begins with the engine of few photos, as one process does.
    assert result.ok.all() and cosines(result.vectors, local.vectors).min() >= AGREES_BF16
