"""Reads about the people of a project, its studies, and what it owes."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import (
    Count,
    DateTimeField,
    IntegerField,
    Max,
    Min,
    OuterRef,
    Q,
    QuerySet,
    Subquery,
    Sum,
)
from django.db.models.functions import Coalesce
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.models import Membership, Project, User
from annotation.labels.models import Annotation, Annotator
from annotation.queue.models import Slot, SlotState
from core.exceptions import NotFound
from core.spreadsheets import as_text

from .models import Earning, Participation, Payout, Rate, Stage, Study
from .pay import decimal
from .payments import unpaid

# Somebody who labelled within this time is at work.
LATELY = timedelta(minutes=10)


def members_of(project: Project, search: str = "") -> QuerySet[Membership]:
    """Memberships; with `search` those whose user name or pseudonym holds it."""
    rows = Membership.objects.filter(project=project).select_related("user", "invitation")
    if not search:
        return rows
    named = Annotator.objects.filter(
        project=project, pseudonym__icontains=search, user__isnull=False
    )
    return rows.filter(Q(user__username__icontains=search) | Q(user__in=named.values("user")))


@dataclass(frozen=True)
class Person:
    """A member with what they do here; `annotator` is None before they first labelled."""

    membership: Membership
    annotator: Annotator | None
    participation: Participation | None
    labels: int
    held: int
    active_at: datetime | None

    @property
    def state(self) -> str:
        """`excluded`, `at work`, `idle` or `new`."""
        if self.annotator is not None and self.annotator.excluded_at:
            return "excluded"
        lately = self.active_at is not None and timezone.now() - self.active_at < LATELY
        if self.held or (self.labels and lately):
            return "at work"
        return "idle" if self.labels else "new"


def people(memberships: Iterable[Membership]) -> list[Person]:
    """These members of one project, in their order. Two queries."""
    rows = list(memberships)
    found = {
        one.user_id: one
        for one in _annotators().filter(
            project__in={row.project_id for row in rows}, user__in=[row.user_id for row in rows]
        )
    }
    parts = {
        one.user_id: one
        for one in Participation.objects.filter(
            user__in=[row.user_id for row in rows]
        ).select_related("study")
    }
    return [_person(row, found.get(row.user_id), parts.get(row.user_id)) for row in rows]


def _person(row: Membership, annotator: Any, participation: Participation | None) -> Person:
    return Person(
        membership=row,
        annotator=annotator,
        participation=participation,
        labels=annotator.labelled if annotator else 0,
        held=annotator.held if annotator else 0,
        active_at=(annotator.active_at if annotator else None) or row.user.last_login,
    )


def _annotators() -> QuerySet[Annotator]:
    """With `labelled` and `held` slots, and `active_at`, the time of the newest annotation."""
    mine = Slot.objects.filter(annotator=OuterRef("pk")).order_by().values("annotator")
    newest = Annotation.objects.filter(annotator=OuterRef("pk")).order_by("-pk")

    def number(state: str) -> Coalesce:
        counted = mine.filter(state=state).annotate(n=Count("pk")).values("n")
        return Coalesce(Subquery(counted, output_field=IntegerField()), 0)

    return Annotator.objects.annotate(
        labelled=number(SlotState.SUBMITTED),
        held=number(SlotState.LEASED),
        active_at=Subquery(newest.values("created_at")[:1], output_field=DateTimeField()),
    )


def cohorts_of(project: Project) -> list[str]:
    """The names of the cohorts that are in use, for suggestions."""
    rows = Annotator.objects.filter(project=project).exclude(cohort="")
    return sorted(rows.values_list("cohort", flat=True).distinct())


def studies_of(project: Project) -> QuerySet[Study]:
    """Newest first, with the number of people per stage."""
    return (
        Study.objects.filter(project=project)
        .annotate(
            active=Count("participations", filter=Q(participations__stage=Stage.ACTIVE)),
            completed=Count("participations", filter=Q(participations__stage=Stage.COMPLETED)),
            returned=Count("participations", filter=Q(participations__stage=Stage.RETURNED)),
            timed_out=Count("participations", filter=Q(participations__stage=Stage.TIMED_OUT)),
        )
        .order_by("-pk")
    )


def study_in(project: Project, study_id: int) -> Study:
    """One study of the project.

    Raises:
        NotFound: there is no such study in this project.
    """
    row = studies_of(project).select_related("project").filter(pk=study_id).first()
    if row is None:
        raise NotFound(_("There is no such study in this project."))
    return row


def participations_of(study: Study) -> QuerySet[Participation]:
    """Who came, with the number of instances they `labelled`."""
    counted = (
        Slot.objects.filter(annotator=OuterRef("annotator"), state=SlotState.SUBMITTED)
        .order_by()
        .values("annotator")
        .annotate(n=Count("pk"))
        .values("n")
    )
    return (
        Participation.objects.filter(study=study)
        .select_related("annotator", "user")
        .annotate(labelled=Coalesce(Subquery(counted, output_field=IntegerField()), 0))
    )


def participation_of(user: User) -> Participation:
    """The participation for which this account was made.

    Raises:
        NotFound: it is an ordinary account.
    """
    rows = Participation.objects.select_related("study__project", "annotator", "user")
    row = rows.filter(user=user).first()
    if row is None:
        raise NotFound(_("This account takes part in no study."))
    return row


def rates_of(project: Project) -> QuerySet[Rate]:
    """Newest first."""
    return Rate.objects.filter(project=project).order_by("-valid_from", "-pk")


@dataclass(frozen=True)
class Balance:
    """What somebody has earned in one currency: `amount` in micros, `seconds` of paid work."""

    annotator: Annotator
    external_id: str
    currency: str
    labels: int
    seconds: float
    amount: int
    first: datetime
    last: datetime

    @property
    def account(self) -> str:
        """Who to pay: the crowd's id, else the user name."""
        return self.external_id or self.annotator.name


