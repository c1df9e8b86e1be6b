"""Rates, the lines of what people earned, and paying them out.

Lines are derived from annotations: one for each submit, one against it for each retraction.
Deriving twice adds nothing. What has no rate yet has no line, so a rate that is valid from an
earlier day pays it later. Participants of a study earn its reward and nothing by rate; a vote in
the arena, which everybody may call for as often as they like, earns nothing.
"""

import uuid
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import (
    CharField,
    Exists,
    F,
    Max,
    Min,
    OuterRef,
    QuerySet,
    Subquery,
    Sum,
    Value,
)
from django.db.models.functions import Cast, Concat
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.models import Project, User
from annotation.labels.models import Annotation, Annotator, AnnotatorKind
from audit.services import record
from core.exceptions import Conflict, InvalidInput

from .models import Basis, Earning, EarningKind, Payout, PayoutLine, Rate
from .pay import Terms, amount, paid_seconds, terms_for
from .services import read_cohort

BATCH = 1000
MOST_MICROS = 10_000_000_000


@transaction.atomic
def add_rate(
    *,
    project: Project,
    actor: User,
    basis: str,
    micros: int,
    currency: str,
    valid_from: datetime,
    cohort: str = "",
    most_seconds: int = 600,
) -> Rate:
    """What a label or an hour is paid from a moment on; lines that exist keep their amount.

    Raises:
        InvalidInput: a value is out of range, or there is a rate from this moment on.
    """
    _lock(project)
    if basis not in Basis.values or not 0 <= micros <= MOST_MICROS:
        raise InvalidInput(_("A rate is by label or by hour, and between 0 and 10,000."))
    if not 1 <= most_seconds <= 7200:
        raise InvalidInput(_("Between 1 second and 2 hours are paid for one instance at most."))
    try:
        with transaction.atomic():
            row = Rate.objects.create(
                project=project,
                cohort=read_cohort(cohort),
                basis=basis,
                micros=micros,
                currency=read_currency(currency),
                most_seconds=most_seconds,
                valid_from=valid_from,
                created_by=actor,
            )
    except IntegrityError as error:
        raise InvalidInput(_("There is a rate for this cohort from this day on.")) from error
    _note(actor, project, "pay.rate", row.pk, basis=basis, micros=micros, cohort=row.cohort)
    return row


def read_currency(text: str) -> str:
    """A currency's three letters.

    Raises:
        InvalidInput: it is none.
    """
    code = text.strip().upper()
    if not (len(code) == 3 and code.isascii() and code.isalpha()):
        raise InvalidInput(_("A currency has three letters, such as EUR."))
    return code


@transaction.atomic
def add_bonus(
    *,
    annotator: Annotator,
    actor: User,
    micros: int,
    currency: str,
    reason: str,
    key: uuid.UUID | None = None,
) -> Earning:
    """A line with a reason; a negative one corrects. The same `key` again is the same line.

    Raises:
        InvalidInput: no reason, or nothing to pay.
    """
    reason = reason.strip()
    if not 0 < len(reason) <= 200:
        raise InvalidInput(_("Say in at most 200 characters what the bonus is for."))
    if micros == 0 or abs(micros) > MOST_MICROS:
        raise InvalidInput(_("A bonus is an amount other than 0, and at most 10,000."))
    row, made = Earning.objects.get_or_create(
        annotator=annotator,
        subject=f"bonus:{key or uuid.uuid4()}",
        defaults={
            "project_id": annotator.project_id,
            "kind": EarningKind.BONUS,
            "amount": micros,
            "currency": read_currency(currency),
            "worked_at": timezone.now(),
            "reason": reason,
            "created_by": actor,
        },
    )
    if made:
        _note(actor, annotator.project, "pay.bonus", row.pk, micros=micros, reason=reason)
    return row


@transaction.atomic
def derive(*, project: Project) -> int:
    """Write the lines that are missing; returns how many. One derivation at a time."""
    _lock(project)
    terms = _terms(project)
    if not terms:
        return 0
    submits = _without_a_line(project, min(one.valid_from for one in terms))
    written = 0
    for part in _parts(submits):
        lines = list(_lines(project, part, terms))
        Earning.objects.bulk_create(lines)
        written += len(lines)
    return written


