"""Access control of the service and the explorer: allowed hosts, a token, no posts from pages of other sites.

A web page can make a browser send requests to 127.0.0.1 under the page's own host name ("DNS rebinding"), so only allowed
names are answered; an IP address cannot be such a name. Starlette's TrustedHostMiddleware cannot allow all IP addresses.
"""

import base64
import binascii
import hashlib
import hmac
import ipaddress
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from starlette.datastructures import MutableHeaders
from starlette.requests import HTTPConnection
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from listing_vibes.errors import VibesError, printable

TOKEN, HOSTS = "LISTING_VIBES_TOKEN", "LISTING_VIBES_ALLOWED_HOSTS"
MIN_TOKEN = 16  # characters
COOKIE = "listing-vibes-access"
JSON = "application/json"
#: Methods without side effects. A web socket has no method.
SAFE_METHODS = ("GET", "HEAD", "OPTIONS")

#: Headers of responses that are not pages.
SERVICE_HEADERS = {
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "cache-control": "no-store",
}


#: The status of each code of a response that is not an error of a request, see `listing_vibes.request_errors.SENTENCES`.
STATUSES = {
    "no_token": 401,
    "foreign_page": 403,
    "no_route": 404,
    "no_method": 405,
    "too_large": 413,
    "unknown_host": 421,
    "too_many_values": 422,
    "invalid": 422,
    "failed": 500,
    "busy": 503,
}


def problem(
    code: str, sentence: str, headers: Mapping[str, str] | None = None, status: int | None = None
) -> JSONResponse:
    """Return the response to a request that failed: a code that a client can compare, and one sentence.

    Args:
        status: None for that of the code.
    """
    status = STATUSES.get(code, 422) if status is None else status
    retry = {"retry-after": "1"} if status == 503 else {}
    return JSONResponse({"error": sentence, "code": code}, status, {**(headers or {}), **retry})


@dataclass(frozen=True)
class Access:
    """Access rules.

    Attributes:
        token: token that a request must carry; None: no token is needed.
        hosts: allowed names in addition to localhost and IP addresses; `*.example.com` for all subdomains, `*` for all.
    """

    token: bytes | None = field(default=None, repr=False)
    hosts: tuple[str, ...] = ()

    @classmethod
    def of_environment(cls) -> "Access":
        """Read the environment variables LISTING_VIBES_TOKEN and LISTING_VIBES_ALLOWED_HOSTS.

        Raises:
            VibesError: the token is too short.
        """
        token = os.environ.get(TOKEN, "").strip()
        if token and len(token) < MIN_TOKEN:
            raise VibesError(
                f"{TOKEN} has {len(token)} characters; give at least {MIN_TOKEN}, for example of `openssl rand -hex 32`."
            )
        names = [name.strip().lower() for name in os.environ.get(HOSTS, "").split(",")]
        return cls(token.encode() or None, tuple(name for name in names if name))

    def allows(self, host: str) -> bool:
        """Return whether a request for this host, with or without a port, is allowed."""
        name = _without_port(host)
        return _is_local_or_address(name) or any(
            allowed in ("*", name) or (allowed.startswith("*.") and name.endswith(allowed[1:]))
            for allowed in self.hosts
        )

    def knows(self, token: bytes) -> bool:
        """Return whether this is the token, compared in constant time."""
        return self.token is not None and hmac.compare_digest(token, self.token)

    @property
    def cookie(self) -> str:
        """Return the value of the cookie for a browser that has sent the token."""
        return hmac.new(self.token or b"", b"explorer", hashlib.sha256).hexdigest()

    def allows_origin(self, connection: HTTPConnection) -> bool:
        """Return whether a request does not come from a page of another site, by the headers of browsers; other clients send none."""
        headers = connection.headers
        if not (origin := headers.get("origin", "")):
            return headers.get("sec-fetch-site", "") in ("", "same-origin", "none")
        try:
            host = urlsplit(origin).netloc.lower()
        except ValueError:
            return False
        return host == headers["host"].lower() or (bool(host) and _without_port(host) in self.hosts)


