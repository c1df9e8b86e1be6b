"""Who labelled how much this week: only in a project that allows it, only of people who want it.

A person's wish is in `User.preferences["leaderboard"]`: the projects they show themselves in, and
the name they choose to show instead of their pseudonym.
"""

from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from django.db import transaction
from django.db.models import Count, F
from django.db.models.functions import TruncDate
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.models import Membership, Project, User
from annotation.labels.models import Annotation, Annotator
from annotation.projects.selectors import protocol_of
from core.exceptions import Forbidden, InvalidInput

from .streaks import monday, streak

LONGEST_NAME = 30
LONGEST_STREAK = timedelta(days=366)


@dataclass(frozen=True)
class Place:
    """One line of the board; equal counts share a rank."""

    rank: int
    name: str
    labels: int
    streak: int
    mine: bool


def wishes(user: User, project: Project) -> tuple[bool, str]:
    """Whether the person shows themselves in this project, and under what name."""
    chosen = user.preferences.get("leaderboard", {})
    return project.pk in chosen.get("projects", []), chosen.get("name", "")


@transaction.atomic
def choose(*, user: User, project: Project, shown: bool, name: str = "") -> None:
    """Step onto the board or off it.

    Raises:
        Forbidden: the project has no board.
        InvalidInput: the name is too long, cannot be printed, or is one that somebody else shows.
    """
    if not protocol_of(project).leaderboard:
        raise Forbidden(_("This project has no leaderboard."))
    name = " ".join(name.split())
    if len(name) > LONGEST_NAME or not name.isprintable():
        raise InvalidInput(_("A name on the board has at most 30 characters."))
    row = User.objects.select_for_update().get(pk=user.pk)
    if name and any(
        other.name.casefold() == name.casefold() for other in board(project, row) if not other.mine
    ):
        raise InvalidInput(_("Somebody else on this board shows that name: choose another."))
    chosen = row.preferences.get("leaderboard", {})
    projects = set(chosen.get("projects", [])) - {project.pk} | ({project.pk} if shown else set())
    row.preferences["leaderboard"] = {"projects": sorted(projects), "name": name}
    row.save(update_fields=["preferences"])


def board(project: Project, user: User) -> list[Place]:
    """The people who show themselves, most labels of this week first. Three queries."""
    members = Membership.objects.filter(
        project=project, user__preferences__leaderboard__projects__contains=project.pk
    )
    people = list(
        Annotator.objects.filter(
            project=project, user__in=members.values("user"), excluded_at__isnull=True
        ).select_related("user")
    )
    days = _labels_by_day([person.pk for person in people])
    today = timezone.now().astimezone(UTC).date()
    counts = {
        person.pk: sum(n for day, n in days[person.pk].items() if day >= monday(today))
        for person in people
    }
    return [
        Place(
            rank=1 + sum(other > counts[person.pk] for other in counts.values()),
            name=_shown_name(person),
            labels=counts[person.pk],
            streak=streak(days[person.pk].keys(), today),
            mine=person.user_id == user.pk,
        )
        for person in sorted(people, key=lambda one: (-counts[one.pk], one.pseudonym))
    ]


def _shown_name(person: Annotator) -> str:
    user = person.user
    return (user.preferences["leaderboard"].get("name") if user else "") or person.pseudonym


def _labels_by_day(annotators: list[int]) -> dict[int, dict[date, int]]:
    """Instances with a standing label by person and day of the last year (UTC)."""
    since = datetime.combine(
        timezone.now().astimezone(UTC).date() - LONGEST_STREAK, time(), tzinfo=UTC
    )
    rows = (
        Annotation.objects.filter(
            annotator__in=annotators,
            created_at__gte=since,
            retracted=False,
            superseded_by__isnull=True,
            slot__isnull=False,
        )
        .exclude(instance__battle__annotator=F("annotator"))
        .values("annotator_id", day=TruncDate("created_at", tzinfo=UTC))
        .annotate(number=Count("slot", distinct=True))
        .order_by()
    )
    found: dict[int, dict[date, int]] = defaultdict(dict)
    for row in rows:
        found[row["annotator_id"]][row["day"]] = row["number"]
    return found