def _lock(project: Project) -> None:
    """NO KEY: rows that point at the project are written meanwhile."""
    Project.objects.select_for_update(no_key=True).get(pk=project.pk)


def _terms(project: Project) -> list[Terms]:
    return [
        Terms(
            row.pk,
            row.cohort,
            row.basis,
            row.micros,
            row.currency,
            row.most_seconds,
            row.valid_from,
        )
        for row in Rate.objects.filter(project=project)
    ]


def _without_a_line(project: Project, since: datetime) -> list[Mapping[str, Any]]:
    """One row per submit or retraction of a person that has no line yet, oldest first."""
    subject = Concat(
        Value("submit:"), Cast(OuterRef("client_id"), CharField()), output_field=CharField()
    )
    there = Earning.objects.filter(annotator=OuterRef("annotator_id"), subject=subject)
    rows = Annotation.objects.filter(
        ~Exists(there),
        project=project,
        slot__isnull=False,
        created_at__gte=since,
        annotator__kind=AnnotatorKind.PERSON,
        annotator__simulated=False,
        annotator__participation__isnull=True,
        # Visitors of an arena have no account that could be paid.
        annotator__user__isnull=False,
    ).exclude(instance__battle__annotator=F("annotator"))
    return list(
        rows.values(
            "annotator_id",
            "client_id",
            "retracted",
            "annotator__cohort",
            "slot__leased_at",
            "supersedes__client_id",
        )
        .annotate(first=Min("pk"), spent=Max("seconds"), at=Min("created_at"))
        .order_by("first")
    )


def _parts(rows: list[Mapping[str, Any]]) -> Iterator[list[Mapping[str, Any]]]:
    return (rows[start : start + BATCH] for start in range(0, len(rows), BATCH))


def _lines(
    project: Project, submits: list[Mapping[str, Any]], terms: list[Terms]
) -> Iterator[Earning]:
    """The lines of one batch. A retraction takes back what the submit and its edits were paid."""
    before = _edits(submits)
    paid = _paid_before(submits, before)
    began = _edits_began(submits)
    for row in submits:
        key = (row["annotator_id"], row["client_id"])
        if key in paid:
            continue
        if row["retracted"]:
            line = _taken_back(row, _chain(row, before, paid))
        else:
            line = _earned(row, terms, began.get(row["first"], row["slot__leased_at"]))
        if line is not None:
            line.project = project
            paid[key] = line
            yield line


# A submit: the annotator and the client id.
Key = tuple[int, uuid.UUID]


def _edits(submits: list[Mapping[str, Any]]) -> dict[Key, Key]:
    """For what the retractions of this batch take back: which submit was an edit of which."""
    found: dict[Key, Key] = {}
    wanted = {row["supersedes__client_id"] for row in submits if row["retracted"]}
    people = {row["annotator_id"] for row in submits}
    while wanted:
        rows = Annotation.objects.filter(
            annotator__in=people, client_id__in=wanted, supersedes__isnull=False
        ).values_list("annotator_id", "client_id", "supersedes__client_id")
        links = {(one, edit): (one, earlier) for one, edit, earlier in rows}
        found |= links
        wanted = {earlier for _one, earlier in links.values()}
    return found


def _edits_began(submits: list[Mapping[str, Any]]) -> dict[int, datetime]:
    """When the work on each edit began at the earliest: with what the person sent before it.

    Their lease began long before, and would pay as many edits in a minute as somebody likes.
    """
    sent = Annotation.objects.filter(annotator=OuterRef("annotator"), pk__lt=OuterRef("pk"))
    last = sent.order_by("-pk").values("created_at")[:1]
    keys = [row["first"] for row in submits if row["supersedes__client_id"] is not None]
    rows = Annotation.objects.filter(pk__in=keys).annotate(began=Subquery(last))
    return dict(rows.values_list("pk", "began"))


def _paid_before(submits: list[Mapping[str, Any]], before: Mapping[Key, Key]) -> dict[Key, Earning]:
    """Lines of earlier batches that retractions of this one take back."""
    taken = {row["supersedes__client_id"] for row in submits if row["retracted"]}
    taken |= {client_id for _one, client_id in before.values()}
    wanted = {f"submit:{client_id}": client_id for client_id in taken}
    rows = Earning.objects.filter(
        annotator__in={row["annotator_id"] for row in submits}, subject__in=list(wanted)
    )
    return {(row.annotator_id, wanted[row.subject]): row for row in rows}


