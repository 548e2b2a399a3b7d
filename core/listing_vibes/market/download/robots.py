"""What a host's robots.txt lets an agent ask for (RFC 9309), which Python's own reader tells of simple files alone."""

import re
import string
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import quote

_PRODUCT = re.compile(r"[A-Za-z_-]+")  # section 2.2.1
_ENCODED = re.compile(r"%([0-9A-Fa-f]{2})")
_UNRESERVED = string.ascii_letters + string.digits + "-._~"


@dataclass(frozen=True)
class Robots:
    """The rules for one agent.

    Attributes:
        rules: a pattern of paths each, in which `*` stands for anything and a last `$` for the end, and whether it allows them.
        delay: seconds between two requests, where `Crawl-delay` asks for some; not of the RFC.
    """

    rules: tuple[tuple[str, bool], ...] = ()
    delay: float | None = None

    @classmethod
    def read(cls, lines: Iterable[str], agent: str) -> "Robots":
        """Those of all groups that name the product of `agent` ("our-shop" of "our-shop (it@example.com)"), else of `*` (2.2.1)."""
        product = _PRODUCT.match(agent.strip())
        own = product[0].lower() if product else ""
        groups: dict[str, list[tuple[str, str]]] = {}
        named: list[str] = []  # by the group that is being read
        ruled = False
        for line in lines:
            key, colon, value = line.removeprefix("\ufeff").partition("#")[0].partition(":")
            key, value = key.strip().lower(), value.strip()
            if not colon:
                continue
            if key == "user-agent":
                found = _PRODUCT.match(value)
                name = "*" if value == "*" else found[0].lower() if found else ""
                named = [name] if ruled else [*named, name]
                ruled = False
                groups.setdefault(name, [])
            elif key in ("allow", "disallow", "crawl-delay"):
                ruled = True
                for name in dict.fromkeys(named):
                    groups[name].append((key, value))
        told = groups.get(own) if own in groups and own else groups.get("*", [])
        delays = [float(value) for key, value in told or [] if key == "crawl-delay" and _is_seconds(value)]
        rules = tuple(
            (_plain(value), key == "allow") for key, value in told or [] if key != "crawl-delay" and value
        )
        return cls(rules, max(delays, default=None))

    def allows(self, path: str) -> bool:
        """Whether a path with its query may be asked for: by the longest pattern that it matches, of two as long the one that
        allows (2.2.2)."""
        path = _plain(path)
        matched = [(len(pattern), allowed) for pattern, allowed in self.rules if _matches(pattern, path)]
        return max(matched, default=(0, True))[1]


def _is_seconds(value: str) -> bool:
    return re.fullmatch(r"\d{1,6}(\.\d{1,6})?", value) is not None


def _plain(path: str) -> str:
    """A path or a pattern with one way of writing each letter (2.2.2): what needs no per cent sign has none."""

    def letter(found: re.Match[str]) -> str:
        one = chr(int(found[1], 16))
        return one if one in _UNRESERVED else found[0].upper()

    return _ENCODED.sub(letter, quote(path, safe=string.punctuation))


def _matches(pattern: str, path: str) -> bool:
    """Part by part, each as early as can be: so no pattern takes long (2.2.3)."""
    ends = pattern.endswith("$")
    first, *others = pattern.removesuffix("$").split("*")
    if not path.startswith(first):
        return False
    place = len(first)
    if ends and not others:
        return place == len(path)
    last = others.pop() if ends else ""
    for part in others:
        place = path.find(part, place)
        if place < 0:
            return False
        place += len(part)
    return len(path) - len(last) >= place and path.endswith(last)
