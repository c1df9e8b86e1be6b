"""Secrets at rest."""

import logging
import sys
from typing import Any

import pytest

from config.logs import configure_logging
from core.secrets import Undecipherable, decrypt, encrypt, scrub


def test_what_is_encrypted_comes_back_and_does_not_show() -> None:
    stored = encrypt("sk-abc123")
    assert "abc123" not in stored
    assert decrypt(stored) == "sk-abc123"
    assert encrypt("sk-abc123") != stored


def test_no_secret_stays_no_secret() -> None:
    assert encrypt("") == ""
    assert decrypt("") == ""


def test_keys_rotate(settings: Any) -> None:
    settings.SECRETS_KEYS = ["old"]
    stored = encrypt("sk-abc123")
    settings.SECRETS_KEYS = ["new", "old"]
    assert decrypt(stored) == "sk-abc123"
    fresh = encrypt("sk-abc123")
    settings.SECRETS_KEYS = ["new"]
    assert decrypt(fresh) == "sk-abc123"
    with pytest.raises(Undecipherable, match="enter the key again"):
        decrypt(stored)


def test_without_keys_of_its_own_the_secret_key_is_used(settings: Any) -> None:
    settings.SECRETS_KEYS = []
    stored = encrypt("sk-abc123")
    settings.SECRET_KEY = "another"
    with pytest.raises(Undecipherable):
        decrypt(stored)


@pytest.mark.parametrize("stored", ["sk-abc123", "gAAAAA", "ключ"])
def test_what_was_never_encrypted_is_refused(stored: str) -> None:
    with pytest.raises(Undecipherable) as refusal:
        decrypt(stored)
    assert stored not in str(refusal.value)


def test_a_secret_is_taken_out_of_a_text() -> None:
    assert scrub("Bearer sk-abc123 is wrong: sk-abc123", "sk-abc123") == (
        "Bearer [key] is wrong: [key]"
    )
    assert scrub("as it was", "") == "as it was"


@pytest.mark.parametrize("json", [True, False])
def test_a_traceback_in_the_log_shows_no_values(json: bool) -> None:
    root = logging.getLogger()
    kept, level = root.handlers, root.level
    try:
        configure_logging(json=json, level="WARNING")
        (handler,) = root.handlers
    finally:
        root.handlers, root.level = kept, level

    def fail(key: str) -> None:
        raise ValueError("failed", len(key))

    key = "sk-abc123"
    try:
        fail(key)
    except ValueError:
        record = root.makeRecord("x", logging.ERROR, "f", 1, "oh", (), sys.exc_info())
    written = handler.format(record)
    assert "ValueError" in written
    assert key not in written
