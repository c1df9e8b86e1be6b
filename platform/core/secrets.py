"""Secrets at rest: encrypted with a key of the settings, and kept out of what is written down."""

import base64
import hashlib
from functools import lru_cache

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings

from .exceptions import InvalidInput

SCRUBBED = "[key]"


class Undecipherable(InvalidInput):
    """The text was encrypted with a key that the settings no longer hold."""

    code = "enter-the-key-again"


def encrypt(text: str) -> str:
    """The text as ciphertext, with the newest key of the settings; blank stays blank."""
    return _fernet(_passwords()).encrypt(text.encode()).decode() if text else ""


def decrypt(ciphertext: str) -> str:
    """What `encrypt` was given, with any key of the settings.

    Raises:
        Undecipherable: none of them fits.
    """
    if not ciphertext:
        return ""
    try:
        return _fernet(_passwords()).decrypt(ciphertext.encode()).decode()
    except InvalidToken as error:
        raise Undecipherable(
            "The stored key cannot be read with this installation's SECRETS_KEYS any more: enter "
            "the key again."
        ) from error


def scrub(text: str, *secrets: str) -> str:
    """The text without the secrets: a server may repeat in an error what it was sent."""
    for secret in secrets:
        if secret:
            text = text.replace(secret, SCRUBBED)
    return text


def _passwords() -> tuple[str, ...]:
    return tuple(settings.SECRETS_KEYS) or (settings.SECRET_KEY,)


@lru_cache(maxsize=8)
def _fernet(passwords: tuple[str, ...]) -> MultiFernet:
    """The first key encrypts, all decrypt. A password may be any text."""
    keys = (hashlib.sha256(b"tandem secrets\0" + each.encode()).digest() for each in passwords)
    return MultiFernet([Fernet(base64.urlsafe_b64encode(key)) for key in keys])
