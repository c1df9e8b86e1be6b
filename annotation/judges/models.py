"""Judges: annotators with a provider and a price list, what they are told, every call to them."""

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q

from core.models import TimeStamped


class Provider(models.TextChoices):
    RECORDED = "recorded"
    OPENAI = "openai-compatible"
    ANTHROPIC = "anthropic"
    LOCAL = "local-model"
    REWARD = "reward-model"
    VERIFIER = "verifier"


class Connection(TimeStamped):
    """An account at a provider: address, key, and how fast it may be asked by all processes."""

    project = models.ForeignKey("accounts.Project", models.CASCADE, related_name="connections")
    name = models.CharField(max_length=80)
    provider = models.CharField(max_length=20, choices=Provider.choices)
    base_url = models.CharField(max_length=300)
    # Encrypted; blank where the server asks for no key.
    secret = models.TextField(blank=True)
    # In any minute; 0 is no limit.
    requests_per_minute = models.PositiveIntegerField(default=0)
    tokens_per_minute = models.PositiveIntegerField(default=0)
    concurrency = models.PositiveSmallIntegerField(default=16)
    timeout_seconds = models.PositiveSmallIntegerField(default=120)
    attempts = models.PositiveSmallIntegerField(default=5)
    # The endpoint answers a repeated Idempotency-Key with the reply it gave before.
    idempotent = models.BooleanField(default=False)
    # It has a batch endpoint, slower and cheaper: at so many per cent of the judge's prices.
    batches = models.BooleanField(default=False)
    batch_price_percent = models.PositiveSmallIntegerField(default=100)
    # The shared rate limit: the moments from which the next request and token are free.
    requests_at = models.DateTimeField(null=True)
    tokens_at = models.DateTimeField(null=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+"
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["project", "name"], name="connection_name_unique"),
            models.CheckConstraint(
                condition=Q(concurrency__range=(1, 512), attempts__range=(1, 20)),
                name="connection_numbers_range",
            ),
            models.CheckConstraint(
                condition=Q(batch_price_percent__range=(0, 100)),
                name="connection_batch_price_range",
            ),
        ]

    def __str__(self) -> str:
        return self.name


class Shape(models.TextChoices):
    """What one call asks for."""

    PAIR = "pair"
    RANKING = "ranking"
    SCORES = "scores"


class Mode(models.TextChoices):
    """One constrained token with its log-probabilities, or reasons that end in a tag."""

    TOKEN = "token"  # noqa: S105 - one token of text
    REASONED = "reasoned"


class Prompt(TimeStamped):
    """One version of what judges are told. Its texts never change: a change is a new version."""

    project = models.ForeignKey("accounts.Project", models.CASCADE, related_name="prompts")
    name = models.CharField(max_length=60)
    version = models.PositiveIntegerField(default=1)
    shape = models.CharField(max_length=8, choices=Shape.choices, default=Shape.PAIR)
    mode = models.CharField(max_length=8, choices=Mode.choices, default=Mode.REASONED)
    system = models.TextField(blank=True)
    instructions = models.TextField(blank=True)
    rubric = models.TextField(blank=True)
    # Instances with human labels shown as examples.
    examples = models.PositiveSmallIntegerField(default=0)
    use_reference = models.BooleanField(default=False)
    show_guideline = models.BooleanField(default=False)
    note = models.CharField(max_length=300, blank=True)
    parent = models.ForeignKey("self", models.SET_NULL, null=True, related_name="children")
    promoted_at = models.DateTimeField(null=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+"
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["project", "name", "version"], name="prompt_version_unique"
            ),
            models.CheckConstraint(condition=Q(examples__lte=16), name="prompt_examples_range"),
        ]

    def __str__(self) -> str:
        return f"{self.name} v{self.version}"


class Stage(models.TextChoices):
    """A draft is tried and labels nothing; a retired judge is asked no more."""

    DRAFT = "draft"
    ACTIVE = "active"
    RETIRED = "retired"


