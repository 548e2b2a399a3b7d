"""Display names: of listings, the title, or the id where it is readable; of users, their ids or keyed hashes of them."""

import base64
import hmac
import os
import re
import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from listing_vibes.errors import VibesError, printable
from listing_vibes.words import cut

if TYPE_CHECKING:
    from listing_vibes.market.market import Market

#: Names of title columns where market.toml does not name one, the most reliable first.
TITLES = ("title", "name", "headline", "listing_title", "listing_name", "product_title", "product_name", "item_title", "item_name")  # fmt: skip
_LETTERS = 60  # maximum length of a title on one line
_SOME = 1_000  # values that are checked for codes
_MANY = 100  # distinct integers, from which on they count as codes, however short: "69" names no manufacturer
_CODE = re.compile(r"\d{5,}|[0-9a-f-]{16,}", re.IGNORECASE)  # a year or a number of rooms is shorter
#: An id without meaning for a reader.
_OPAQUE = re.compile(r"^[0-9a-f]{8}-?[0-9a-f]{4}-|^[0-9a-f]{16,}$|.{25,}", re.IGNORECASE)
#: The environment variable of the key, for those who do not store it next to the tables.
VARIABLE, FILE = "LISTING_VIBES_USER_KEY", ".user-key"
LEAST_KEY = 16  # characters
_PROCESS_KEY = secrets.token_hex(32)  # of markets in memory
#: A name that may be a hash of `hashed_name`.
HASHED = re.compile(r"u-[a-z2-7]{16}")


def find_title(market: "Market") -> str | None:
    """Return the attribute with the name of a title whose values, text or categories, differ between most listings; None: there is none."""
    by_name = {item.name.strip().lower().replace(" ", "_"): item for item in market.attributes}
    for item in (by_name[name] for name in TITLES if name in by_name):
        is_varied = item.kind == "category" and 2 * market.listings[item.name].nunique() > len(
            market.listings
        )
        if item.kind == "text" or is_varied:
            return item.name
    return None


def is_code(values: pd.Series) -> bool:
    """Return whether most values of a column are unreadable codes: product numbers, postcodes, ids."""
    texts = {value for value in values.head(_SOME) if isinstance(value, str)}
    has_numbers = len(texts) >= _MANY
    codes = [text for text in texts if _CODE.fullmatch(text) or (has_numbers and text.isdecimal())]
    return bool(texts) and 2 * len(codes) >= len(texts)


def identity(identifier: str, kind: str, row: int) -> str:
    """Return the display name of an object with only an id: the id where it is readable, else its number in the market."""
    if _OPAQUE.search(identifier):
        return f"{kind} no. {row + 1:,}"
    identifier = printable(identifier)
    return identifier if identifier.lower().startswith(kind.lower()) else f"{kind} {identifier}"


def title_of(market: "Market", listing: str) -> str:
    """Return a listing's display name, cut to one line."""
    row = market.listing_row.get(listing)
    if row is None:
        return "Listing"
    title = market.title_text(row)
    return identity(listing, "Listing", row) if title is None else cut(title, _LETTERS)


def hashed_name(user: str, key: bytes) -> str:
    """Return the name of an id under a key: the first 80 bits of its HMAC-SHA256."""
    digest = hmac.digest(key, user.encode("utf-8", "surrogatepass"), "sha256")[:10]
    return "u-" + base64.b32encode(digest).decode().lower()


class UserNames:
    """The names of a market's users.

    The tables hold the ids themselves. All readers of `Market` (page, command, service, lists, tables of queries, Python) see
    names: the ids, or with `[privacy] users = "hashed"` in `market.toml` the first 80 bits of their HMAC-SHA256 (RFC 2104). The
    key is that of the environment variable `LISTING_VIBES_USER_KEY`, else a random one in the market's folder, or of this process for a
    market in memory.

    Args:
        market: the market's folder; None: it is in memory.
    """

    def __init__(self, market: Path | None, hashed: bool) -> None:
        self.market, self.hashed = market, hashed

    def shown(self, users: pd.Series) -> pd.Series:
        """Return the names of ids (n,) str; missing ids stay missing.

        Raises:
            VibesError: the key is too short, or cannot be read or created.
        """
        if not self.hashed or not len(users):
            return users
        names = {user: self.of(str(user)) for user in users.dropna().unique()}
        return users.map(names).astype(users.dtype)

    def of(self, user: str) -> str:
        """Return the name of an id."""
        return hashed_name(user, self._key) if self.hashed else user

    @cached_property
    def _key(self) -> bytes:
        key, where = os.environ.get(VARIABLE, ""), f"The environment variable {VARIABLE}"
        if not key and self.market is None:
            key = _PROCESS_KEY
        elif not key and self.market:
            key, where = _key_of_file(self.market), str(self.market / FILE)
        if len(key) < LEAST_KEY:
            raise VibesError(
                f"{where} holds a key of {len(key)} characters; give {LEAST_KEY} or more, at random."
            )
        return key.encode()

    def store_key(self, folder: Path) -> None:
        """Store the key in the folder of a market that is saved, unless the folder or the environment has one."""
        if self.hashed and not os.environ.get(VARIABLE):
            _key_of_file(folder, self._key.decode())


def _key_of_file(market: Path, new_key: str = "") -> str:
    """Return the key next to the tables; the first process that needs it creates it, as `new_key` or at random."""
    path = market / FILE
    try:
        if not path.exists():
            market.mkdir(parents=True, exist_ok=True)
            new = path.with_name(f"{FILE}-{secrets.token_hex(8)}")
            with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as stream:
                stream.write(new_key or secrets.token_hex(32))
            with suppress(FileExistsError):
                os.link(new, path)  # never replaces a key that another process created concurrently
            new.unlink()
        return path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not text"
        raise VibesError(
            f"The key that hashes user ids cannot be read or created at {path} ({reason}); set {VARIABLE}."
        ) from error


class NumberedUsers(Mapping[str, int]):
    """User numbers in a log by display name, and where names are hashed also by id."""

    def __init__(self, users: Sequence[str], names: UserNames) -> None:
        self._names, self._number = names, {name: number for number, name in enumerate(users)}

    def __getitem__(self, user: str) -> int:
        result = self._number.get(user)
        return self._number[self._names.of(user)] if result is None else result

    def __iter__(self) -> Iterator[str]:
        return iter(self._number)

    def __len__(self) -> int:
        return len(self._number)
