"""Signatures of the Standard Webhooks specification (www.standardwebhooks.com). Pure.

The signature covers `id.timestamp.body`, so that none of the three can be changed or sent again
much later without the receiver seeing it.
"""

import base64
import hashlib
import hmac
import secrets

PREFIX = "whsec_"
SECRET_BYTES = 32


def new_secret() -> str:
    """A fresh secret as receivers' libraries take it: `whsec_` and base64."""
    return PREFIX + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()


def sign(secret: str, *, message: str, timestamp: int, body: bytes) -> str:
    """The header `webhook-signature`: `v1,` and base64 of HMAC-SHA256."""
    key = base64.b64decode(secret.removeprefix(PREFIX))
    signed = f"{message}.{timestamp}.".encode() + body
    return "v1," + base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()


def headers(secret: str, *, message: str, timestamp: int, body: bytes) -> dict[str, str]:
    """What is sent beside the body."""
    return {
        "webhook-id": message,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": sign(secret, message=message, timestamp=timestamp, body=body),
    }
