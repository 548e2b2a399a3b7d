"""A market's photo vectors by the name of an encoder: a timm model, a trained one, the market's autoencoder, or one of a package."""

from pathlib import Path
from typing import Self

from listing_vibes.errors import VibesError
from listing_vibes.features.photos.photo_vectors import Encoder, PhotoVectors, embed_photos
from listing_vibes.market.market import Market
from listing_vibes.progress import Report, silent
from listing_vibes.registry import Registry, load

#: Separates an encoder's entry point name from its version.
VERSION = "@"


class CustomPhotoEncoder(Encoder):
    """A photo encoder of a package: the entry point `clip` defines `--encoder clip`, and holds a subclass.

    Its name is that of the entry point, and after an @ the version, such as "clip@b16".
    """

    @classmethod
    def open(cls, weights: Path | None) -> Self:
        """Return an encoder that is ready to use, with the file of `--weights`.

        Raises:
            VibesError: it cannot be loaded on this machine, or does not support weights.
        """
        if weights is not None:
            raise VibesError(f"The photo encoder of {cls.__name__} does not support --weights; leave it out.")
        return cls()


PHOTO_ENCODERS: Registry[CustomPhotoEncoder] = Registry(
    __name__, CustomPhotoEncoder, "photo encoder", group="listing_vibes.encoders"
)


def market_photos(
    market: Market, name: str = "auto", weights: Path | None = None, report: Report = silent
) -> PhotoVectors | None:
    """Return the vectors of all photos, embedding those that are not cached; None for a market without photos.

    `name` is that of an encoder, see `load_photo_encoder`, or "vae" for the market's autoencoder.

    Raises:
        VibesError: the encoder is not available.
    """
    if not len(market.photos):
        return None
    encoder = encoder_of(market, name, weights, report)
    return embed_photos(market.path, market.photos, encoder, report=report)


def encoder_of(market: Market, name: str, weights: Path | None = None, report: Report = silent) -> Encoder:
    """Return a photo encoder by its short or full name; the market's autoencoder is trained at its first use.

    Raises:
        VibesError: the encoder is not available, or is another version of a package's.
    """
    if name == "vae" or name.startswith("vae-"):
        vae: Encoder = load("listing_vibes.variants.vae:market_vae")(
            market.path, market.photos, name, weights, report=report
        )
        return vae
    encoder = open_encoder(name, weights)
    encoder.recipe = (name, None if weights is None else str(weights))
    return encoder


def open_encoder(name: str, weights: Path | None = None) -> Encoder:
    """Return a photo encoder that needs no market, by its short or full name.

    Raises:
        VibesError: the encoder is not available, or is another version of a package's.
    """
    key = name.partition(VERSION)[0]
    if key in PHOTO_ENCODERS:
        custom = PHOTO_ENCODERS[key].open(weights)
        custom.check_name(name, custom.name.partition(VERSION)[0])
        return custom
    # Importing timm is avoided for markets without photos.
    from listing_vibes.features.photos.photo_encoder import load_photo_encoder

    return load_photo_encoder(name, weights)