def _chain(
    row: Mapping[str, Any], before: Mapping[Key, Key], paid: Mapping[Key, Earning]
) -> list[Earning]:
    """The lines of what a retraction takes back: the last edit, then what it had changed."""
    key: Key | None = (row["annotator_id"], row["supersedes__client_id"])
    lines = []
    while key is not None:
        if key in paid:
            lines.append(paid[key])
        key = before.get(key)
    return lines


def _earned(row: Mapping[str, Any], terms: list[Terms], began: datetime | None) -> Earning | None:
    """An edit (it supersedes and retracts nothing) is no second label; its time is paid."""
    valid = terms_for(terms, row["annotator__cohort"], row["at"])
    if valid is None:
        return None
    edit = row["supersedes__client_id"] is not None
    seconds = paid_seconds(
        row["spent"],
        most=valid.most_seconds,
        began=began,
        submitted_at=row["at"],
    )
    return Earning(
        annotator_id=row["annotator_id"],
        kind=valid.basis,
        subject=f"submit:{row['client_id']}",
        amount=0 if edit and valid.basis == Basis.LABEL else amount(valid, seconds),
        currency=valid.currency,
        labels=0 if edit else 1,
        seconds=seconds,
        worked_at=row["at"],
        rate_id=valid.key,
    )


def _taken_back(row: Mapping[str, Any], against: list[Earning]) -> Earning | None:
    if not against:
        return None
    return Earning(
        annotator_id=row["annotator_id"],
        kind=against[0].kind,
        subject=f"submit:{row['client_id']}",
        amount=-sum(line.amount for line in against),
        currency=against[-1].currency,
        labels=-sum(line.labels for line in against),
        seconds=-sum(line.seconds for line in against),
        worked_at=row["at"],
        rate_id=against[0].rate_id,
    )


def unpaid(project: Project) -> QuerySet[Earning]:
    """Lines that are in no payout."""
    return Earning.objects.filter(project=project, payout_line__isnull=True)


@transaction.atomic
def approve(*, project: Project, currency: str, actor: User) -> Payout:
    """Freeze what is owed in one currency to everybody who is owed more than nothing.

    Raises:
        Conflict: nobody is owed anything.
    """
    derive(project=project)
    owed = unpaid(project).filter(currency=read_currency(currency))
    totals = owed.values("annotator_id").annotate(sum=Sum("amount")).filter(sum__gt=0)
    keys = list(
        owed.filter(annotator__in=[row["annotator_id"] for row in totals])
        .order_by("pk")
        .values_list("pk", flat=True)
    )
    if not keys:
        raise Conflict(_("Nobody is owed anything in this currency."))
    payout = Payout.objects.create(
        project=project, currency=read_currency(currency), approved_by=actor
    )
    PayoutLine.objects.bulk_create(
        [PayoutLine(payout=payout, earning_id=key) for key in keys], batch_size=BATCH
    )
    _note(actor, project, "pay.approved", payout.pk, lines=len(keys))
    return payout


@transaction.atomic
def mark_paid(*, payout: Payout, reference: str, actor: User) -> Payout:
    """Say that the money went out, under what reference.

    Raises:
        Conflict: it was said before.
    """
    row = Payout.objects.select_for_update().get(pk=payout.pk)
    if row.paid_at is not None:
        raise Conflict(_("This payout is marked as paid already."))
    row.paid_at, row.reference = timezone.now(), reference.strip()[:120]
    row.save(update_fields=["paid_at", "reference"])
    _note(actor, row.project, "pay.paid", row.pk, reference=row.reference)
    return row


@transaction.atomic
def withdraw(*, payout: Payout, actor: User) -> None:
    """Undo an approval: its lines are owed again.

    Raises:
        Conflict: the money went out.
    """
    row = Payout.objects.select_for_update().get(pk=payout.pk)
    if row.paid_at is not None:
        raise Conflict(_("This payout is paid: correct it with a bonus line."))
    _note(actor, row.project, "pay.withdrawn", row.pk)
    row.delete()


def _note(actor: User, project: Project, action: str, target: int, **data: object) -> None:
    record(action=action, actor=actor, project=project, target=str(target), **data)