class Judge(TimeStamped):
    """Provider, model, prompt version and parameters: change one, and it is another judge."""

    project = models.ForeignKey("accounts.Project", models.CASCADE, related_name="judges")
    name = models.CharField(max_length=120)
    provider = models.CharField(max_length=20, choices=Provider.choices)
    connection = models.ForeignKey(Connection, models.PROTECT, null=True, related_name="judges")
    model = models.CharField(max_length=120)
    # Null: the built-in prompt that `prompt_version` names.
    prompt = models.ForeignKey(Prompt, models.PROTECT, null=True, related_name="judges")
    prompt_version = models.CharField(max_length=40, default="1")
    parameters = models.JSONField(default=dict)
    # The family of models it is of (gpt, claude, llama); blank: read from the model's name.
    family = models.CharField(max_length=40, blank=True)
    stage = models.CharField(max_length=8, choices=Stage.choices, default=Stage.ACTIVE)
    version = models.PositiveIntegerField(default=1)
    replaces = models.ForeignKey("self", models.SET_NULL, null=True, related_name="replaced_by")
    # Measured share of right verdicts on A-calibrate; null until somebody measured it.
    accuracy = models.FloatField(null=True)
    # Prices in millionths of the currency unit. Unknown is not free: such a judge is not asked.
    price_known = models.BooleanField(default=True)
    price_per_call_micros = models.BigIntegerField(default=0)
    price_per_1k_input_micros = models.BigIntegerField(default=0)
    price_per_1k_output_micros = models.BigIntegerField(default=0)
    # What is charged of these prices, in per cent: set on the judge in memory, by a run in batches.
    price_percent = 100

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["project", "name"], name="judge_name_unique"),
            models.CheckConstraint(
                condition=Q(accuracy__isnull=True) | Q(accuracy__range=(0, 1)),
                name="judge_accuracy_range",
            ),
            models.CheckConstraint(
                condition=Q(
                    price_per_call_micros__gte=0,
                    price_per_1k_input_micros__gte=0,
                    price_per_1k_output_micros__gte=0,
                ),
                name="judge_prices_positive",
            ),
        ]

    def __str__(self) -> str:
        return self.name


class RunState(models.TextChoices):
    WAITING = "waiting"
    RUNNING = "running"
    FINISHED = "finished"
    # The budget, the breaker or a refusal ended it: `stop_reason` says which.
    STOPPED = "stopped"
    CANCELLED = "cancelled"
    FAILED = "failed"


class JudgeRun(TimeStamped):
    """Asking one judge about many instances. A trial writes no labels."""

    project = models.ForeignKey("accounts.Project", models.CASCADE, related_name="judge_runs")
    judge = models.ForeignKey(Judge, models.CASCADE, related_name="runs")
    budget = models.ForeignKey("annotation.Budget", models.PROTECT, null=True, related_name="+")
    job = models.ForeignKey("jobs.Job", models.SET_NULL, null=True, related_name="+")
    trial = models.BooleanField(default=False)
    # Keys of the criteria asked, and which instances: {"of": "all" | "unlabelled" | …}.
    criteria = ArrayField(models.CharField(max_length=40))
    selection = models.JSONField(default=dict)
    retry_unknown = models.BooleanField(default=False)
    batch = models.BooleanField(default=False)
    guideline = models.ForeignKey(
        "annotation.Guideline", models.SET_NULL, null=True, related_name="+"
    )
    state = models.CharField(max_length=9, choices=RunState.choices, default=RunState.WAITING)
    stop_reason = models.CharField(max_length=300, blank=True)
    # Instances × criteria to ask about, and how they ended so far.
    total = models.PositiveIntegerField(default=0)
    counts = models.JSONField(default=dict)
    calls = models.PositiveIntegerField(default=0)
    spent_micros = models.BigIntegerField(default=0)
    projected_micros = models.BigIntegerField(null=True)
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+"
    )

    def __str__(self) -> str:
        return f"run {self.pk} of {self.judge_id}: {self.state}"


