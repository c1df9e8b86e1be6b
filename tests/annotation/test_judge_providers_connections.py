"""Connecting a project to a provider: a key that nobody reads again, and goes to one server."""

from typing import Any

import pytest

from annotation.judges import connections
from annotation.judges.connections import Tried
from annotation.judges.hosts import HOSTS
from annotation.judges.models import Connection
from annotation.judges.providers.chat import reach_of
from annotation.judges.services import create_judge
from audit.models import Event
from core.exceptions import Conflict, InvalidInput
from core.network import check_url
from core.secrets import Undecipherable, decrypt
from tests.endpoint.client import endpoint
from tests.factories import make_project, make_user

pytestmark = pytest.mark.django_db
KEY = "sk-very-secret-12345"


def connect(**values: Any) -> Connection:
    given = {
        "name": "one",
        "provider": "openai-compatible",
        "base_url": "https://models.example/v1",
    }
    project = values.pop("project", None) or make_project()
    return connections.create_connection(project=project, actor=make_user(), **(given | values))


def test_a_key_is_stored_as_ciphertext_and_written_nowhere() -> None:
    made = connect(key=f" {KEY}\n", requests_per_minute=60, idempotent=True)
    stored = Connection.objects.get(pk=made.pk)
    assert KEY not in stored.secret
    assert decrypt(stored.secret) == KEY
    connections.change_connection(connection=made, actor=make_user(), key="sk-another-678")
    connections.change_connection(connection=made, actor=make_user(), requests_per_minute=5)
    assert decrypt(Connection.objects.get(pk=made.pk).secret) == "sk-another-678"
    events = Event.objects.filter(target=f"connection {made.pk}")
    assert events.count() == 3
    assert not [each for each in events if "sk-" in str(each.data) or made.secret in str(each.data)]
    assert events.order_by("pk")[0].data["key_set"] is True


def test_what_people_paste_becomes_a_base_url() -> None:
    made = connect(base_url=" https://models.example/v1/chat/completions/ ", name=" one ")
    assert (made.base_url, made.name) == ("https://models.example/v1", "one")


@pytest.mark.parametrize(
    "values",
    [
        {"name": ""},
        {"name": "x" * 81},
        {"provider": "recorded"},
        {"provider": "nobody"},
        {"base_url": ""},
        {"base_url": "https://me:word@models.example/v1"},
        {"base_url": "http://169.254.169.254/latest"},
        {"base_url": "http://127.1.1.1/v1"},
        {"key": "two words"},
        {"key": "line\r\nX-Header: 1"},
        {"key": "schlüssel"},
        {"base_url": "http://models.example/v1", "key": KEY},
        {"concurrency": 0},
        {"concurrency": 513},
        {"attempts": 0},
        {"timeout_seconds": 0},
        {"requests_per_minute": -1},
        {"secret": "x"},
        {"requests_at": None},
    ],
)
def test_what_is_out_of_range_is_refused(values: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput) as refusal:
        connect(**values)
    assert not Connection.objects.exists()
    assert KEY not in str(refusal.value)


def test_names_are_taken_once_in_a_project() -> None:
    project = make_project()
    connect(project=project)
    with pytest.raises(Conflict, match="name"):
        connect(project=project)
    other = connect(project=project, name="two")
    with pytest.raises(Conflict, match="name"):
        connections.change_connection(connection=other, actor=make_user(), name="one")
    assert connect().name == "one"


def test_a_key_does_not_follow_to_another_server() -> None:
    """Who changes the address could read the key there."""
    made = connect(key=KEY)
    for base_url in ("https://evil.example/v1", "https://models.example:8443/v1"):
        with pytest.raises(InvalidInput, match="enter the key"):
            connections.change_connection(connection=made, actor=make_user(), base_url=base_url)
    with pytest.raises(InvalidInput):
        connections.change_connection(
            connection=made, actor=make_user(), base_url="http://models.example/v1", key=KEY
        )
    made.refresh_from_db()
    assert made.base_url == "https://models.example/v1"
    connections.change_connection(
        connection=made, actor=make_user(), base_url="https://models.example/v2"
    )
    connections.change_connection(
        connection=made, actor=make_user(), base_url="https://other.example/v1", key="sk-other"
    )
    made.refresh_from_db()
    assert decrypt(made.secret) == "sk-other"


def test_the_rate_limits_state_outlives_a_change() -> None:
    made = connect()
    stale = Connection.objects.get(pk=made.pk)
    Connection.objects.filter(pk=made.pk).update(requests_at="2030-01-01T00:00:00Z")
    connections.change_connection(connection=stale, actor=make_user(), concurrency=3)
    made.refresh_from_db()
    assert made.concurrency == 3
    assert made.requests_at is not None


def test_a_connection_in_use_is_kept() -> None:
    made = connect()
    judge = create_judge(project=made.project, name="j", model="m")
    judge.connection = made
    judge.save()
    with pytest.raises(Conflict, match="j"):
        connections.delete_connection(connection=made, actor=make_user())
    judge.connection = None
    judge.save()
    connections.delete_connection(connection=made, actor=make_user())
    assert not Connection.objects.exists()
    assert Event.objects.filter(action="connection deleted").count() == 1


def attempt(made: Connection) -> Tried:
    return connections.try_connection(connection=made, model="model-1")


@pytest.mark.parametrize("provider", ["openai-compatible", "anthropic"])
def test_trying_says_that_it_works(provider: str) -> None:
    with endpoint(keys=(KEY,)) as running:
        made = connect(base_url=f"{running.url}/v1", provider=provider, key=KEY)
        tested = attempt(made)
        assert running.bill()["calls"] == 1
    assert tested.works
    assert "model-1 answered in" in tested.message
    assert tested.logprobs == (provider != "anthropic")


def test_trying_says_what_is_wrong(settings: Any) -> None:
    with endpoint(keys=("another",)) as running:
        tested = attempt(connect(base_url=f"{running.url}/v1", key=KEY))
        assert not tested.works
        assert tested.message == "HTTP 401: Incorrect API key provided."
        gone = connect(base_url=f"{running.url}/v1")
    assert "connect" in attempt(gone).message.lower()
    settings.JUDGE_PRIVATE_HOSTS = []
    with pytest.raises(InvalidInput, match="not public"):
        attempt(gone)


def test_a_model_that_tells_no_log_probabilities_is_asked_without() -> None:
    """Some refuse the question instead of leaving them out."""
    from .chat_server import reply, serving

    with serving(
        lambda body, number: (
            (400, {}, {"error": {"message": "logprobs is not supported"}})
            if "logprobs" in body
            else (200, {}, reply("A"))
        )
    ) as server:
        tested = attempt(connect(base_url=server.url))
    assert tested.works
    assert not tested.logprobs
    assert "without log-probabilities" in tested.message


def test_a_key_that_cannot_be_read_any_more_is_to_be_entered_again(settings: Any) -> None:
    made = connect(key=KEY)
    settings.SECRETS_KEYS = ["lost the old one"]
    with pytest.raises(Undecipherable, match="enter the key again"):
        attempt(made)


def test_known_hosts_can_be_connected_to(settings: Any) -> None:
    settings.JUDGE_PRIVATE_HOSTS = ["localhost"]
    for host in HOSTS:
        check_url(host.base_url, reach_of(host.base_url))
        made = connect(name=host.name, provider=host.provider, base_url=host.base_url)
        assert made.base_url == host.base_url
