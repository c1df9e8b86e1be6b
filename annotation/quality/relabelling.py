"""The relabel queue: one more opinion on instances, asked for by a report."""

from collections.abc import Collection
from dataclasses import dataclass

from django.db import transaction
from django.db.models import QuerySet
from django.utils.translation import gettext as _

from accounts.models import Project, User
from annotation.instances.models import Instance
from annotation.queue.models import SlotState
from annotation.queue.services import add_slot
from audit.services import record
from core.exceptions import Conflict, InvalidInput, NotFound

from .models import Relabel

REPORTS = frozenset(
    {
        *("disagreement", "gold", "bias", "agreement", "exclusion", "influence", "review"),
        *("dashboard", "training", "explaining", "judges"),
    }
)
MOST_AT_ONCE = 1000
MOST_COUNT = 5


@dataclass(frozen=True)
class Requested:
    """How many places were opened, and for which instances none could be."""

    opened: int
    refused: dict[int, str]


@transaction.atomic
def request_relabel(
    *,
    project: Project,
    instance_ids: Collection[int],
    report: str,
    by: User,
    reason: str = "",
    count: int = 1,
) -> Requested:
    """Open `count` more places on each instance; who labelled it before does not get it again.

    An instance that cannot take one (set aside, or gold) is refused with the reason; the others
    go on.

    Raises:
        InvalidInput: the report, the count or the number of instances is out of range.
        NotFound: an instance is not of this project.
    """
    wanted = sorted(set(instance_ids))
    _check(wanted, report, reason, count)
    found = Instance.objects.in_bulk(wanted)
    if any(pk not in found or found[pk].project_id != project.pk for pk in wanted):
        raise NotFound(_("There is no such instance in this project."))
    refused: dict[int, str] = {}
    rows = []
    for pk in wanted:
        try:
            rows += [_relabel(found[pk], report, reason, by) for _ in range(count)]
        except Conflict as error:
            refused[pk] = error.message
    Relabel.objects.bulk_create(rows)
    record(
        action="quality.relabel",
        actor=by,
        project=project,
        target=report,
        instances=len(wanted) - len(refused),
    )
    return Requested(len(rows), refused)


def _check(wanted: Collection[int], report: str, reason: str, count: int) -> None:
    if report not in REPORTS:
        raise InvalidInput(_("No report is called %(report)r.") % {"report": report[:40]})
    if not 1 <= count <= MOST_COUNT:
        raise InvalidInput(
            _("Ask for 1 to %(most_count)s more labels.") % {"most_count": MOST_COUNT}
        )
    if not 1 <= len(wanted) <= MOST_AT_ONCE:
        raise InvalidInput(
            _("Choose 1 to %(most_at_once)s instances.") % {"most_at_once": MOST_AT_ONCE}
        )
    if len(reason) > 200 or "\0" in reason:
        raise InvalidInput(_("A reason has at most 200 characters."))


def _relabel(instance: Instance, report: str, reason: str, by: User) -> Relabel:
    slot = add_slot(instance=instance)
    return Relabel(
        instance=instance, report=report, reason=reason.strip(), requested_by=by, slot=slot
    )


def relabels_of(project: Project, *, done: bool = False) -> QuerySet[Relabel]:
    """Open relabels, or those whose place is filled or gone; newest first."""
    rows = Relabel.objects.filter(instance__project=project).select_related(
        "instance", "slot", "requested_by"
    )
    waiting = {"slot__state__in": [SlotState.OPEN, SlotState.LEASED]}
    return (rows.exclude(**waiting) if done else rows.filter(**waiting)).order_by("-pk")