def balances(earnings: QuerySet[Earning]) -> list[Balance]:
    """The earnings summed by person and currency, the highest amount first. Two queries."""
    rows = list(
        earnings.values("annotator_id", "currency")
        .annotate(
            pieces=Sum("labels"),
            time=Sum("seconds"),
            total=Sum("amount"),
            first=Min("worked_at"),
            last=Max("worked_at"),
        )
        .order_by("-total", "annotator_id")
    )
    found = Annotator.objects.select_related("participation").in_bulk(
        [row["annotator_id"] for row in rows]
    )
    return [_balance(found[row["annotator_id"]], row) for row in rows]


def _balance(annotator: Annotator, row: Mapping[str, Any]) -> Balance:
    participation = getattr(annotator, "participation", None)
    return Balance(
        annotator=annotator,
        external_id=participation.external_id if participation else "",
        currency=row["currency"],
        labels=row["pieces"],
        seconds=row["time"],
        amount=row["total"],
        first=row["first"],
        last=row["last"],
    )


def owed(project: Project) -> list[Balance]:
    """What is in no payout yet."""
    return balances(unpaid(project))


def earnings_of(annotator: Annotator) -> QuerySet[Earning]:
    """A person's own lines, newest first."""
    rows = Earning.objects.filter(annotator=annotator)
    return rows.select_related("payout_line__payout", "rate").order_by("-pk")


def payouts_of(project: Project) -> QuerySet[Payout]:
    """Newest first, with the number of `people` and the `amount`."""
    return (
        Payout.objects.filter(project=project)
        .annotate(
            people=Count("lines__earning__annotator", distinct=True),
            amount=Sum("lines__earning__amount"),
        )
        .order_by("-pk")
    )


def payout_in(project: Project, payout_id: int) -> Payout:
    """One payout of the project.

    Raises:
        NotFound: there is no such payout in this project.
    """
    row = Payout.objects.select_related("project").filter(project=project, pk=payout_id).first()
    if row is None:
        raise NotFound(_("There is no such payout in this project."))
    return row


PAYROLL = (
    "pseudonym",
    "account",
    "first_day",
    "last_day",
    "labels",
    "hours",
    "amount",
    "currency",
    "reference",
)


def payroll(payout: Payout) -> list[tuple[str, ...]]:
    """The rows of the payout's CSV under the columns `PAYROLL`, one per person.

    Texts cannot start a formula; amounts are exact decimals in currency units.
    """
    lines = Earning.objects.filter(payout_line__payout=payout)
    return [
        (
            as_text(one.annotator.pseudonym),
            as_text(one.account),
            one.first.date().isoformat(),
            one.last.date().isoformat(),
            str(one.labels),
            f"{one.seconds / 3600:.4f}",
            decimal(one.amount),
            one.currency,
            as_text(payout.reference or f"{payout.project.slug}-{payout.pk}"),
        )
        for one in balances(lines)
    ]
