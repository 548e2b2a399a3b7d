"""Who may ask: the hosts that a request may name, a token, and headers that keep a browser from what it should not do.

A page of anywhere can make a browser ask 127.0.0.1 under a name of its own ("DNS rebinding"), so only names that were
allowed are answered; an address in figures cannot be such a name.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import ipaddress
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from listing_vibes.errors import VibesError, printable

TOKEN, HOSTS = "LISTING_VIBES_TOKEN", "LISTING_VIBES_ALLOWED_HOSTS"
SHORTEST = 16  # characters of a token
COOKIE = "listing-vibes-access"
JSON = "application/json"
#: Methods that change nothing. A web socket has none.
SAFE_METHODS = ("GET", "HEAD", "OPTIONS")

#: Of answers that no page shows.
SERVICE_HEADERS = {
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "cache-control": "no-store",
}


@dataclass(frozen=True)
class Access:
    """Who may ask.

    Attributes:
        token: that a request has to carry; None: none.
        hosts: names beside localhost and addresses in figures; `*.example.com` for all below one, `*` for all.
    """

    token: bytes | None = field(default=None, repr=False)
    hosts: tuple[str, ...] = ()

    @classmethod
    def of_environment(cls) -> Access:
        """As the environment variables LISTING_VIBES_TOKEN and LISTING_VIBES_ALLOWED_HOSTS say.

        Raises:
            VibesError: the token is short.
        """
        token = os.environ.get(TOKEN, "").strip()
        if token and len(token) < SHORTEST:
            raise VibesError(
                f"{TOKEN} has {len(token)} characters; give at least {SHORTEST}, for example of `openssl rand -hex 32`."
            )
        names = [name.strip().lower() for name in os.environ.get(HOSTS, "").split(",")]
        return cls(token.encode() or None, tuple(name for name in names if name))

    def allows(self, host: str) -> bool:
        """Whether a request may name this host (of its header, with or without a port)."""
        name = _without_port(host)
        if name == "localhost" or _is_address(name):
            return True
        return any(
            allowed in ("*", name) or (allowed.startswith("*.") and name.endswith(allowed[1:]))
            for allowed in self.hosts
        )

    def knows(self, token: bytes) -> bool:
        """Whether it is the token; takes as long for a nearly right one as for any other."""
        return self.token is not None and hmac.compare_digest(token, self.token)

    @property
    def cookie(self) -> bytes:
        """What a browser that has told the token carries from then on."""
        return hmac.new(self.token or b"", b"explorer", hashlib.sha256).hexdigest().encode()


class Guarded:
    """ASGI middleware that answers only those who may ask, over HTTP and web sockets.

    Args:
        headers: added to every answer that does not have them.
        browser: whether people ask with a browser: it is shown its own prompt, takes the token as the password of any
            name, and carries a cookie then (not every browser sends a password with a web socket).
    """

    def __init__(
        self,
        app: ASGIApp,
        access: Access,
        headers: Mapping[str, str] = SERVICE_HEADERS,
        browser: bool = False,
    ) -> None:
        self.app, self.access, self.browser = app, access, browser
        self.headers = [(name.encode(), value.encode()) for name, value in headers.items()]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            return await self.app(scope, receive, send)
        told = _Told(scope["headers"])
        if len(told.host) != 1 or not self.access.allows(told.host[0]):
            shown = printable(told.host[0])[:100] if told.host else ""
            error = f"The host '{shown}' is not known here; name it in {HOSTS} where the server is started."
            return await self._refuse(scope, send, 421, error)
        if scope.get("method") not in SAFE_METHODS and self._is_cross_site(told):
            return await self._refuse(scope, send, 403, "A page of another site may not send this.")
        by = self._known_by(told) if self.access.token else "nothing"
        if not by:
            error = "This needs a token; send it in the header 'Authorization: Bearer TOKEN'."
            return await self._refuse(scope, send, 401, error)

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ())]
                self._add(message["headers"])
                if by == "password":
                    message["headers"].append((b"set-cookie", self._cookie(scope)))
            await send(message)

        await self.app(scope, receive, sending)

    def _known_by(self, told: _Told) -> str:
        kind, _, value = told.authorization.partition(b" ")
        if kind.lower() == b"bearer" and self.access.knows(value.strip()):
            return "token"
        if not self.browser:
            return ""
        if hmac.compare_digest(told.cookies.get(COOKIE.encode(), b""), self.access.cookie):
            return "cookie"
        return "password" if kind.lower() == b"basic" and self.access.knows(_password(value)) else ""

    def _is_cross_site(self, told: _Told) -> bool:
        """Whether a browser says that a page of another site sends this; other clients say nothing of it."""
        if told.origin:
            return not self._same(told.origin, told.host[0])
        return told.fetch_site not in ("", "same-origin", "none")

    def _same(self, origin: str, host: str) -> bool:
        try:
            place = urlsplit(origin).netloc.lower()
        except ValueError:
            return False
        return place == host.lower() or (bool(place) and _without_port(place) in self.access.hosts)

    def _cookie(self, scope: Scope) -> bytes:
        secure = b"; Secure" if scope.get("scheme") in ("https", "wss") else b""
        return COOKIE.encode() + b"=" + self.access.cookie + b"; HttpOnly; SameSite=Strict; Path=/" + secure

    def _add(self, headers: list[tuple[bytes, bytes]]) -> None:
        there = {name.lower() for name, _ in headers}
        headers.extend(pair for pair in self.headers if pair[0] not in there)

    async def _refuse(self, scope: Scope, send: Send, status: int, error: str) -> None:
        if scope["type"] == "websocket":
            return await send({"type": "websocket.close", "code": 1008, "reason": error[:100]})
        headers = [(b"content-type", b"application/json")]
        if status == 401:
            kind = b'Basic realm="Listing Vibes", charset="UTF-8"' if self.browser else b"Bearer"
            headers.append((b"www-authenticate", kind))
        self._add(headers)
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": json.dumps({"error": error}).encode()})


class _Told:
    """The headers of a request that decide."""

    def __init__(self, headers: list[tuple[bytes, bytes]]) -> None:
        self.host: list[str] = []
        self.origin, self.fetch_site, self.authorization = "", "", b""
        self.cookies: dict[bytes, bytes] = {}
        for name, value in headers:
            if name == b"host":
                self.host.append(value.decode("latin-1").strip())
            elif name == b"origin":
                self.origin = value.decode("latin-1").strip()
            elif name == b"sec-fetch-site":
                self.fetch_site = value.decode("latin-1").strip()
            elif name == b"authorization":
                self.authorization = value.strip()
            elif name == b"cookie":
                parts = (part.strip().partition(b"=") for part in value.split(b";"))
                self.cookies |= {name: content for name, _, content in parts}


def is_json(content_type: str) -> bool:
    """Whether the header `Content-Type` names JSON, which a browser sends to another site only if that allows it.

    A browser asks nobody for `text/plain;x=json` or a multipart boundary named json, so the type alone counts.
    """
    return content_type.partition(";")[0].strip().lower() == JSON


def exposure_warning(host: str, access: Access) -> str:
    """Return one sentence if a service would listen beyond this machine without a token, else an empty string."""
    if access.token or host == "localhost" or (_is_address(host) and ipaddress.ip_address(host).is_loopback):
        return ""
    return (
        f"Warning: listening on {host} without a token, so whoever reaches this machine may ask and post; set {TOKEN}, for "
        "example to the output of `openssl rand -hex 32`."
    )


def _without_port(host: str) -> str:
    name = host.strip().lower()
    if name.startswith("["):
        return name[1:].partition("]")[0]
    return name.partition(":")[0].rstrip(".")


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _password(value: bytes) -> bytes:
    try:
        return base64.b64decode(value.strip(), validate=True).partition(b":")[2]
    except (binascii.Error, ValueError):
        return b""
