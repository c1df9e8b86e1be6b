"""The command lines of web, workers, beat and management commands."""

from __future__ import annotations

import signal
import socket
import sys
from collections.abc import Mapping, Sequence

from embedded.gpus import gpu_groups, worker_environment
from embedded.owner import ROOT
from embedded.processes import Program
from embedded.services import Services

WORKER_GRACE_SECONDS = 5.0


def application_programs(
    services: Services, environment: Mapping[str, str], listener: socket.socket
) -> list[Program]:
    """Web on an open socket first, then a worker for short jobs, one per GPU for models, one beat.

    Without a GPU one worker runs models on the CPU.
    """
    celery = ["celery", "-A", "config"]
    worker = [*celery, "worker", "--loglevel", "INFO", "--without-mingle"]
    schedule = str(services.var / "run" / "beat-schedule")
    commands: dict[str, list[str]] = {
        "web": web_command(listener.fileno()),
        "worker": [*worker, "-n", "default@%h", "-Q", "default,serve", "-c", "2"],
        "beat": [*celery, "beat", "--loglevel", "INFO", "-s", schedule, "--pidfile="],
    }
    environments: dict[str, Mapping[str, str]] = {}
    for number, group in enumerate(gpu_groups(environment)):
        name = f"gpu-worker-{number}" if number else "gpu-worker"
        node = f"gpu{number or ''}@%h"
        commands[name] = [*worker, "-n", node, "-Q", "gpu", "-c", "1", "--prefetch-multiplier=1"]
        environments[name] = worker_environment(environment, group)
    return [
        Program(
            name=name,
            command=[sys.executable, "-m", *command],
            owner=services.owner,
            environment=environments.get(name, environment),
            folder=ROOT,
            log=services.var / "log" / f"{name}.log",
            stop_signal=signal.SIGTERM,
            grace=WORKER_GRACE_SECONDS,
            pass_fds=[listener.fileno()] if name == "web" else [],
        )
        for name, command in commands.items()
    ]


def web_command(descriptor: int) -> list[str]:
    """Gunicorn on a socket that the supervisor has opened."""
    return [
        *("gunicorn", "config.wsgi:application", "--bind", f"fd://{descriptor}"),
        *("--worker-class", "gthread", "--workers", "2", "--threads", "4"),
        *("--timeout", "60", "--graceful-timeout", "4", "--access-logfile", "-"),
        # Loaded once and shared by the workers: half the start and less memory.
        *("--preload", "--no-control-socket"),
    ]


def prepare_program(services: Services, environment: Mapping[str, str]) -> Program:
    """Migrations and static files."""
    return Program(
        name="prepare",
        command=[sys.executable, "-m", "embedded.prepare"],
        owner=services.owner,
        environment=environment,
        folder=ROOT,
        log=services.var / "log" / "prepare.log",
    )


def management_program(
    services: Services, environment: Mapping[str, str], arguments: Sequence[str]
) -> Program:
    """`manage.py` with arguments; its output goes to the terminal."""
    return Program(
        name=arguments[0],
        command=[sys.executable, "manage.py", *arguments],
        owner=services.owner,
        environment=environment,
        folder=ROOT,
        grace=WORKER_GRACE_SECONDS,
    )
