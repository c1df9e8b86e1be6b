"""What `make demo` shows: three accounts, a replayed round, and a project to label in."""

import json
import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.conf import settings
from django.utils.text import slugify

from accounts.models import Project, Role, User
from accounts.services import add_member, create_user
from annotation.consensus.generators import Settings, newest_of
from annotation.consensus.tasks import rank_generators
from annotation.instances.readers import Line, read_rows
from annotation.instances.services import ImportReport, import_records
from annotation.instances.simulation import load_embedded, simulate_labels
from annotation.judges.report.selectors import newest_judge_report
from annotation.judges.report.tasks import compute_judge_report
from annotation.projects.services import create_project
from annotation.projects.templates import TEMPLATES
from annotation.queue.sending import send_to_people
from core.exceptions import InvalidInput
from jobs.models import Job

from . import services
from .models import Round
from .selectors import latest_round

ROLES = {"admin": Role.OWNER, "researcher": Role.RESEARCHER, "annotator": Role.ANNOTATOR}
GUIDELINE = (
    "Read the prompt, then both completions to their end. Prefer the one that answers what was "
    "asked, is correct, and keeps to the format that was asked for. Length alone is no merit."
)
REASONS = ("more correct", "follows the instruction", "clearer", "safer", "better format")
SEED = 7
# Every sixth prompt: few enough that one person reaches the end.
LIVE_EVERY = 6
FEWEST_RANKED = 3


def accounts_file() -> Path:
    return Path(settings.VAR_DIR) / "accounts.json"


def ensure_accounts() -> tuple[dict[str, User], dict[str, str]]:
    """The three users, and the passwords of those created just now (kept in a 0600 file too)."""
    users: dict[str, User] = {}
    created: dict[str, str] = {}
    for name in ROLES:
        user = User.objects.filter(username=name).first()
        if user is None:
            created[name] = secrets.token_urlsafe(12)
            user = create_user(username=name, password=created[name])
        users[name] = user
    if created:
        _keep(created)
    return users, created


def _keep(passwords: dict[str, str]) -> None:
    path = accounts_file()
    known = json.loads(path.read_text()) if path.exists() else {}
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        os.fchmod(file.fileno(), 0o600)
        json.dump(known | passwords, file, indent=1)


def ensure_project(users: dict[str, User], *, slug: str, name: str, **protocol: Any) -> Project:
    """The project with its three members, made once."""
    project = Project.objects.filter(slug=slug).first()
    if project is None:
        protocol = protocol or {"guideline": GUIDELINE, "reasons": list(REASONS)}
        project = create_project(name=name, slug=slug, owner=users["admin"], **protocol)
    for username, role in ROLES.items():
        add_member(project=project, user=users[username], role=role)
    return project


def embedded_lines(every: int = 1) -> Iterator[Line]:
    """The embedded set with simulated labels; `every` = 6 takes every sixth prompt."""
    for number, raw in enumerate(load_embedded()):
        if number % every == 0:
            yield Line(number + 1, simulate_labels(raw, seed=SEED), None)


def replayed_project(users: dict[str, User], data: Path | None) -> tuple[Project, ImportReport]:
    """The project whose recorded labels are replayed, with its instances.

    Raises:
        InvalidInput: the file does not exist or holds no usable instance.
    """
    if data is None:
        project = ensure_project(users, slug="demo", name="Helpful answers (simulated labels)")
        lines = embedded_lines()
    else:
        if not data.is_file():
            raise InvalidInput(f"There is no file {data}.")
        stem = data.name.split(".")[0]
        project = ensure_project(users, slug=f"demo-{slugify(stem)}"[:70], name=stem)
        lines = read_rows(data)
    report = import_records(project=project, lines=lines, reveal=False)
    if not project.instances.exists():
        first = report.errors[0] if report.errors else {"line": 0, "reason": "it is empty"}
        raise InvalidInput(f"{data}: nothing usable; line {first['line']}: {first['reason']}.")
    return project, report


def replayed_round(project: Project, user: User) -> tuple[Round, bool]:
    """The project's finished round, or one to follow; the flag says that it is finished."""
    row = latest_round(project)
    if row is not None and row.summary:
        return row, True
    if row is not None and (row.job is None or row.job.ended):
        return services.continue_round(row=row, actor=user), False
    if row is None:
        row = services.start_round(project=project, options={"replay": True}, created_by=user)
    return row, False


def measured(project: Project, user: User) -> list[Job]:
    """The jobs that fill the pages about judges and generators; none where these are full."""
    jobs = []
    if newest_judge_report(project) is None:
        jobs.append(compute_judge_report(project=project, by=user))
    if newest_of(project) is None:
        jobs.append(rank_generators(project=project, settings=Settings(), by=user))
    return jobs


def ranking_project(users: dict[str, User]) -> Project:
    """A project of rankings to label in the browser, without a round."""
    arguments = TEMPLATES["ranking"].arguments()
    project = ensure_project(users, slug="rankings", name="Your turn: rank these", **arguments)
    if not project.instances.exists():
        several = (
            line
            for line in embedded_lines()
            if line.value and len(line.value["responses"]) >= FEWEST_RANKED
        )
        import_records(project=project, lines=several, reveal=False)
        send_to_people(project=project, progress=lambda done, total: None)
    return project


def live_round(users: dict[str, User]) -> Round:
    """The project that people label in the browser: its round waits for them."""
    project = ensure_project(users, slug="your-turn", name="Your turn: label here")
    if not project.instances.exists():
        import_records(project=project, lines=embedded_lines(LIVE_EVERY), reveal=False)
    row = latest_round(project)
    return row or services.start_round(project=project, options={}, created_by=users["admin"])
