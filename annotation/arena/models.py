"""The arena: two contestants answer a visitor's prompt unnamed, and the vote becomes a label."""

import uuid

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q

from annotation.projects.models import TieKind
from core.models import TimeStamped


class Audience(models.TextChoices):
    """Who sees the leaderboard."""

    STAFF = "staff"
    VOTERS = "voters"


class Arena(TimeStamped):
    """The arena of a project and its limits. Without a budget only free contestants can answer."""

    project = models.OneToOneField("accounts.Project", models.CASCADE, related_name="arena")
    open = models.BooleanField(default=False)
    # Anybody with the address may play, known by a signed cookie only.
    public = models.BooleanField(default=False)
    leaderboard = models.CharField(max_length=8, choices=Audience.choices, default=Audience.STAFF)
    budget = models.ForeignKey("annotation.Budget", models.PROTECT, null=True, related_name="+")
    most_characters = models.PositiveIntegerField(default=4000)
    most_turns = models.PositiveSmallIntegerField(default=4)
    most_tokens = models.PositiveIntegerField(default=1024)
    # Prompts within an hour: of one visitor, and from one address (anonymous visitors only).
    hourly_visitor = models.PositiveIntegerField(default=30)
    hourly_address = models.PositiveIntegerField(default=60)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(
                    most_characters__range=(100, 100_000),
                    most_turns__range=(1, 20),
                    most_tokens__range=(16, 32_768),
                    hourly_visitor__gte=1,
                    hourly_address__gte=1,
                ),
                name="arena_limits_range",
            ),
            models.CheckConstraint(
                condition=Q(leaderboard__in=Audience.values), name="arena_audience_known"
            ),
        ]

    def __str__(self) -> str:
        return f"arena of {self.project_id}"

    @property
    def budget_units(self) -> float:
        """The limit in units of the currency, 0 without a budget."""
        return self.budget.limit / 1_000_000 if self.budget else 0

    @property
    def budget_held(self) -> int:
        """Micros set aside for answers on their way, and for those whose outcome is unknown."""
        return self.budget.reserved + self.budget.unknown if self.budget else 0


class ContestantState(models.TextChoices):
    ACTIVE = "active"
    PAUSED = "paused"
    REMOVED = "removed"


class Contestant(TimeStamped):
    """Somebody who answers: a chat endpoint, or a model that an upper room can run.

    `source` is "endpoint" or the name of a registered source. `endpoint` names one of the
    installation's endpoints, whose key is in the settings and never here; else `base_url` is
    asked without a key. `reference` is the source's own id of the model.
    """

    arena = models.ForeignKey(Arena, models.CASCADE, related_name="contestants")
    name = models.CharField(max_length=120)
    source = models.CharField(max_length=20)
    endpoint = models.CharField(max_length=40, blank=True)
    base_url = models.CharField(max_length=300, blank=True)
    model = models.CharField(max_length=200, blank=True)
    reference = models.BigIntegerField(null=True)
    temperature = models.FloatField(default=0.7)
    licence = models.CharField(max_length=60, blank=True)
    # Prices in millionths of the budget's currency.
    price_per_1k_input_micros = models.BigIntegerField(default=0)
    price_per_1k_output_micros = models.BigIntegerField(default=0)
    state = models.CharField(
        max_length=8, choices=ContestantState.choices, default=ContestantState.ACTIVE
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["arena", "name"],
                condition=~Q(state="removed"),
                name="arena_contestant_name_unique",
            ),
            models.CheckConstraint(
                condition=Q(price_per_1k_input_micros__gte=0, price_per_1k_output_micros__gte=0),
                name="arena_contestant_price_positive",
            ),
            models.CheckConstraint(
                condition=Q(temperature__range=(0, 2)), name="arena_contestant_temperature"
            ),
        ]

    def __str__(self) -> str:
        return self.name


class BattleState(models.TextChoices):
    ASKING = "asking"
    READY = "ready"
    VOTED = "voted"
    VOID = "void"


