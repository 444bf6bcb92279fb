"""How a route says that it will go: since when it is deprecated, and from when on it may be gone."""

from datetime import datetime
from email.utils import format_datetime

from aiohttp import web

MORE = "/docs#deprecated"


def mark(response: web.StreamResponse, deprecated: datetime | None, sunset: datetime | None) -> None:
    """Add `Deprecation` (RFC 9745), `Sunset` (RFC 8594) and the link to what it means."""
    if deprecated is not None:
        response.headers["Deprecation"] = f"@{int(deprecated.timestamp())}"
        response.headers.add("Link", f'<{MORE}>; rel="deprecation"; type="text/html"')
    if sunset is not None:
        response.headers["Sunset"] = format_datetime(sunset, usegmt=True)
