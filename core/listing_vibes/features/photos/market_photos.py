"""A market's photo vectors by the names of one or several encoders of any kind."""

from pathlib import Path

from listing_vibes.errors import VibesError
from listing_vibes.features.photos.encoders import PHOTO_ENCODERS, VERSION
from listing_vibes.features.photos.vae import is_vae, market_vae
from listing_vibes.features.photos.vectors import JOIN, Encoder, PhotoVectors, combine, embed_photos
from listing_vibes.market.market import Market
from listing_vibes.progress import Report, renamed


def market_photos(
    market: Market, names: str = "auto", weights: Path | None = None, report: Report | None = None
) -> PhotoVectors | None:
    """Return the vectors of all photos, embedding those that are not cached; None for a market without photos.

    Args:
        names: of one encoder (see `load_photo_encoder`; "vae": the market's autoencoder), or several joined by "+".
        weights: a weights file, allowed only for a single encoder.

    Raises:
        VibesError: an encoder is not available, or a name occurs twice.
    """
    if not len(market.photos):
        return None
    encoders = names.split(JOIN)
    if len(set(encoders)) < len(encoders):
        raise VibesError(f"The photo encoders '{names}' contain a name twice; give each name once.")
    if weights is not None and len(encoders) > 1:
        raise VibesError(
            f"One weights file cannot serve the {len(encoders)} photo encoders '{names}'; give one encoder."
        )
    parts: list[PhotoVectors] = []
    for name in reversed(encoders):  # the first one last, so that it becomes the default for reading
        encoder = encoder_of(market, name, weights, report)
        what = "photos" if len(encoders) == 1 else f"photos, {name}"
        parts.append(embed_photos(market.path, market.photos, encoder, report=renamed(report, what)))
    return combine(parts[::-1])


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
