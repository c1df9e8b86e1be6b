"""Judges: annotators with a provider and a price list, and every call made to them."""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q

from core.models import TimeStamped


class Provider(models.TextChoices):
    RECORDED = "recorded"
    OPENAI = "openai-compatible"


class Judge(TimeStamped):
    """Provider, model, prompt version and parameters: change one, and it is another judge."""

    project = models.ForeignKey("accounts.Project", models.CASCADE, related_name="judges")
    name = models.CharField(max_length=120)
    provider = models.CharField(max_length=20, choices=Provider.choices)
    model = models.CharField(max_length=120)
    prompt_version = models.CharField(max_length=40, default="1")
    parameters = models.JSONField(default=dict)
    # Measured share of right verdicts on A-calibrate; null until somebody measured it.
    accuracy = models.FloatField(null=True)
    # Prices in millionths of the currency unit.
    price_per_call_micros = models.BigIntegerField(default=0)
    price_per_1k_input_micros = models.BigIntegerField(default=0)
    price_per_1k_output_micros = models.BigIntegerField(default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["project", "name"], name="judge_name_unique"),
            models.CheckConstraint(
                condition=Q(accuracy__isnull=True) | Q(accuracy__range=(0, 1)),
                name="judge_accuracy_range",
            ),
        ]

    def __str__(self) -> str:
        return self.name


class CallState(models.TextChoices):
    IN_FLIGHT = "in flight"
    ANSWERED = "answered"
    UNPARSABLE = "unparsable"
    FAILED = "failed"
    UNKNOWN = "unknown"


class JudgeCall(TimeStamped):
    """One question to a judge in one order. A failure is visible here and is never a label."""

    judge = models.ForeignKey(Judge, models.CASCADE, related_name="calls")
    instance = models.ForeignKey("annotation.Instance", models.CASCADE, related_name="judge_calls")
    criterion = models.ForeignKey("annotation.Criterion", models.CASCADE, related_name="+")
    shown_order = ArrayField(models.PositiveSmallIntegerField())
    # sha256(model, prompt version, messages, parameters): a stored reply is never bought again.
    cache_key = models.CharField(max_length=64)
    state = models.CharField(max_length=10, choices=CallState.choices)
    reply = models.TextField(blank=True)
    logprobs = models.JSONField(null=True)
    # P(the completion shown first wins), where the reply gave it.
    p_first = models.FloatField(null=True)
    ranking = ArrayField(models.PositiveSmallIntegerField(), default=list)
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
                condition=Q(state__in=["in flight", "answered", "unparsable", "unknown"]),
                name="judge_call_bought_once",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.judge_id} on {self.instance_id}: {self.state}"
