"""Who is here: users, projects' identity and memberships."""

from django.conf import settings
from django.contrib.auth.models import AbstractUser
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Lower
from django.utils import timezone

from core.models import TimeStamped


class User(AbstractUser):
    """A person with a login. Preferences hold what the pages remember (keys, layout)."""

    preferences = models.JSONField(default=dict, blank=True)
    # The token that this request came with; set by `accounts.authentication`, never stored.
    access_token: "AccessToken | None" = None

    class Meta(AbstractUser.Meta):
        constraints = [models.UniqueConstraint(Lower("username"), name="user_username_ci_unique")]


class Project(TimeStamped):
    """The identity of a project; what is asked in it lives in `annotation.projects`."""

    name = models.CharField(max_length=200)
    slug = models.SlugField(max_length=80, unique=True)
    description = models.TextField(blank=True)
    archived_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return self.name


class Role(models.TextChoices):
    OWNER = "owner"
    ADMIN = "admin"
    RESEARCHER = "researcher"
    REVIEWER = "reviewer"
    ANNOTATOR = "annotator"


class Invitation(TimeStamped):
    """A link by which people join a project. Its token is shown once; only its hash is here.

    `cohort` is what the annotation room calls the people who come through this link.
    """

    project = models.ForeignKey(Project, models.CASCADE, related_name="invitations")
    role = models.CharField(max_length=12, choices=Role.choices)
    cohort = models.CharField(max_length=40, blank=True)
    seats = models.PositiveIntegerField(default=1)
    used = models.PositiveIntegerField(default=0)
    expires_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True, blank=True)
    token_hash = models.CharField(max_length=64, unique=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+"
    )

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(used__lte=F("seats")), name="invitation_seats_never_exceeded"
            ),
            models.CheckConstraint(
                condition=Q(role__in=[role for role in Role.values if role != "owner"]),
                name="invitation_role_known",
            ),
        ]

    def __str__(self) -> str:
        return f"invitation {self.pk} to {self.project}"

    @property
    def state(self) -> str:
        """`open`, `revoked`, `expired` or `used up`, as of now."""
        if self.revoked_at is not None:
            return "revoked"
        if self.expires_at <= timezone.now():
            return "expired"
        return "open" if self.used < self.seats else "used up"


class Membership(TimeStamped):
    """One person's role in one project."""

    project = models.ForeignKey(Project, models.CASCADE, related_name="memberships")
    user = models.ForeignKey(User, models.CASCADE, related_name="memberships")
    role = models.CharField(max_length=12, choices=Role.choices)
    # The link through which the person came; null where somebody added them.
    invitation = models.ForeignKey(Invitation, models.SET_NULL, null=True, related_name="members")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["project", "user"], name="membership_once_per_project"),
            models.CheckConstraint(
                condition=models.Q(role__in=Role.values), name="membership_role_known"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.user} is {self.role} of {self.project}"


class Scope(models.TextChoices):
    """What a token may be used for; its owner's role limits it further."""

    READ = "read"
    LABEL = "label"
    IMPORT = "import"
    EXPORT = "export"
    TRAIN = "train"
    ROUTE = "route"
    MANAGE = "manage"


class AccessToken(TimeStamped):
    """A program's way in, in a person's name. The token is shown once; only its hash is here."""

    user = models.ForeignKey(User, models.CASCADE, related_name="access_tokens")
    name = models.CharField(max_length=80)
    scopes = ArrayField(models.CharField(max_length=12, choices=Scope.choices))
    # The one project that it opens; null: all of its owner's.
    project = models.ForeignKey(Project, models.CASCADE, null=True, related_name="+")
    token_hash = models.CharField(max_length=64, unique=True)
    # Its first letters, by which its owner tells it from others.
    prefix = models.CharField(max_length=12)
    expires_at = models.DateTimeField()
    last_used_at = models.DateTimeField(null=True)
    revoked_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(scopes__contained_by=Scope.values, scopes__len__gt=0),
                name="access_token_scopes_known",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.prefix}… of {self.user}"

    @property
    def state(self) -> str:
        """`open`, `revoked` or `expired`, as of now."""
        if self.revoked_at is not None:
            return "revoked"
        return "expired" if self.expires_at <= timezone.now() else "open"


class KeptAnswer(TimeStamped):
    """What a request with an `Idempotency-Key` was answered; see `accounts.idempotency`."""

    user = models.ForeignKey(User, models.CASCADE, related_name="+")
    key = models.CharField(max_length=255)
    # SHA-256 of the request; blank until it has been read.
    fingerprint = models.CharField(max_length=64, blank=True)
    # Null while the request is still being answered.
    status = models.PositiveSmallIntegerField(null=True)
    headers = models.JSONField(default=dict)
    body = models.BinaryField(default=bytes)
    started_at = models.DateTimeField(db_index=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["user", "key"], name="kept_answer_once_per_key"),
        ]

    def __str__(self) -> str:
        return f"{self.key} of {self.user_id}: {self.status}"


class Throttle(models.Model):
    """How often somebody tried something in the current window; see `accounts.throttling`."""

    # SHA-256 of what is counted: no address and no user name is kept in the clear.
    key = models.CharField(max_length=64, unique=True)
    count = models.PositiveIntegerField(default=1)
    ends_at = models.DateTimeField(db_index=True)

    def __str__(self) -> str:
        return f"{self.count} until {self.ends_at}"
