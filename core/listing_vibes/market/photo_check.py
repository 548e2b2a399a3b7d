"""What is wrong with a photo file, without decoding a sound one."""

from pathlib import Path

from listing_vibes.market.photo_decoding import decoding_problem
from listing_vibes.market.photo_folders import PhotoFolders

MISSING = "is missing"
OUTSIDE = "lies outside of the market folder"


def photo_problem(name: str, folders: PhotoFolders) -> str | None:
    """Return what is wrong with the photo at the path `name` of a market (missing, no image, too large, cut short, ...), or None.

    The header is read; the pixels are decoded only where the file does not end as its format must.
    """
    path = Path(folders.file(name))
    try:
        if not path.is_file():
            return MISSING
        if not folders.contain(path.resolve()):
            return OUTSIDE
        if path.stat().st_size == 0:
            return "is an empty file"
    except Exception as error:  # of a name that no system takes
        return f"is damaged ({error})"
    return decoding_problem(path, whole=False)


def undecodable(path: Path) -> str | None:
    """Return why no picture can be made of a file that was just received, or None; all of its pixels are decoded."""
    return decoding_problem(path, whole=True)
