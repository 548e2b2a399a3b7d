"""A market's photo vectors by the name of an encoder of any kind."""

from pathlib import Path

from listing_vibes.errors import VibesError
from listing_vibes.features.photos.encoders import PHOTO_ENCODERS, VERSION
from listing_vibes.features.photos.vae import is_vae, market_vae
from listing_vibes.features.photos.vectors import Encoder, PhotoVectors, embed_photos
from listing_vibes.market.market import Market
from listing_vibes.progress import Report


def market_photos(
    market: Market, name: str = "auto", weights: Path | None = None, report: Report | None = None
) -> PhotoVectors | None:
    """Return the vectors of all photos, embedding those that are not cached; None for a market without photos.

    Args:
        name: of the encoder, see `load_photo_encoder`; "vae": the market's autoencoder.
        weights: a weights file.

    Raises:
        VibesError: the encoder is not available.
    """
    if not len(market.photos):
        return None
    encoder = encoder_of(market, name, weights, report)
    return embed_photos(market.path, market.photos, encoder, report=report)


def encoder_of(
    market: Market, name: str, weights: Path | None = None, report: Report | None = None
) -> Encoder:
    """Return a photo encoder by its short or full name; the market's autoencoder is trained at its first use.

    Raises:
        VibesError: the encoder is not available, or is another version of a package's.
    """
    if is_vae(name):
        return market_vae(market.path, market.photos, name, weights, report=report)
    key, _, version = name.partition(VERSION)
    if key in PHOTO_ENCODERS:
        custom = PHOTO_ENCODERS[key].open(weights)
        if custom.name.partition(VERSION)[0] != key or (version and custom.name != name):
            raise VibesError(
                f"The photo encoder '{name}' is now '{custom.name}', whose vectors cannot be compared with earlier ones; "
                "install the earlier version, or train again."
            )
        return custom
    # Importing timm is avoided for markets without photos.
    from listing_vibes.features.photos.tail import load_photo_encoder

    return load_photo_encoder(name, weights)
