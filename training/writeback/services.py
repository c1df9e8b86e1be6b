"""Asking for a write-back, and what a project wants of it by itself."""

from django.db import transaction

from accounts.models import Project, User
from annotation.quality.relabelling import MOST_AT_ONCE
from audit.services import record
from core.exceptions import Conflict, InvalidInput
from jobs import services as jobs
from jobs.models import Job
from training.registry.models import ModelVersion, Stage

from .models import RelabelBy, WriteBack
from .selectors import KIND, wishes_of


@transaction.atomic
def start_write_back(*, version: ModelVersion, actor: User | None, everything: bool = False) -> Job:
    """Write what the version says of the project's instances, as signals.

    Args:
        everything: all instances, not only those without its signals or with newer labels.

    Raises:
        Conflict: one of this version is running.
    """
    job = jobs.submit(
        kind=KIND,
        project=version.project,
        arguments={"version": version.pk, "everything": everything},
        created_by=actor,
        unique_key=f"{KIND}:{version.pk}",
    )
    record(
        action="write-back started",
        actor=actor,
        project=version.project,
        target=f"model version {version.pk}",
        everything=everything,
    )
    return job


@transaction.atomic
def set_write_back(
    *,
    project: Project,
    actor: User | None,
    after_promotion: bool,
    relabel: int = 0,
    relabel_by: str = RelabelBy.TRUST,
) -> WriteBack:
    """Whether a promotion starts a write-back, and how many instances it sends to people again.

    Raises:
        InvalidInput: the number or the order is out of range.
    """
    if not 0 <= relabel <= MOST_AT_ONCE:
        raise InvalidInput(f"Relabel from 0 to {MOST_AT_ONCE} instances.")
    if relabel_by not in RelabelBy.values:
        raise InvalidInput(f"Relabel by {' or '.join(RelabelBy.values)}.")
    values = {
        "after_promotion": after_promotion,
        "relabel": relabel,
        "relabel_by": RelabelBy(relabel_by),
    }
    row, _ = WriteBack.objects.update_or_create(project=project, defaults=values)
    record(action="write-back set", actor=actor, project=project, target="write-back", **values)
    return row


def after_promotion(version: ModelVersion, actor: User | None) -> Job | None:
    """Start what the project wants of a version that has come into production."""
    if version.stage != Stage.PRODUCTION or not wishes_of(version.project).after_promotion:
        return None
    try:
        return start_write_back(version=version, actor=actor)
    except Conflict:
        return None  # somebody was faster
