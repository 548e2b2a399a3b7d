"""Access control of the explorer, and the content security policy of its pages."""

from starlette.middleware import Middleware

from listing_vibes.serving.service.access import Access, AccessMiddleware

#: A page loads from its own server only, so that injected markup in a title or a label cannot contact another machine.
#: Streamlit needs inline scripts and scripts from text (for components), and plotly compiles functions from text.
_POLICY = {
    "default-src": "'self'",
    "script-src": "'self' 'unsafe-inline' 'unsafe-eval' blob: data:",
    "style-src": "'self' 'unsafe-inline'",
    "img-src": "'self' data: blob:",
    "font-src": "'self' data:",
    "media-src": "'self' data: blob:",
    "worker-src": "'self' blob:",
    "connect-src": "'self' data: blob:",
    "object-src": "'none'",
    "base-uri": "'self'",
    "form-action": "'self'",
    "frame-ancestors": "'self'",
}
HEADERS = {
    "content-security-policy": "; ".join(f"{name} {sources}" for name, sources in _POLICY.items()),
    "cross-origin-opener-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "referrer-policy": "same-origin",
    "x-content-type-options": "nosniff",
}


def middleware() -> list[Middleware]:
    """Return the middleware of the explorer's routes.

    Raises:
        VibesError: see `Access.of_environment`.
    """
    return [Middleware(AccessMiddleware, access=Access.of_environment(), headers=HEADERS, browser=True)]