class AccessMiddleware:
    """ASGI middleware that passes only allowed requests, over HTTP and web sockets.

    Args:
        headers: added to every response that does not have them.
        browser: whether browsers may prompt for the token as the password of any user name, and then carry a cookie
            (not every browser sends a password with a web socket).
    """

    def __init__(
        self,
        app: ASGIApp,
        access: Access,
        headers: Mapping[str, str] = SERVICE_HEADERS,
        browser: bool = False,
    ) -> None:
        self.app, self.access, self.headers, self.browser = app, access, headers, browser

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            return await self.app(scope, receive, send)
        connection, gives_password = HTTPConnection(scope), False

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in self.headers.items():
                    headers.setdefault(name, value)
                if gives_password:
                    secure = "; Secure" if scope.get("scheme") in ("https", "wss") else ""
                    value = f"{COOKIE}={self.access.cookie}; HttpOnly; SameSite=Strict; Path=/{secure}"
                    headers.append("set-cookie", value)
            await send(message)

        hosts = connection.headers.getlist("host")
        credentials = self._credentials(connection) if self.access.token else "none needed"
        gives_password = credentials == "password"
        if len(hosts) != 1 or not self.access.allows(hosts[0]):
            host = printable(hosts[0])[:100] if hosts else ""
            refused = (
                "unknown_host",
                f"The host '{host}' is not allowed; name it in {HOSTS} where the server is started.",
            )
        elif scope.get("method") not in SAFE_METHODS and not self.access.allows_origin(connection):
            refused = "foreign_page", "A page of another site may not send this."
        elif not credentials:
            refused = "no_token", "This needs a token; send it in the header 'Authorization: Bearer TOKEN'."
        else:
            return await self.app(scope, receive, send_with_headers)
        if scope["type"] == "websocket":
            return await send({"type": "websocket.close", "code": 1008, "reason": refused[1][:100]})
        scheme = 'Basic realm="Listing Vibes", charset="UTF-8"' if self.browser else "Bearer"
        headers = {"www-authenticate": scheme} if refused[0] == "no_token" else {}
        gives_password = False
        await problem(*refused, headers)(scope, receive, send_with_headers)

    def _credentials(self, connection: HTTPConnection) -> str:
        """Return how a request presents the token; empty: it does not."""
        scheme, _, value = connection.headers.get("authorization", "").strip().partition(" ")
        if scheme.lower() == "bearer" and self.access.knows(value.strip().encode("latin-1")):
            return "token"
        if not self.browser:
            return ""
        cookie = connection.cookies.get(COOKIE, "")
        if hmac.compare_digest(cookie.encode(), self.access.cookie.encode()):
            return "cookie"
        return "password" if scheme.lower() == "basic" and self.access.knows(_password(value)) else ""


def is_json(content_type: str) -> bool:
    """Return whether the header `Content-Type` names JSON, which a browser sends to another site only if that site allows it.

    Browsers send `text/plain;x=json` or a multipart boundary named json without permission, so only the type counts.
    """
    return content_type.partition(";")[0].strip().lower() == JSON


def exposure_warning(host: str, access: Access) -> str:
    """Return a warning if a service would listen on a public interface without a token, else an empty string."""
    name = _without_port(host) if host.count(":") < 2 else host
    is_loopback = name == "localhost" or (
        _is_local_or_address(name) and ipaddress.ip_address(name).is_loopback
    )
    if access.token or is_loopback:
        return ""
    return (
        f"Warning: listening on {host} without a token, so anyone who can reach this machine can send requests; set {TOKEN}, for "
        "example to the output of `openssl rand -hex 32`."
    )


def _without_port(host: str) -> str:
    name = host.strip().lower()
    return name[1:].partition("]")[0] if name.startswith("[") else name.partition(":")[0].rstrip(".")


def _is_local_or_address(name: str) -> bool:
    try:
        return name == "localhost" or bool(ipaddress.ip_address(name))
    except ValueError:
        return False


def _password(value: str) -> bytes:
    try:
        return base64.b64decode(value.strip(), validate=True).partition(b":")[2]
    except (binascii.Error, ValueError):
        return b""
