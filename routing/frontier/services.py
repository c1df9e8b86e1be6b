"""Preparing the frontier, and saving the budget that was chosen on it."""

from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils.translation import gettext as _

from accounts.models import Project, User
from annotation.ledger.several import quantity
from core.exceptions import Conflict, InvalidInput
from jobs import services as jobs
from jobs.context import JobContext
from jobs.models import Job
from routing.decisions.models import Router
from routing.live.models import LiveRouting

from . import sheet
from .preparing import prepare
from .selectors import Payer, router_in_use, sheet_of, sheet_path, spending_of

KIND = "routing.frontier"


def prepare_frontier(*, project: Project, by: User | None = None) -> Job:
    """Queue the scoring of what is open by the router in use.

    Raises:
        InvalidInput: no router is fitted yet.
        Conflict: it is being scored already.
    """
    if router_in_use(project) is None:
        raise InvalidInput(_("No router is fitted yet: there is nothing to predict with."))
    return jobs.submit(
        kind=KIND,
        project=project,
        arguments={"project": project.pk},
        created_by=by,
        unique_key=f"frontier:{project.pk}",
    )


def prepare_again(project: Project) -> Job | None:
    """After a new router: None where it is being scored already, or there is none."""
    try:
        with transaction.atomic():
            return prepare_frontier(project=project)
    except (Conflict, InvalidInput):
        return None


def run_prepare(context: JobContext) -> dict[str, Any]:
    """The job behind it: one file of numbers for the router in use."""
    project = Project.objects.get(pk=context.arguments["project"])
    router = router_in_use(project)
    if router is None:
        raise InvalidInput("No router is fitted yet: there is nothing to predict with.")
    made = prepare(project, router)
    sheet.save(made, sheet_path(router))
    _forget_older(router)
    return {"instances": len(made), "audit": made.audit, "router": router.version}


def _forget_older(router: Router) -> None:
    """Sheets of other versions are not read again."""
    folder: Path = Path(settings.MEDIA_ROOT) / "frontier" / str(router.project_id)
    for path in folder.glob("*.npz"):
        if path != sheet_path(router):
            path.unlink(missing_ok=True)


def check_minimum(project: Project, payer: Payer, limit: int) -> None:
    """Refuse a limit that cannot pay what is promised already and the audit arm.

    Raises:
        InvalidInput: naming the `minimum`, in millionths of the unit too.
    """
    router = router_in_use(project)
    made = sheet_of(router) if router else None
    if made is None:
        return
    live = LiveRouting.objects.filter(project=project).first()
    minimum = spending_of(made, payer, live).minimum
    if limit < minimum:
        allowance = payer.allowance
        raise InvalidInput(
            _(
                "What is spent and promised and the audit arm of %(count)s instances take "
                "%(minimum)s: give at least that."
            )
            % {
                "count": made.audit,
                "minimum": quantity(minimum, allowance.unit, allowance.currency),
            },
            minimum=minimum,
        )
