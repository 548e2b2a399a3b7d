"""What a host's robots.txt lets an agent ask for (RFC 9309), as Protego reads it."""

import re

from protego import Protego

_PRODUCT = re.compile(r"[A-Za-z_-]*")  # section 2.2.1
#: The version of a product, which Protego takes for a part of its name.
_VERSION = re.compile(r"^(\s*user-agent\s*:\s*[A-Za-z_-]+)/\S*", re.IGNORECASE | re.MULTILINE)


class Robots:
    """The rules for one agent.

    Args:
        text: the content of robots.txt.
        agent: its product counts alone: "our-shop" of "our-shop (it@example.com)".

    Attributes:
        delay: seconds between two requests, where `Crawl-delay` asks for some; not of the RFC.
    """

    def __init__(self, text: str, agent: str) -> None:
        product = _PRODUCT.match(agent.strip())
        self._product = product[0] if product else ""
        self._rules = Protego.parse(_VERSION.sub(r"\1", text.removeprefix("\ufeff")))
        self.delay = self._rules.crawl_delay(self._product)

    def allows(self, path: str) -> bool:
        """Return whether a path with its query may be asked for."""
        return bool(self._rules.can_fetch(f"http://host{path}", self._product))
