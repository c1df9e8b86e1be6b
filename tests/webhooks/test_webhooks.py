"""Webhooks: kept with what they tell of, signed, sent again, replayed, and never let inside."""

import base64
import hashlib
import hmac
import json
from datetime import timedelta

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django.fixtures import Settings

from accounts.models import Project, User
from audit.models import Event
from core.exceptions import InvalidInput
from tests.factories import make_project, make_user
from tests.webhooks.receiver import Receiver, listening
from webhooks import services
from webhooks.emitting import emit
from webhooks.events import EVENTS, LABEL, RUN
from webhooks.models import Delivery, Message, Stopped, Webhook
from webhooks.sending import GIVE_UP, PAUSES, send_due

pytestmark = pytest.mark.django_db


@pytest.fixture
def owner() -> User:
    return make_user("owner")


@pytest.fixture
def project(owner: User, settings: Settings) -> Project:
    settings.WEBHOOK_PRIVATE_HOSTS = ["127.0.0.1"]
    return make_project(owner=owner)


def made(project: Project, owner: User, receiver: Receiver, *events: str) -> tuple[Webhook, str]:
    return services.create_webhook(
        project=project, url=receiver.url, events=events or (LABEL,), actor=owner
    )


def due_now() -> None:
    """What waits for its next attempt is due."""
    Delivery.objects.filter(state="waiting").update(due_at=timezone.now())


def test_an_event_reaches_who_listens_with_a_signature(project: Project, owner: User) -> None:
    with listening() as receiver:
        _, secret = made(project, owner, receiver, LABEL, RUN)
        assert emit(project_id=project.pk, event=LABEL, data={"count": 2}) == 1
        assert send_due() == 1
    (sent,) = receiver.sent
    headers = {name.lower(): value for name, value in sent.headers.items()}
    content = json.loads(sent.body)
    assert (content["type"], content["project"], content["data"]) == (
        LABEL,
        project.slug,
        {"count": 2},
    )
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + sent.body
    key = base64.b64decode(secret.removeprefix("whsec_"))
    expected = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    assert headers["webhook-signature"] == f"v1,{expected}"
    assert Delivery.objects.get().state == "delivered"


def test_nothing_is_kept_where_nobody_listens(project: Project, owner: User) -> None:
    with listening() as receiver:
        webhook, _ = made(project, owner, receiver, RUN)
        other = make_project("other", owner=owner)
        made(other, owner, receiver, LABEL)
        with CaptureQueriesContext(
            connection,
        ) as queries:
            assert emit(project_id=project.pk, event=LABEL, data={}) == 0
        assert len(queries) == 1
        services.change_webhook(webhook=webhook, actor=owner, active=False)
        assert emit(project_id=project.pk, event=RUN, data={}) == 0
    assert not Message.objects.exists()


def test_an_event_that_is_rolled_back_is_not_told(project: Project, owner: User) -> None:
    with listening() as receiver:
        made(project, owner, receiver)
        with transaction.atomic():
            emit(project_id=project.pk, event=LABEL, data={})
            transaction.set_rollback(True)
        assert send_due() == 0
    assert receiver.sent == []


def test_a_receiver_that_fails_is_asked_again_with_the_same_id(
    project: Project, owner: User
) -> None:
    with listening(500, 302, 200) as receiver:
        webhook, _ = made(project, owner, receiver)
        emit(project_id=project.pk, event=LABEL, data={})
        assert send_due() == 1
        delivery = Delivery.objects.get()
        assert (delivery.state, delivery.status, delivery.attempts) == ("waiting", 500, 1)
        least, most = (timedelta(seconds=PAUSES[0] * share) for share in (0.5, 1.5))
        assert least < delivery.due_at - timezone.now() < most
        webhook.refresh_from_db()
        assert webhook.failing_since is not None
        assert send_due() == 0
        for _ in range(2):
            due_now()
            send_due()
    assert len({sent.headers["webhook-id"] for sent in receiver.sent}) == 1
    delivery.refresh_from_db()
    webhook.refresh_from_db()
    assert (delivery.state, delivery.status, delivery.attempts) == ("delivered", 200, 3)
    assert webhook.failing_since is None


