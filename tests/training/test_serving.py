"""Scores over HTTP from a real serving process behind a Redis of our own."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
from celery import Celery
from django.conf import settings
from django.db import connections
from django.test import Client
from pytest_django.fixtures import Settings

from accounts.models import Project, Role
from embedded.binaries import find_redis
from tests.factories import make_member, make_project
from tests.training.judges import make_reward_version, save_model
from tests.training.test_worker_killed import PATIENCE_SECONDS, wait_until, worker_environment
from training.registry.models import ModelVersion
from training.runs.models import Run
from training.serving import client as serving
from training.serving import mailbox

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True)]
ITEM = {"prompt": "Hello there", "completions": ["fine", "how are you today?", "fine"]}


@pytest.fixture
def broker(settings: Settings) -> Iterator[str]:
    settings.SERVE_WAIT_SECONDS = PATIENCE_SECONDS
    folder = Path(tempfile.mkdtemp(prefix="tandem-redis-", dir="/tmp"))
    socket = folder / "redis.sock"
    options = ["--port", "0", "--unixsocket", str(socket), "--save", "", "--dir", str(folder)]
    server = subprocess.Popen([str(find_redis("auto").path), *options], stdout=subprocess.DEVNULL)
    try:
        wait_until(socket.exists, "Redis answers")
        settings.CELERY_BROKER_URL = f"redis+socket://{socket}"
        yield settings.CELERY_BROKER_URL
    finally:
        serving.connection.cache_clear()
        server.kill()
        server.wait()
        shutil.rmtree(folder)


@pytest.fixture
def serve(broker: str, tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    """Starts serving processes, which are gone at the end."""
    running: list[subprocess.Popen[bytes]] = []

    def start(*command: str, **environment: str) -> subprocess.Popen[bytes]:
        running.append(
            subprocess.Popen(
                [sys.executable, *(command or ("manage.py", "serve_models"))],
                env=worker_environment(broker, tmp_path) | environment,
                cwd=settings.BASE_DIR,
                start_new_session=True,
            )
        )
        return running[-1]

    yield start
    for process in running:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@pytest.fixture
def version(broker: str) -> ModelVersion:
    del broker
    return make_reward_version(make_project(), Path(settings.MEDIA_ROOT))


def client_of(project: Project, role: Role = Role.RESEARCHER) -> Client:
    client = Client()
    client.force_login(make_member(project, role))
    return client


def ask(
    client: Client, version: ModelVersion, body: Any, what: str = "score", name: str = "v1"
) -> Any:
    path = f"/api/v1/projects/{version.project.slug}/models/{name}/{what}"
    return client.post(path, json.dumps(body), content_type="application/json")


def mail() -> "redis.Redis":
    return serving.connection(mailbox.address())


def test_a_served_model_scores_and_ranks_as_its_own_folder_does(
    serve: Callable[..., Any], version: ModelVersion
) -> None:
    serve()
    client = client_of(version.project)
    ModelVersion.objects.filter(pk=version.pk).update(
        stage="production", scale={"offset": 1.0, "factor": 2.0}
    )
    single = ask(client, version, ITEM, name="production")
    assert single.status_code == 200, single.content
    rewards = single.json()["items"][0]["rewards"]
    assert rewards[0] == pytest.approx(rewards[2])
    ranked = ask(client, version, {"items": [ITEM] * 3}, "rerank", str(version.pk)).json()
    assert ranked["version"] == "v1"
    for item in ranked["items"]:
        assert item["rewards"] == pytest.approx(rewards)
        assert item["order"] == ([1, 0, 2] if rewards[1] > rewards[0] else [0, 2, 1])
    # The same folder through the command line, which knows of no scale.
    raw = by_command(version)
    assert rewards == pytest.approx([(reward - 1.0) * 2.0 for reward in raw], abs=1e-4)
    nul = ask(client, version, ITEM | {"prompt": "Hel\0lo there\ud800"})
    assert nul.status_code == 200, nul.content


def by_command(version: ModelVersion) -> list[float]:
    line = {
        "id": "1",
        "messages": [{"role": "user", "content": ITEM["prompt"]}],
        "completions": ITEM["completions"],
    }
    folder = Path(settings.MEDIA_ROOT) / version.folder
    done = subprocess.run(
        [sys.executable, "-m", "training", "judge", "--reward", "--model", str(folder)],
        input=json.dumps(line),
        capture_output=True,
        text=True,
        check=True,
        cwd=settings.BASE_DIR,
    )
    answer: list[float] = json.loads(done.stdout.splitlines()[-1])["rewards"]
    return answer


@contextlib.contextmanager
def asking(version: ModelVersion) -> Iterator[list[Any]]:
    """Somebody has asked when the block begins, and has the answer when it ends."""
    answers: list[Any] = []

    def wait() -> None:
        answers.append(ask(client, version, ITEM))
        connections.close_all()

    client = client_of(version.project)
    thread = threading.Thread(target=wait)
    thread.start()
    wait_until(lambda: mail().llen(mailbox.QUEUE) == 1 or mail().keys("*request*"), "it is asked")
    yield answers
    thread.join()


def test_a_killed_worker_loses_no_request_while_somebody_waits(
    serve: Callable[..., Any], version: ModelVersion
) -> None:
    first = serve()
    client = client_of(version.project)
    assert ask(client, version, ITEM).status_code == 200
    os.killpg(first.pid, signal.SIGSTOP)  # it takes a request and never answers
    with asking(version) as answers:
        os.killpg(first.pid, signal.SIGKILL)
        first.wait()
        serve()
    assert answers[0].status_code == 200, answers[0].content
    assert ask(client, version, ITEM).status_code == 200


def test_the_model_process_may_die_and_the_next_request_works(
    serve: Callable[..., Any], version: ModelVersion
) -> None:
    worker = serve()
    client = client_of(version.project)
    before = ask(client, version, ITEM).json()
    children = f"/proc/{worker.pid}/task/{worker.pid}/children"
    for child in Path(children).read_text().split():
        os.kill(int(child), signal.SIGKILL)
    assert ask(client, version, ITEM).json() == before


def test_requests_side_by_side_are_all_answered_each_with_its_own(
    serve: Callable[..., Any], version: ModelVersion, monkeypatch: pytest.MonkeyPatch
) -> None:
    serve()
    monkeypatch.setattr(serving, "_SLOTS", threading.BoundedSemaphore(8))
    client = client_of(version.project)
    bodies = [{"prompt": "Hello", "completions": ["A " * (k + 1), "B"]} for k in range(8)]
    alone = [ask(client, version, body).json() for body in bodies]
    found: dict[int, Any] = {}

    def work(number: int) -> None:
        found[number] = ask(client, version, bodies[number]).json()
        connections.close_all()

    threads = [threading.Thread(target=work, args=(k,)) for k in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for number, one in enumerate(alone):
        assert found[number]["items"][0]["rewards"] == pytest.approx(
            one["items"][0]["rewards"], abs=1e-5
        )


def another(version: ModelVersion) -> ModelVersion:
    """The next version of the project, with other weights."""
    run = Run.objects.create(
        project=version.project, kind="reward", snapshot=version.run.snapshot, config={}
    )
    folder = f"runs/{run.pk}/model"
    save_model(Path(settings.MEDIA_ROOT) / folder, "reward", "qwen2")
    return ModelVersion.objects.create(
        project=version.project,
        run=run,
        kind="reward",
        version=2,
        base_model="random",
        folder=folder,
    )


def test_models_leave_when_memory_is_short(
    serve: Callable[..., Any], version: ModelVersion
) -> None:
    other = another(version)
    process = serve(SERVE_MEMORY_MB="100")
    client = client_of(version.project)
    for name in ("v1", "v2", "v1"):
        assert ask(client, other, ITEM, name=name).status_code == 200
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        assert len(children) == 1


def test_the_process_leaves_when_nobody_asks(
    serve: Callable[..., Any], version: ModelVersion
) -> None:
    with asking(version) as answers:
        process = serve(SERVE_IDLE_SECONDS="5")
    assert answers[0].status_code == 200, answers[0].content
    assert process.wait(timeout=PATIENCE_SECONDS) == 0
    assert not mail().exists(mailbox.ALIVE)


def test_a_celery_worker_starts_the_process_when_it_is_needed(
    serve: Callable[..., Any], version: ModelVersion, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serving, "current_app", Celery(broker=settings.CELERY_BROKER_URL))
    options = ["-Q", "serve", "-c", "1", "--without-mingle", "-l", "WARNING"]
    serve("-m", "celery", "-A", "config", "worker", *options)
    assert ask(client_of(version.project), version, ITEM).status_code == 200


def test_without_a_worker_the_answer_is_503_with_when_to_ask_again(
    version: ModelVersion, settings: Settings
) -> None:
    settings.SERVE_WAIT_SECONDS = 1
    client = client_of(version.project)
    begun = time.monotonic()
    answer = ask(client, version, ITEM)
    assert time.monotonic() - begun < PATIENCE_SECONDS / 4
    assert answer.status_code == 503
    assert answer["Retry-After"] == "5"
    assert answer["Content-Type"] == "application/problem+json"
    assert answer.json()["type"] == "urn:tandem:problem:model-unavailable"
    assert mail().keys("*request*") == []
    mail().rpush(mailbox.QUEUE, *range(serving.MOST_WAITING))
    assert "Too many" in ask(client, version, ITEM).json()["detail"]


def test_without_redis_there_is_a_reason(version: ModelVersion, settings: Settings) -> None:
    settings.CELERY_BROKER_URL = "memory://"
    answer = ask(client_of(version.project), version, ITEM)
    assert answer.status_code == 503
    assert "set BROKER_URL" in answer.json()["detail"]
    settings.CELERY_BROKER_URL = "redis+socket:///nowhere/redis.sock"
    assert ask(client_of(version.project), version, ITEM).status_code == 503


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ([], 422),
        ({}, 422),
        ({"items": []}, 422),
        ({"items": "all"}, 422),
        ({"items": [{"prompt": "x"}]}, 422),
        ({"items": [{"completions": ["a"]}]}, 422),
        ({"items": [{"prompt": "x", "messages": [], "completions": ["a"]}]}, 422),
        ({"items": [{"prompt": "x", "completions": [1]}]}, 422),
        ({"items": [{"messages": [{"role": "robot", "content": ""}], "completions": ["a"]}]}, 422),
        ({"items": [{"messages": [{"role": "user"}], "completions": ["a"]}]}, 422),
        (ITEM | {"annotator": "somebody"}, 422),
        (ITEM | {"annotator": ["somebody"]}, 422),
        ({"items": [ITEM] * 1001}, 413),
        ({"prompt": "x", "completions": ["a"] * 65}, 413),
        ({"prompt": "x" * 200_001, "completions": ["a"]}, 413),
        ({"items": [{"prompt": "x" * 150_000, "completions": ["a"]}] * 60}, 413),
    ],
)
def test_bad_input_is_refused_before_any_worker_is_asked(
    version: ModelVersion, body: Any, status: int
) -> None:
    answer = ask(client_of(version.project), version, body)
    assert answer.status_code == status, answer.content
    assert answer.json()["detail"]
    assert mail().llen(mailbox.QUEUE) == 0


def test_names_of_versions_lead_to_models_of_this_project_only(version: ModelVersion) -> None:
    other = make_reward_version(make_project(), Path(settings.MEDIA_ROOT), version=7)
    client = client_of(version.project)
    for name in (str(other.pk), "v7", "production", "latest", "v", "9" * 30, "-1", "٣"):
        assert ask(client, version, ITEM, name=name).status_code == 404, name
    assert ask(client, other, ITEM, name="v7").status_code == 404
    ModelVersion.objects.filter(pk=version.pk).update(kind="policy")
    assert ask(client, version, ITEM, name=str(version.pk)).status_code == 422
    assert ask(client, version, {"prompt": "x", "completions": ["a"]}, "rerank").status_code == 404


def test_only_who_sees_training_may_ask(version: ModelVersion) -> None:
    for role in (Role.ANNOTATOR, Role.REVIEWER):
        assert ask(client_of(version.project, role), version, ITEM).status_code == 403
    assert ask(Client(), version, ITEM).status_code in {401, 403}
    assert ask(client_of(make_project()), version, ITEM).status_code == 404