class Battle(TimeStamped):
    """One visitor's conversation with two contestants; visitors know it by `key` only.

    `first` and `second` stand at the canonical positions 0 and 1; `shown_order` says who was A.
    """

    key = models.UUIDField(default=uuid.uuid4, unique=True)
    arena = models.ForeignKey(Arena, models.CASCADE, related_name="battles")
    annotator = models.ForeignKey("annotation.Annotator", models.PROTECT, related_name="battles")
    first = models.ForeignKey(Contestant, models.PROTECT, related_name="+")
    second = models.ForeignKey(Contestant, models.PROTECT, related_name="+")
    shown_order = ArrayField(models.PositiveSmallIntegerField())
    state = models.CharField(max_length=8, choices=BattleState.choices, default=BattleState.ASKING)
    # Why it is void, for staff; a visitor is told that no answer came.
    trouble = models.TextField(blank=True)
    instance = models.OneToOneField(
        "annotation.Instance", models.PROTECT, null=True, related_name="battle"
    )
    # What was voted: competition ranks by canonical position, and the kind of a tie.
    ranking = ArrayField(models.PositiveSmallIntegerField(), default=list, blank=True)
    tie_kind = models.CharField(max_length=12, choices=TieKind.choices, blank=True)
    voted_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=~Q(first=F("second")), name="arena_battle_two_contestants"
            ),
            # A vote has its instance, and nothing else has one.
            models.CheckConstraint(
                condition=Q(state="voted", instance__isnull=False, voted_at__isnull=False)
                | (~Q(state="voted") & Q(instance__isnull=True)),
                name="arena_battle_vote_is_label",
            ),
        ]
        indexes = [
            models.Index(fields=["arena", "state", "id"], name="arena_battle_by_state"),
            models.Index(fields=["annotator", "-id"], name="arena_battle_by_visitor"),
        ]

    def __str__(self) -> str:
        return f"battle {self.key} {self.state}"


class Turn(TimeStamped):
    """A prompt of the visitor; both contestants answer it, each with its own conversation."""

    battle = models.ForeignKey(Battle, models.CASCADE, related_name="turns")
    number = models.PositiveSmallIntegerField()
    prompt = models.TextField()
    # Salted hash of the address it came from; empty for members.
    address = models.CharField(max_length=64, blank=True)
    job = models.ForeignKey("jobs.Job", models.SET_NULL, null=True, related_name="+")

    class Meta:
        ordering = ["number"]
        constraints = [
            models.UniqueConstraint(fields=["battle", "number"], name="arena_turn_once"),
        ]
        indexes = [
            models.Index(
                fields=["address", "created_at"],
                name="arena_turn_by_address",
                condition=~Q(address=""),
            ),
        ]

    def __str__(self) -> str:
        return f"turn {self.number} of {self.battle_id}"


class ReplyState(models.TextChoices):
    WAITING = "waiting"
    ASKING = "asking"
    ANSWERED = "answered"
    FAILED = "failed"
    # Sent, and no whole reply came back: it may have been charged.
    UNKNOWN = "unknown"


class Reply(TimeStamped):
    """What one contestant said in one turn."""

    turn = models.ForeignKey(Turn, models.CASCADE, related_name="replies")
    position = models.PositiveSmallIntegerField()
    state = models.CharField(max_length=8, choices=ReplyState.choices, default=ReplyState.WAITING)
    text = models.TextField(blank=True)
    error = models.TextField(blank=True)
    input_tokens = models.PositiveIntegerField(default=0)
    output_tokens = models.PositiveIntegerField(default=0)
    # What was reserved, and once it is answered what was paid.
    price_micros = models.BigIntegerField(default=0)
    milliseconds = models.PositiveIntegerField(default=0)

    class Meta:
        ordering = ["position"]
        constraints = [
            models.UniqueConstraint(fields=["turn", "position"], name="arena_reply_once"),
            models.CheckConstraint(condition=Q(position__lt=2), name="arena_reply_position"),
        ]

    def __str__(self) -> str:
        return f"reply {self.position} to {self.turn_id}: {self.state}"