class JudgeBatch(TimeStamped):
    """Calls handed in together at a batch endpoint; `state` is the provider's word for it."""

    run = models.ForeignKey(JudgeRun, models.CASCADE, related_name="batches")
    provider_id = models.CharField(max_length=200, blank=True)
    state = models.CharField(max_length=40, default="new")
    # Cache keys of its calls.
    keys = models.JSONField(default=list)
    checked_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"batch {self.provider_id}: {self.state}"


class CallState(models.TextChoices):
    IN_FLIGHT = "in flight"
    ANSWERED = "answered"
    UNPARSABLE = "unparsable"
    FAILED = "failed"
    UNKNOWN = "unknown"


class Failure(models.TextChoices):
    """Why a call gave no verdict; blank where it gave one."""

    AUTH = "auth"
    NOT_FOUND = "not-found"
    BAD_REQUEST = "bad-request"
    TOO_LARGE = "too-large"
    CONTEXT = "context"
    RATE_LIMIT = "rate-limit"
    SERVER = "server"
    TIMEOUT = "timeout"
    NETWORK = "network"
    PRIVATE = "private-address"
    REFUSAL = "refusal"
    EMPTY = "empty"
    WRONG_LABEL = "wrong-label"
    INVALID_JSON = "invalid-json"
    HALF_REPLY = "half-reply"
    NO_LOGPROBS = "no-logprobs"
    PRICE = "price-unknown"
    SANDBOX = "sandbox"
    LOST = "lost"


class CallPurpose(models.TextChoices):
    LABEL = "label"
    # Asking for candidate criteria: about many instances, so about none.
    PROPOSAL = "proposal"
    # Tags of a prompt: about an instance, not about a criterion.
    TAGS = "tags"


class JudgeCall(TimeStamped):
    """One question to a judge in one order. A failure is visible here and is never a label.

    `shown_order`: canonical positions in the order shown; of a list asked by pairs, two of them.
    `ranking` and `scores` have one value per completion shown, by ascending canonical position.
    """

    judge = models.ForeignKey(Judge, models.CASCADE, related_name="calls")
    run = models.ForeignKey(JudgeRun, models.SET_NULL, null=True, related_name="made")
    purpose = models.CharField(max_length=8, choices=CallPurpose.choices, default=CallPurpose.LABEL)
    instance = models.ForeignKey(
        "annotation.Instance", models.CASCADE, null=True, related_name="judge_calls"
    )
    criterion = models.ForeignKey(
        "annotation.Criterion", models.CASCADE, null=True, related_name="+"
    )
    guideline = models.ForeignKey(
        "annotation.Guideline", models.SET_NULL, null=True, related_name="+"
    )
    shape = models.CharField(max_length=8, choices=Shape.choices, default=Shape.PAIR)
    shown_order = ArrayField(models.PositiveSmallIntegerField())
    # Instances whose human labels were shown as examples.
    examples = ArrayField(models.BigIntegerField(), default=list)
    # sha256(model, prompt version, messages, parameters): a stored reply is never bought again.
    cache_key = models.CharField(max_length=64)
    # The call that was made: this instance has the same texts, so its reply holds here too. Free.
    copy_of = models.ForeignKey("self", models.CASCADE, null=True, related_name="copies")
    state = models.CharField(max_length=10, choices=CallState.choices)
    failure = models.CharField(max_length=16, choices=Failure.choices, blank=True)
    attempts = models.PositiveSmallIntegerField(default=1)
    # The provider's name for the reply.
    provider_id = models.CharField(max_length=200, blank=True)
    reply = models.TextField(blank=True)
    logprobs = models.JSONField(null=True)
    # P(the completion shown first wins), where the reply gave it.
    p_first = models.FloatField(null=True)
    # P of the verdict given, or what the judge said of it; 0 to 1.
    confidence = models.FloatField(null=True)
    ranking = ArrayField(models.PositiveSmallIntegerField(), default=list)
    scores = ArrayField(models.FloatField(null=True), default=list)
    rationale = models.TextField(blank=True)
    input_tokens = models.PositiveIntegerField(default=0)
    output_tokens = models.PositiveIntegerField(default=0)
    price_micros = models.BigIntegerField(default=0)
    milliseconds = models.PositiveIntegerField(default=0)
    error = models.TextField(blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["judge", "cache_key"],
                condition=Q(
                    state__in=["in flight", "answered", "unparsable", "unknown"],
                    copy_of__isnull=True,
                ),
                name="judge_call_bought_once",
            ),
            models.UniqueConstraint(
                fields=["copy_of", "instance"],
                condition=Q(copy_of__isnull=False),
                name="judge_call_copied_once",
            ),
            models.CheckConstraint(
                condition=Q(copy_of__isnull=True) | Q(price_micros=0),
                name="judge_call_copy_free",
            ),
            models.CheckConstraint(
                condition=Q(purpose="proposal")
                | Q(purpose="tags", instance__isnull=False)
                | Q(instance__isnull=False, criterion__isnull=False),
                name="judge_call_about_something",
            ),
            models.CheckConstraint(
                condition=Q(confidence__isnull=True) | Q(confidence__range=(0, 1)),
                name="judge_call_confidence_range",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.judge_id} on {self.instance_id}: {self.state}"


