"""On a CUDA GPU: train, embed, evaluate, recommend, and the same weights give the same answers as on the CPU.

Skipped without one. `tests/test_device.py` asks the same of a second device that every machine has.
"""

import pytest
import torch

from helpers.on_devices import WAYS, photo_market, same_weights_same_answers, settings_of, trained_on
from listing_vibes.features.photos.encoders import market_photos

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA GPU")


@pytest.fixture(scope="module")
def market(tmp_path_factory):
    return photo_market(tmp_path_factory.mktemp("gpu") / "market")


@pytest.fixture(scope="module")
def photos(market):
    return market_photos(market, "tf_efficientnet_lite0")


@pytest.mark.parametrize("bf16", [False, None], ids=["float32", "as the GPU likes"])
@pytest.mark.parametrize("way", WAYS)
def test_a_gpu_trains_and_answers_as_the_cpu_does(way, bf16, market, photos, tmp_path):
    run = trained_on("cuda", market, tmp_path / "run", settings_of(way, bf16), photos)
    assert run.manifest.encoded_by.startswith("cuda-")
    same_weights_same_answers(run.path, "cuda", tmp_path)