def test_it_fails_in_the_end_and_can_be_sent_again(project: Project, owner: User) -> None:
    with listening(500) as receiver:
        webhook, _ = made(project, owner, receiver)
        emit(project_id=project.pk, event=LABEL, data={})
        for _ in range(len(PAUSES) + 1):
            due_now()
            assert send_due() == 1
        assert Delivery.objects.get().state == "failed"
        receiver.answers[:] = [200]
        assert services.replay(webhook=webhook, deliveries=[Delivery.objects.get().pk]) == 1
        assert send_due() == 1
        assert Delivery.objects.get().state == "delivered"
        yesterday = timezone.now() - timedelta(days=1)
        assert services.replay_since(webhook=webhook, since=yesterday) == 1
        assert send_due() == 1


def test_a_receiver_that_is_away_or_gone_is_told_no_more(project: Project, owner: User) -> None:
    with listening(410) as receiver:
        webhook, _ = made(project, owner, receiver)
        emit(project_id=project.pk, event=LABEL, data={})
        send_due()
    webhook.refresh_from_db()
    assert (webhook.active, webhook.stopped) == (False, Stopped.GONE)
    services.change_webhook(webhook=webhook, actor=owner, active=True)
    long_ago = timezone.now() - GIVE_UP - timedelta(hours=1)
    Webhook.objects.update(failing_since=long_ago)
    due_now()
    send_due()  # nobody listens at its port any more
    webhook.refresh_from_db()
    assert (webhook.active, webhook.stopped) == (False, Stopped.SILENT)
    assert "cannot be reached" in Delivery.objects.get().error
    due_now()
    assert send_due() == 0


def test_it_is_not_sent_to_private_places(
    project: Project, owner: User, settings: Settings
) -> None:
    with listening() as receiver:
        made(project, owner, receiver)
        settings.WEBHOOK_PRIVATE_HOSTS = []
        with pytest.raises(InvalidInput, match="not public"):
            made(project, owner, receiver)
        # The one that was allowed before is stopped where it is sent.
        emit(project_id=project.pk, event=LABEL, data={})
        send_due()
        assert receiver.sent == []
    assert Delivery.objects.get().error == "Its address is not public."


@pytest.mark.parametrize(
    ("url", "events", "said"),
    [
        ("ftp://example.org", [LABEL], "http or https"),
        ("https://user:secret@example.org/hook", [LABEL], "passwords"),
        ("https://example.org/hook", [], "at least one"),
        ("https://example.org/hook", ["label.deleted"], "Unknown event 'label.deleted'"),
        ("https://example.org/" + "a" * 500, [LABEL], "500 characters"),
    ],
)
def test_what_makes_no_sense_is_refused(
    project: Project, owner: User, url: str, events: list[str], said: str
) -> None:
    with pytest.raises(InvalidInput, match=said):
        services.create_webhook(project=project, url=url, events=events, actor=owner)


def test_its_secret_is_stored_encrypted_and_not_logged(project: Project, owner: User) -> None:
    with listening() as receiver:
        webhook, secret = made(project, owner, receiver)
        renewed = services.new_secret_of(webhook=webhook, actor=owner)
    webhook.refresh_from_db()
    assert renewed not in {secret, webhook.secret}
    assert secret not in json.dumps(list(Event.objects.values_list("data", "target")))


def test_old_messages_are_forgotten_unless_they_wait(project: Project, owner: User) -> None:
    with listening() as receiver:
        made(project, owner, receiver)
        emit(project_id=project.pk, event=LABEL, data={"n": 1})
        send_due()
        emit(project_id=project.pk, event=LABEL, data={"n": 2})
    Message.objects.update(created_at=timezone.now() - timedelta(days=31))
    assert services.forget_old() == 1
    assert Message.objects.get().data == {"n": 2}


def test_a_test_event_needs_no_event_to_listen_to(project: Project, owner: User) -> None:
    with listening() as receiver:
        webhook, _ = made(project, owner, receiver)
        services.send_test(webhook=webhook)
        send_due()
    assert json.loads(receiver.sent[0].body)["type"] == "webhook.test"
    assert "webhook.test" not in EVENTS
