"""Reads about rounds."""

from dataclasses import dataclass
from typing import Any

from django.db.models import QuerySet
from django.utils.translation import gettext as _

from accounts.models import Project
from core.exceptions import NotFound

from .models import Round
from .titles import titles_of


@dataclass(frozen=True)
class StageView:
    """One stage of a round on its page; `state` is done, current, waiting, failed or to come."""

    name: str
    title: str
    state: str
    outcome: dict[str, Any]


def rounds_of(project: Project) -> QuerySet[Round]:
    """The project's rounds, newest first."""
    return (
        Round.objects.filter(project=project)
        .select_related("job", "router", "snapshot", "reward_run", "policy_run")
        .order_by("-number")
    )


def latest_round(project: Project) -> Round | None:
    return rounds_of(project).first()


def round_in(project: Project, number: int) -> Round:
    """One round of the project.

    Raises:
        NotFound: the project has no round of that number.
    """
    row = rounds_of(project).filter(number=number).first()
    if row is None:
        raise NotFound(_("There is no such round in this project."))
    return row


def stages_of(row: Round) -> list[StageView]:
    """Every stage in order with its state and outcome."""
    views: list[StageView] = []
    current = False
    for name, title in titles_of(row.kind).items():
        outcome = row.stages.get(name)
        if outcome is not None:
            views.append(StageView(name, title, "done", outcome))
            continue
        state = "to come" if current else _state_of_current(row)
        current = True
        views.append(StageView(name, title, state, {}))
    return views


def waiting_for(row: Round) -> int:
    """Labels that people still owe this round before it can go on; 0 when it does not wait."""
    result = row.job.result if row.job and row.job.result else {}
    return int(result.get("waiting", 0))


def _state_of_current(row: Round) -> str:
    if row.job is None:
        return "to come"
    if row.job.state == "succeeded":
        return "waiting"
    return "current" if not row.job.ended else row.job.state
