"""Why a request is not answered, beside `VibesError` (bad input, status 422)."""

from listing_vibes.errors import VibesError


class Busy(VibesError):
    """More requests are waiting than the service may hold (status 503)."""
