"""Making and changing webhooks, and telling again what was told."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.models import Project, User
from audit.services import record
from core import secrets
from core.exceptions import InvalidInput
from core.network import Reach, check_url

from .events import EVENTS, TEST
from .models import Delivery, DeliveryState, Message, Webhook
from .signing import new_secret

MOST_WEBHOOKS = 20
KEEP_DAYS = 30


def reach() -> Reach:
    """The private places that the operator lets webhooks go to."""
    return Reach.of(settings.WEBHOOK_PRIVATE_HOSTS)


@transaction.atomic
def create_webhook(
    *, project: Project, url: str, events: Iterable[str], actor: User
) -> tuple[Webhook, str]:
    """A new webhook, and its secret, which is shown this once.

    Raises:
        InvalidInput: the address may not be told, an event is unknown, or there are too many.
    """
    chosen = _checked(url, events)
    Project.objects.select_for_update(no_key=True).get(pk=project.pk)
    if Webhook.objects.filter(project=project).count() >= MOST_WEBHOOKS:
        raise InvalidInput(
            _("A project has at most %(most)d webhooks: delete one first.")
            % {"most": MOST_WEBHOOKS}
        )
    secret = new_secret()
    webhook = Webhook.objects.create(
        project=project,
        url=url,
        events=chosen,
        secret=secrets.encrypt(secret),
        created_by=actor,
    )
    record(action="webhook.create", actor=actor, project=project, target=url[:120])
    return webhook, secret


@transaction.atomic
def change_webhook(
    *,
    webhook: Webhook,
    actor: User,
    url: str | None = None,
    events: Iterable[str] | None = None,
    active: bool | None = None,
) -> Webhook:
    """Change what is given. Switched on again, it starts afresh.

    Raises:
        InvalidInput: as `create_webhook`.
    """
    webhook.url = webhook.url if url is None else url
    webhook.events = _checked(webhook.url, webhook.events if events is None else events)
    if active is not None:
        webhook.active = active
        webhook.failing_since, webhook.stopped = None, ""
    webhook.save()
    record(action="webhook.change", actor=actor, project=webhook.project, target=webhook.url[:120])
    return webhook


@transaction.atomic
def new_secret_of(*, webhook: Webhook, actor: User) -> str:
    """Replace the secret; returns the new one, which is shown this once."""
    secret = new_secret()
    webhook.secret = secrets.encrypt(secret)
    webhook.save(update_fields=["secret"])
    record(action="webhook.secret", actor=actor, project=webhook.project, target=webhook.url[:120])
    return secret


@transaction.atomic
def delete_webhook(*, webhook: Webhook, actor: User) -> None:
    """Remove it with its deliveries."""
    record(action="webhook.delete", actor=actor, project=webhook.project, target=webhook.url[:120])
    webhook.delete()


@transaction.atomic
def send_test(*, webhook: Webhook) -> Delivery:
    """Tell the webhook of nothing in particular, to see whether it listens."""
    message = Message.objects.create(
        project=webhook.project, event=TEST, data={"said": "It works."}, created_at=timezone.now()
    )
    return Delivery.objects.create(webhook=webhook, message=message, due_at=timezone.now())


def replay(*, webhook: Webhook, deliveries: Iterable[int]) -> int:
    """Send these again, whatever became of them; returns how many."""
    return _again(webhook, pk__in=list(deliveries))


def replay_since(*, webhook: Webhook, since: datetime, until: datetime | None = None) -> int:
    """Send again what happened in a time; returns how many."""
    return _again(
        webhook,
        message__created_at__gte=since,
        message__created_at__lte=until or timezone.now(),
    )


def _again(webhook: Webhook, **chosen: object) -> int:
    rows = Delivery.objects.filter(webhook=webhook, **chosen)
    return rows.update(
        state=DeliveryState.WAITING, attempts=0, due_at=timezone.now(), error="", status=None
    )


def forget_old() -> int:
    """Remove messages of a month ago that nobody waits for; returns how many."""
    before = timezone.now() - timedelta(days=KEEP_DAYS)
    old = Message.objects.filter(created_at__lt=before)
    ended = old.exclude(deliveries__state=DeliveryState.WAITING)
    return ended.delete()[1].get("webhooks.Message", 0)


def _checked(url: str, events: Iterable[str]) -> list[str]:
    """The events without repeats, in their usual order."""
    if len(url) > 500:
        raise InvalidInput(_("The address is longer than 500 characters."))
    check_url(url, reach())
    asked = set(events)
    if unknown := sorted(asked - EVENTS.keys()):
        raise InvalidInput(
            _("Unknown event %(name)s: use %(known)s.")
            % {"name": repr(unknown[0]), "known": ", ".join(EVENTS)}
        )
    if not asked:
        raise InvalidInput(_("Choose at least one event."))
    return [name for name in EVENTS if name in asked]
