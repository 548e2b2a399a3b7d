"""Who may ask the explorer, and what its pages may load."""

from starlette.middleware import Middleware

from listing_vibes.serving.service.access import Access, AccessMiddleware

#: A page loads from its own server alone: what a title or a label of a market smuggles in reaches no other machine.
#: Streamlit writes scripts into its page and makes those of components from text, plotly draws with functions made from text.
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
    """What stands before the explorer's routes.

    Raises:
        VibesError: see `Access.of_environment`.
    """
    return [Middleware(AccessMiddleware, access=Access.of_environment(), headers=HEADERS, browser=True)]