class Calibration(TimeStamped):
    """What a judge's probabilities are worth, fitted on A-calibrate. The newest one counts."""

    judge = models.ForeignKey(Judge, models.CASCADE, related_name="calibrations")
    criterion = models.ForeignKey("annotation.Criterion", models.CASCADE, related_name="+")
    # A tag; blank is all instances.
    domain = models.CharField(max_length=80, blank=True)
    method = models.CharField(max_length=12)
    # Numbers that `report.calibration.apply` reads.
    knots = models.JSONField()
    labels = models.PositiveIntegerField()
    prompts = models.PositiveIntegerField()
    ece_before = models.FloatField()
    ece_after = models.FloatField()
    curve = models.JSONField(default=dict)

    class Meta:
        indexes = [
            models.Index(fields=["judge", "criterion", "domain", "-id"], name="calibration_newest")
        ]

    def __str__(self) -> str:
        return f"{self.method} for {self.judge_id}"


class JudgeReport(TimeStamped):
    """What a project's judges are worth, as measured at one moment."""

    project = models.ForeignKey("accounts.Project", models.CASCADE, related_name="judge_reports")
    job = models.ForeignKey("jobs.Job", models.SET_NULL, null=True, related_name="+")
    figures = models.JSONField(default=dict)

    def __str__(self) -> str:
        return f"judge report of {self.project_id}"


class Mining(TimeStamped):
    """Criteria a judge proposed from human pairs, and how well each predicts held-out choices."""

    project = models.ForeignKey("accounts.Project", models.CASCADE, related_name="minings")
    judge = models.ForeignKey(Judge, models.CASCADE, related_name="minings")
    criterion = models.ForeignKey("annotation.Criterion", models.CASCADE, related_name="+")
    job = models.ForeignKey("jobs.Job", models.SET_NULL, null=True, related_name="+")
    pairs = models.PositiveSmallIntegerField(default=30)
    # Instances by half, as the search began: the judge that proposes never sees the second.
    shown = ArrayField(models.BigIntegerField(), default=list)
    held_out = ArrayField(models.BigIntegerField(), default=list)
    # [{"run", "text", "source": "judge" | "people" | "base"}, …]; "base" is the judge as it is.
    candidates = models.JSONField(default=list)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+"
    )

    def __str__(self) -> str:
        return f"criteria mined by {self.judge_id}"
