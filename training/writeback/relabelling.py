"""Sending the instances a model doubts most to people again, through the relabel queue."""

from collections.abc import Sequence

from django.db.models import Exists, OuterRef
from django.utils.translation import gettext as _

from accounts.models import User
from annotation.instances.models import Signal
from annotation.quality.models import Relabel
from annotation.quality.relabelling import Requested, request_relabel
from annotation.queue.models import SlotState
from jobs.models import Job
from training.registry.models import ModelVersion

from .models import RelabelBy
from .selectors import tag_of, wishes_of

REPORT = "training"


def doubted(version: ModelVersion, by: str, count: int) -> list[int]:
    """Ids of the labelled instances whose labels the version trusts least, or is least sure of.

    Those that already went out for this version, or wait for somebody, are left out: asking twice
    sends nothing twice.
    """
    names = {"instance": OuterRef("instance"), "report": REPORT}
    asked = Relabel.objects.filter(**names, reason=reason_of(version, by))
    open_ = Relabel.objects.filter(**names, slot__state__in=[SlotState.OPEN, SlotState.LEASED])
    rows = (
        Signal.objects.filter(
            instance__project=version.project_id,
            instance__consensus__isnull=False,
            name=by,
            version=tag_of(version),
        )
        .exclude(Exists(asked))
        .exclude(Exists(open_))
        .distinct()
    )
    order = "value" if by == RelabelBy.TRUST else "-value"
    return list(rows.order_by(order, "instance_id").values_list("instance_id", flat=True)[:count])


def reason_of(version: ModelVersion, by: str) -> str:
    """Why an instance is in the queue."""
    if by == RelabelBy.TRUST:
        return _("its label is hard to believe for %(version)s") % {"version": tag_of(version)}
    return _("%(version)s is unsure of it") % {"version": tag_of(version)}


def send(*, version: ModelVersion, by: str, count: int, actor: User) -> Requested:
    """Ask for one more label of up to `count` doubted instances.

    Raises:
        InvalidInput: more than the queue takes at once.
    """
    chosen: Sequence[int] = doubted(version, by, count)
    if not chosen:
        return Requested(0, {})
    return request_relabel(
        project=version.project,
        instance_ids=chosen,
        report=REPORT,
        by=actor,
        reason=reason_of(version, by),
    )


def relabel_after(version: ModelVersion, job: Job) -> int:
    """What the project wants relabelled after a write-back: never more than it says."""
    wishes = wishes_of(version.project)
    if not wishes.relabel or job.created_by is None:
        return 0
    found = send(version=version, by=wishes.relabel_by, count=wishes.relabel, actor=job.created_by)
    return found.opened
