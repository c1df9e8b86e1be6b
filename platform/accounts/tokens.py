"""Secrets that travel in links and codes: shown once, kept as a hash.

A token has 256 random bits, so a plain SHA-256 cannot be turned back, and looking it up by that
hash tells a stopwatch nothing about the token.
"""

import hashlib
import secrets

# Without letters and digits that look alike when they are copied by hand.
_CODE = "ABCDEFGHJKMNPQRSTVWXYZ23456789"


def new_token() -> tuple[str, str]:
    """A fresh token for a link, and what is stored of it."""
    token = secrets.token_urlsafe(32)
    return token, digest(token)


def new_code() -> tuple[str, str]:
    """A code a person can write down (`K7QF-2MXP-…`, 78 bits), and what is stored of it."""
    code = "-".join("".join(secrets.choice(_CODE) for _ in range(4)) for _ in range(4))
    return code, digest(code)


def digest(token: str) -> str:
    """What is stored of a token: 64 hexadecimal digits."""
    return hashlib.sha256(token.encode()).hexdigest()
