"""Which addresses of media a page may load, and when. Pure."""

import re
from urllib.parse import urlsplit

# Characters of a `data:` address that is shown at once.
LONGEST_DATA = 4_000_000
MEDIA_TYPES = {
    "image": ("image/png", "image/jpeg", "image/gif", "image/webp", "image/avif"),
    "audio": ("audio/mpeg", "audio/ogg", "audio/wav", "audio/mp4", "audio/webm"),
    "video": ("video/mp4", "video/webm", "video/ogg"),
}
_DATA = re.compile(r"data:([a-z]+/[a-z0-9.+-]+);base64,[A-Za-z0-9+/]+={0,2}")


def is_inline(kind: str, address: str) -> bool:
    """A `data:` address of an allowed type and modest size: it may show at once."""
    if len(address) > LONGEST_DATA or not address.startswith("data:"):
        return False
    found = _DATA.fullmatch(address)
    return found is not None and found[1] in MEDIA_TYPES.get(kind, ())


def is_remote(address: str) -> bool:
    """An `https` address with a host: it loads only after a click."""
    try:
        parts = urlsplit(address)
        return parts.scheme == "https" and bool(parts.hostname) and not parts.username
    except ValueError:
        return False
