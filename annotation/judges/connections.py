"""Accounts at providers: where they are, and a key that nobody reads again.

Who may manage the project may connect it; the views ask for that. The key is encrypted at once,
and goes to no other server than the one it was entered for.
"""

import asyncio
import time
from collections.abc import Mapping
from copy import copy
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from accounts.models import Project, User
from audit.services import record
from core.exceptions import Conflict, InvalidInput
from core.network import check_url, is_vouched
from core.secrets import encrypt

from .models import Connection, Failure, Provider
from .providers.base import Chat, Completion, ProviderError
from .providers.chat import chat_of, reach_of

ASKED = frozenset({Provider.OPENAI, Provider.ANTHROPIC})
SETTABLE = frozenset(
    {
        "name",
        "provider",
        "base_url",
        "requests_per_minute",
        "tokens_per_minute",
        "concurrency",
        "timeout_seconds",
        "attempts",
        "idempotent",
        "batches",
        "batch_price_percent",
    }
)
OURS = {field.name for field in Connection._meta.fields} - SETTABLE
# What people paste; the client adds it.
ENDINGS = ("/chat/completions", "/messages")
TESTED_SECONDS = 20
HELLO = ({"role": "user", "content": "Reply with the letter A and nothing else."},)
HELLO_TOKENS = 16


@dataclass(frozen=True)
class Tried:
    """How a connection answered one small question. `logprobs`: with log-probabilities."""

    works: bool
    message: str
    seconds: float = 0.0
    logprobs: bool = False


@transaction.atomic
def create_connection(
    *,
    project: Project,
    actor: User,
    name: str,
    provider: str,
    base_url: str,
    key: str = "",
    **values: Any,
) -> Connection:
    """Connect a project to a provider; `values` are other fields in `SETTABLE`.

    Raises:
        InvalidInput: a field is out of range, or the address may not be asked.
        Conflict: the project has a connection of that name.
    """
    connection = Connection(project=project, created_by=actor)
    _fill(connection, {"name": name, "provider": provider, "base_url": base_url, **values})
    _set_key(connection, key)
    _save(connection)
    _note("connection made", connection, actor, key_set=bool(key), **_shown(connection))
    return connection


@transaction.atomic
def change_connection(
    *, connection: Connection, actor: User, key: str | None = None, **values: Any
) -> Connection:
    """Change fields in `SETTABLE`; a `key` replaces the one that is set (blank: none), None
    leaves it.

    Raises:
        InvalidInput: as `create_connection`; or the address leads to another server, which the
            key was not entered for.
        Conflict: the name is taken.
    """
    connection = Connection.objects.select_for_update().get(pk=connection.pk)
    before = _server(connection)
    _fill(connection, values)
    if key is not None:
        _set_key(connection, key)
    elif connection.secret and _server(connection) != before:
        raise InvalidInput(_("The address leads to another server: enter the key for it."))
    _check_key_is_safe(connection)
    _save(connection, update_fields=[*values, "secret"])
    _note("connection changed", connection, actor, key_changed=key is not None, **values)
    return connection


@transaction.atomic
def delete_connection(*, connection: Connection, actor: User) -> None:
    """Forget a connection and its key.

    Raises:
        Conflict: judges use it.
    """
    connection = Connection.objects.select_for_update().get(pk=connection.pk)
    if names := list(connection.judges.values_list("name", flat=True)[:3]):
        raise Conflict(
            _("Judges use this connection (%(names)s): give them another one first.")
            % {"names": ", ".join(names)}
        )
    _note("connection deleted", connection, actor)
    connection.delete()


def try_connection(
    *, connection: Connection, model: str, parameters: Mapping[str, Any] | None = None
) -> Tried:
    """Ask one small question; it costs what some 30 tokens cost. At most about 20 seconds.

    Raises:
        InvalidInput: the address may not be asked, or the key cannot be read any more.
    """
    hurried = copy(connection)
    hurried.timeout_seconds = min(connection.timeout_seconds, TESTED_SECONDS)
    chat = chat_of(hurried, model, dict(parameters or {}))
    started = time.monotonic()
    try:
        said = asyncio.run(_hello(chat))
    except ProviderError as error:
        return Tried(False, str(error), time.monotonic() - started)
    seconds = time.monotonic() - started
    names = {"model": model, "seconds": f"{seconds:.1f}"}
    if said.top:
        words = _("Works: %(model)s answered in %(seconds)s s, with log-probabilities.")
    else:
        words = _("Works: %(model)s answered in %(seconds)s s, without log-probabilities.")
    return Tried(True, words % names, seconds, bool(said.top))


async def _hello(chat: Chat) -> Completion:
    """The reply; some models refuse a question that asks for log-probabilities."""
    try:
        try:
            return await chat.complete(messages=HELLO, max_tokens=HELLO_TOKENS, logprobs=True)
        except ProviderError as error:
            if error.failure != Failure.BAD_REQUEST:
                raise
            return await chat.complete(messages=HELLO, max_tokens=HELLO_TOKENS)
    finally:
        await chat.close()


def _fill(connection: Connection, values: Mapping[str, Any]) -> None:
    if unknown := sorted(set(values) - SETTABLE):
        raise InvalidInput(f"A connection has no setting {unknown[0]!r}.")
    for name, value in values.items():
        setattr(connection, name, value)
    connection.name = connection.name.strip()
    connection.base_url = _base(connection.base_url)
    if not connection.timeout_seconds:
        raise InvalidInput(_("A reply takes time: allow at least one second."))
    if not 1 <= connection.batch_price_percent <= 100:
        raise InvalidInput(_("A call in a batch costs 1 to 100 per cent of one by itself."))
    if connection.provider not in ASKED:
        raise InvalidInput(_("Connections lead to OpenAI-compatible servers and to Anthropic."))
    check_url(connection.base_url, reach_of(connection.base_url))


def _base(url: str) -> str:
    url = url.strip().rstrip("/")
    for ending in ENDINGS:
        url = url.removesuffix(ending)
    return url.rstrip("/")


def _set_key(connection: Connection, key: str) -> None:
    key = key.strip()
    if not (key.isascii() and key.isprintable()) or " " in key:
        raise InvalidInput(_("A key is one word of letters, digits and signs."))
    connection.secret = encrypt(key)
    _check_key_is_safe(connection)


def _check_key_is_safe(connection: Connection) -> None:
    """A key crosses a public network encrypted or not at all."""
    url = connection.base_url
    if connection.secret and url.startswith("http:") and not is_vouched(url, reach_of(url)):
        raise InvalidInput(_("A key is sent over https only: change the address to https."))


def _save(connection: Connection, **how: Any) -> None:
    try:
        connection.full_clean(exclude=OURS, validate_unique=False)
        with transaction.atomic():
            connection.save(**how)
    except ValidationError as error:
        field, messages = next(iter(error.message_dict.items()))
        raise InvalidInput(f"{field}: {messages[0]}") from error
    except IntegrityError as error:
        raise Conflict(_("The project has a connection of that name.")) from error


def _server(connection: Connection) -> tuple[str, str]:
    parts = urlsplit(connection.base_url)
    return parts.scheme, parts.netloc.lower()


def _shown(connection: Connection) -> dict[str, Any]:
    return {name: getattr(connection, name) for name in sorted(SETTABLE)}


def _note(action: str, connection: Connection, actor: User, **data: Any) -> None:
    target = f"connection {connection.pk}"
    record(action=action, actor=actor, project=connection.project, target=target, **data)
