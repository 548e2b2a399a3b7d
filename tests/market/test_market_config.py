"""market.toml: one that cannot be read is no missing one, and what is saved is what is loaded."""

import pytest

from listing_vibes.errors import VibesError
from listing_vibes.market.config import AttributeConfig, MarketConfig
from listing_vibes.market.market import Market


@pytest.mark.parametrize("kind", ["link to nothing", "link to itself", "folder"])
def test_a_file_that_cannot_be_read_does_not_count_as_missing(tmp_path, kind):
    (tmp_path / "listings.csv").write_text("listing_id,rating\na,5\n")
    path = tmp_path / "market.toml"
    if kind == "folder":
        path.mkdir()
    else:
        path.symlink_to("market.toml" if kind == "link to itself" else tmp_path / "gone.toml")
    with pytest.raises(VibesError, match=r"Cannot read .*market\.toml"):
        Market.open(tmp_path)


def test_what_is_saved_is_loaded_and_a_byte_order_mark_is_skipped(tmp_path):
    path, price = tmp_path / "market.toml", AttributeConfig(kind="number", label="Price", unit="€")
    assert MarketConfig.load(path) == MarketConfig()
    path.write_bytes(b"\xef\xbb\xbfname = 'Ulm'")
    assert MarketConfig.load(path).name == "Ulm"
    config = MarketConfig(
        name='Märkte "am See"', title="name", attributes={"price": price}, actions=["view"], excluded=["x"]
    )
    config.save(path)
    assert MarketConfig.load(path) == config
