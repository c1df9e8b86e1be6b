"""Starting the computation of features."""

from accounts.models import Project, User
from core.exceptions import Conflict
from jobs.models import ACTIVE, Job
from jobs.services import submit
from training.runs.encoders import INCLUDED
from training.runs.folders import allowed_folder

from .jobs import FEATURES_KIND


def compute_features(
    *, project: Project, by: User | None = None, encoder: str | None = None
) -> Job:
    """Compute what instances lack of the current extractors, as a job, one at a time a project.

    Where one is under way it is returned: it takes in what has come since it began.

    Args:
        encoder: a folder below MODEL_ROOTS, or `INCLUDED`; None: the one of the last time.

    Raises:
        InvalidInput: there is no such encoder among the allowed models.
    """
    chosen = encoder or last_encoder(project)
    if chosen != INCLUDED:
        allowed_folder(chosen, holds="config.json")
    try:
        return submit(
            kind=FEATURES_KIND,
            project=project,
            arguments={"encoder": chosen},
            created_by=by,
            unique_key=f"features:{project.pk}",
        )
    except Conflict:
        under_way = features_job(project)
        if under_way is None or under_way.ended:
            raise
        return under_way


def features_job(project: Project) -> Job | None:
    """The newest job that computes the project's features. One query."""
    return Job.objects.filter(project=project, kind=FEATURES_KIND).order_by("-pk").first()


def is_computing(project: Project) -> bool:
    return Job.objects.filter(project=project, kind=FEATURES_KIND, state__in=ACTIVE).exists()


def last_encoder(project: Project) -> str:
    """The encoder that the last computation was asked to use. One query."""
    job = features_job(project)
    return str(job.arguments.get("encoder") or INCLUDED) if job else INCLUDED
