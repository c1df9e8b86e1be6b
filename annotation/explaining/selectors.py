"""Reads about explanations."""

from django.db.models import QuerySet
from django.utils.translation import gettext as _

from accounts.models import Project
from annotation.labels.models import Annotation
from core.exceptions import NotFound

from .models import Explanation


def explanations_of(project: Project) -> QuerySet[Explanation]:
    """Newest first, without their figures."""
    rows = Explanation.objects.filter(project=project).select_related("snapshot", "job")
    return rows.defer("figures").order_by("-pk")


def explanation_in(project: Project, explanation_id: int) -> Explanation:
    """One with its figures.

    Raises:
        NotFound: the project has no such explanation.
    """
    rows = Explanation.objects.filter(project=project, pk=explanation_id)
    found = rows.select_related("snapshot", "job").first()
    if found is None:
        raise NotFound(_("There is no such explanation in this project."))
    return found


def newest_explanation(project: Project) -> Explanation | None:
    """The one that the page shows, with its figures."""
    rows = Explanation.objects.filter(project=project).select_related("snapshot", "job")
    return rows.order_by("-pk").first()


def labels_since(explanation: Explanation) -> int:
    """How many labels came after those it saw; none after a snapshot's, which never change."""
    if explanation.snapshot_id is not None:
        return 0
    rows = Annotation.objects.filter(
        project=explanation.project_id, pk__gt=explanation.newest_annotation
    )
    return rows.count()
