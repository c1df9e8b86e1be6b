"""Containers and `.env.example` name only what the code has, and all settings it has."""

from __future__ import annotations

import ast
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.core.management import get_commands
from django.utils.module_loading import import_string

from jobs.models import Queue
from training.runs.commands import PASSED_ON

ROOT = Path(__file__).resolve().parents[1]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = {name: service for name, service in SERVICES.items() if "build" in service}
DOCKERFILES = sorted((ROOT / "docker").glob("*.Dockerfile"))
# Read by programs inside the images, not by Tandem.
KEYS = {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"}  # by the client of the storage
FOREIGN = {"PYTHONUNBUFFERED", "PIP_NO_CACHE_DIR", "HF_HOME"} | KEYS
# Read by docker-compose.yml alone.
COMPOSED = {"POSTGRES_PASSWORD"}


def settings_variables() -> set[str]:
    """The names that the readers of `config.env` are called with."""
    names: set[str] = set()
    for path in (ROOT / "platform" / "config").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Name)
                and node.func.id.startswith("env_")
                and isinstance(node.args[0], ast.Constant)
            ):
                names.add(str(node.args[0].value))
    return names


def other_variables() -> set[str]:
    """Variables of ours that other code reads directly: the supervisor and the browser tests."""
    paths = [*(ROOT / "platform" / "embedded").glob("*.py"), ROOT / "tests" / "browser.py"]
    text = "\n".join(path.read_text() for path in paths)
    return set(re.findall(r"environ(?:ment)?(?:\.get\(|\[)\"(TANDEM_[A-Z_]+)\"", text))


def passed_to_training() -> set[str]:
    """Settings that only the processes of training read."""
    return {name for name in PASSED_ON if name.startswith(("TRAINING_", "WANDB_"))}


def example() -> dict[str, str]:
    """The assignments of `.env.example`."""
    lines = (ROOT / ".env.example").read_text().splitlines()
    pairs = [line.split("=", 1) for line in lines if line and not line.startswith("#")]
    return dict(pairs)


# Those of jobs, and the one that only starts the serving of models.
QUEUES = [*Queue.values, "serve"]


def interpolated() -> set[str]:
    """The variables that docker-compose.yml takes from `.env`."""
    return set(re.findall(r"\$\{([A-Z_]+)", (ROOT / "docker-compose.yml").read_text()))


def container_commands() -> dict[str, list[list[str]]]:
    """Each container's commands, split into words; a shell line may hold several."""
    found: dict[str, list[list[str]]] = {}
    for name, service in OURS.items():
        command = service["command"]
        line = command if isinstance(command, str) else command[-1]
        found[name] = [shlex.split(part) for part in line.split("&&")]
    for path in DOCKERFILES:
        line = next(x for x in path.read_text().splitlines() if x.startswith("CMD "))
        found[path.name] = [ast.literal_eval(line.removeprefix("CMD "))]
    return found


def test_every_setting_is_documented_and_every_documented_one_is_read() -> None:
    known = settings_variables() | other_variables() | passed_to_training()
    assert len(settings_variables()) > 10
    assert set(example()) == known | KEYS | COMPOSED
    assert interpolated() >= KEYS | COMPOSED


def test_documented_defaults_are_those_of_the_code() -> None:
    text = (ROOT / "platform" / "config" / "settings.py").read_text()
    for name, shown in example().items():
        match = re.search(rf'env_(str|int|list)\("{name}", "?([^")]+)"?\)', text)
        if match and shown:
            assert shown == match.group(2), name


def test_containers_set_only_variables_the_code_reads() -> None:
    known = settings_variables() | FOREIGN | passed_to_training()
    for name, service in OURS.items():
        assert set(service["environment"]) <= known, name
        assert {"SECRET_KEY", "DATABASE_URL", "BROKER_URL"} <= set(service["environment"])
    for path in DOCKERFILES:
        text = path.read_text().replace("\\\n", " ")
        names = {
            pair.split("=")[0]
            for line in text.splitlines()
            if line.startswith("ENV ")
            for pair in shlex.split(line.removeprefix("ENV "))
        }
        assert names <= known, path.name
    assert interpolated() <= set(example())


@pytest.mark.parametrize("container", sorted(container_commands()))
def test_commands_exist(container: str) -> None:
    """The application object, the Celery application or the management command can be loaded."""
    for words in container_commands()[container]:
        program, *arguments = [word for word in words if word != "exec"]
        if program == "gunicorn":
            assert callable(import_string(arguments[0].replace(":", ".")))
        elif program == "celery":
            assert arguments[:2] == ["-A", "config"]
            assert import_string("config.celery.app").main == "tandem"
            assert arguments[2] in {"worker", "beat"}
        else:
            assert (program, arguments[0]) == ("python", "manage.py")
            assert arguments[1] in get_commands()


def test_every_queue_has_one_worker_and_no_worker_an_unknown_queue() -> None:
    queues = [
        words[words.index("-Q") + 1]
        for name in OURS
        for words in container_commands()[name]
        if "-Q" in words
    ]
    assert sorted(queues) == sorted(QUEUES)


def test_the_supervisor_runs_the_same_queues() -> None:
    text = (ROOT / "platform" / "embedded" / "programs.py").read_text()
    queues = [
        queue for found in re.findall(r'"-Q", "([\w,]+)"', text) for queue in found.split(",")
    ]
    assert sorted(queues) == sorted(QUEUES)


def test_one_beat_and_a_schedule_whose_work_exists() -> None:
    beats = [name for name in OURS if "beat" in container_commands()[name][0]]
    assert beats == ["beat"]
    app = import_string("config.celery.app")
    app.loader.import_default_modules()
    scheduled = {entry["task"] for entry in app.conf.beat_schedule.values()}
    assert scheduled <= set(app.tasks)


def test_images_are_built_from_files_that_exist() -> None:
    for service in OURS.values():
        assert (ROOT / service["build"]["dockerfile"]).is_file()
    for path in DOCKERFILES:
        text = path.read_text()
        assert "-c requirements.lock" in text
        assert "USER tandem" in text
    assert ".[s3]" in (ROOT / "docker" / "web.Dockerfile").read_text()
    assert ".[train,s3]" in (ROOT / "docker" / "gpu.Dockerfile").read_text()


def test_services_that_are_depended_on_are_there_and_have_a_health_check() -> None:
    for service in OURS.values():
        for name in service["depends_on"]:
            assert "healthcheck" in SERVICES[name]
    used = {volume.split(":")[0] for service in SERVICES.values() for volume in service["volumes"]}
    assert used == set(COMPOSE["volumes"])
