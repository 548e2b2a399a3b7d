"""Which space a run with the model `homes` compares by, on real markets; measured in assets/docs/research."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from listing_vibes.features.featurizer import Featurizer
from listing_vibes.features.market_summary import coverage
from listing_vibes.features.transfer import TransferReport
from listing_vibes.market.caches import DEMO, MODELS
from listing_vibes.market.importers import import_market
from listing_vibes.market.market import Market
from listing_vibes.run.run import Run
from listing_vibes.run.spaces import default_space

pytestmark = pytest.mark.real
TOWNS = (
    "trentino-2015-10", "singapore-2023-09", "salem-or-2023-03", "albany-2024-11", "barossa-valley-2023-06",
    "antwerp-2015-10", "santa-cruz-county-2015-10", "oakland-2015-07",
)  # fmt: skip


def chosen(market: Market, photos: bool = False) -> str:
    """The default space of a run over `market` with the model `homes`."""
    featurizer = Featurizer.load(MODELS / "homes")
    carried = TransferReport.of(market, featurizer, MODELS / "homes", "homes")
    there = np.ones((len(market.listings), 1), np.float32)
    spaces = dict.fromkeys(("model", "attributes", *(["photos"] if photos else [])), there)
    return default_space(market, spaces, coverage(market, featurizer, carried)).space


@pytest.mark.parametrize("town", TOWNS)
def test_a_town_is_compared_by_the_model_until_half_of_its_columns_have_other_names(
    town, real_data, tmp_path
):
    import_market("inside-airbnb", real_data / "inside-airbnb" / town, tmp_path / "market")
    market = Market.open(tmp_path / "market")
    assert chosen(market) == "model"
    names = sorted(one.name for one in market.attributes if one.kind != "place")[1::2]
    assert chosen(market.renamed({name: f"my_{name}" for name in names})) == "attributes"


def test_houses_with_photos_are_compared_by_their_attributes(real_data: Path, tmp_path):
    homes = pd.read_csv(real_data / "houses" / "houses.csv").rename(columns={"item_id": "listing_id"})
    market = Market.from_frames(homes, path=tmp_path / "market", attributes={"zipcode": "category"})
    assert chosen(market, photos=True) == "attributes"


def test_the_demo_is_compared_by_its_own_model_or_by_its_attributes():
    assert Run.open(DEMO / "run").spaces[0] == "model"
    assert chosen(Market.open(DEMO), photos=True) == "attributes"
