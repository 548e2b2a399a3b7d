"""market.toml: what is refused, and that what is saved is what is loaded."""

import pytest

from listing_vibes.errors import VibesError
from listing_vibes.market.config import AttributeConfig, MarketConfig
from listing_vibes.market.market import Market


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("titel = 'name'", "unknown key 'titel'"),
        ("[attributes.price]\nkind = 'number'\nunits = 'EUR'", r"unknown key 'attributes\.price\.units'"),
        ("[attributes.price]\nkind = 'money'", r"'attributes\.price\.kind' is 'money'"),
        (
            "[attributes.price]\nkind = 'number'\nseparator = ';'",
            "separator goes with kind 'multi', not 'number'",
        ),
        ("name = ", "is not valid TOML"),
        ("excluded = 'rating'", "'excluded' is 'rating'"),
        ("actions = ['view', 'save', 'view']", "'view' is listed twice"),
    ],
)
def test_a_wrong_configuration_is_one_sentence(tmp_path, text, says):
    path = tmp_path / "market.toml"
    path.write_text(text)
    with pytest.raises(VibesError, match=says) as caught:
        MarketConfig.load(path)
    assert "market.toml" in str(caught.value)


def test_text_that_is_not_utf8_is_one_sentence(tmp_path):
    path = tmp_path / "market.toml"
    path.write_bytes(b"name = 'caf\xe9'")
    with pytest.raises(VibesError, match="is not valid TOML"):
        MarketConfig.load(path)


@pytest.mark.parametrize("kind", ["link to nothing", "link to itself", "folder"])
def test_what_cannot_be_read_is_no_missing_file(tmp_path, kind):
    (tmp_path / "listings.csv").write_text("listing_id,rating\na,5\n")
    path = tmp_path / "market.toml"
    if kind == "folder":
        path.mkdir()
    else:
        path.symlink_to("market.toml" if kind == "link to itself" else tmp_path / "gone.toml")
    with pytest.raises(VibesError, match=r"Cannot read .*market\.toml"):
        Market.open(tmp_path)


def test_no_file_is_an_empty_configuration_and_a_byte_order_mark_is_skipped(tmp_path):
    path = tmp_path / "market.toml"
    assert MarketConfig.load(path) == MarketConfig()
    path.write_bytes(b"\xef\xbb\xbfname = 'Ulm'")
    assert MarketConfig.load(path).name == "Ulm"


def test_what_is_saved_is_loaded(tmp_path):
    config = MarketConfig(
        name='Märkte "am See"',
        title="name",
        attributes={"price": AttributeConfig(kind="number", label="Price", unit="€")},
        actions=["view", "save"],
        excluded=["rating"],
    )
    config.save(tmp_path / "market.toml")
    assert MarketConfig.load(tmp_path / "market.toml") == config
