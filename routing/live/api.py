"""REST: live routing, its settings, and what it has decided."""

from typing import Any

from django.urls import URLPattern, path
from drf_spectacular.utils import OpenApiExample, extend_schema, extend_schema_field
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.policies import Action, project_for
from accounts.requests import person_of
from annotation.judges.models import Judge
from annotation.queue.models import Arm, Destination
from core.bodies import Body, filters, read_body, read_query
from core.exceptions import InvalidInput
from core.paging import described, page_of, paged_by_time, short
from routing.decisions.models import Decision

from . import selectors, services
from .models import LiveRouting
from .options import OPTIONS


class LiveBody(Body, serializers.ModelSerializer[LiveRouting]):
    """Settings of live routing; what is not named stays. Shares are parts of 1."""

    judge = serializers.IntegerField(required=False, allow_null=True, help_text="Id of a judge.")
    strong_judge = serializers.IntegerField(
        required=False, allow_null=True, help_text="The second tier of a cascade."
    )
    options = serializers.DictField(required=False, help_text="Of the strategy.")
    version = serializers.IntegerField(
        required=False,
        help_text="As it was read: saving over somebody else's change is refused with 409. "
        "Without it what stands is changed.",
    )

    class Meta:
        model = LiveRouting
        fields = [*services.FIELDS, "version"]


class LiveOutput(serializers.ModelSerializer[LiveRouting]):
    router = serializers.IntegerField(source="router.version", default=None, allow_null=True)

    class Meta:
        model = LiveRouting
        fields = [
            *services.FIELDS,
            "version",
            "router",
            "stall",
            "stall_reason",
            "stalled_at",
            "routed_at",
            "last_batch",
            "drift",
        ]


class ProgressOutput(serializers.Serializer[Any]):
    what = serializers.CharField(help_text="seed or refit.")
    there = serializers.IntegerField()
    needed = serializers.IntegerField()


class SplitOutput(serializers.Serializer[Any]):
    arm = serializers.CharField()
    people = serializers.IntegerField()
    both = serializers.IntegerField()
    judge = serializers.IntegerField()
    verifier = serializers.IntegerField()
    total = serializers.IntegerField()


class StatusOutput(serializers.Serializer[Any]):
    settings = LiveOutput(source="live")
    job = serializers.IntegerField(source="job.pk", default=None, allow_null=True)
    job_state = serializers.CharField(source="job.state", default=None, allow_null=True)
    waiting = serializers.IntegerField(help_text="Instances without a decision.")
    owed = serializers.IntegerField(help_text="Labels the judge still owes.")
    open_slots = serializers.IntegerField(help_text="Labels people still owe.")
    progress = ProgressOutput(allow_null=True, help_text="How far it is to the next router.")
    split = SplitOutput(many=True)
    propensities = serializers.ListField(
        child=serializers.DictField(), source="bins", help_text="Decisions by propensity."
    )


class StartBody(Body):
    refit = serializers.BooleanField(
        default=False, help_text="Fit the router anew; without it what waits is routed."
    )


class StartedOutput(serializers.Serializer[Any]):
    job = serializers.IntegerField()


class DecisionOutput(serializers.ModelSerializer[Decision]):
    external_id = serializers.CharField(source="instance.external_id")
    router = serializers.IntegerField(source="router.version", default=None, allow_null=True)
    criterion = serializers.CharField(source="criterion.key", default=None, allow_null=True)

    class Meta:
        model = Decision
        fields = [
            "id",
            "instance",
            "external_id",
            "router",
            "destination",
            "arm",
            "gain",
            "propensity",
            "reason",
            "price_micros",
            "criterion",
            "rules",
            "supersedes",
            "created_at",
        ]


class DecisionQuery(Body):
    arm = serializers.ChoiceField(choices=Arm.choices, required=False)
    destination = serializers.ChoiceField(choices=Destination.choices, required=False)
    router = serializers.IntegerField(
        required=False, min_value=1, max_value=99_999_999, help_text="Version of a router."
    )
    about = serializers.CharField(
        required=False, max_length=100, help_text="Part of the reason or of an external id."
    )
    instance = serializers.IntegerField(required=False, min_value=1)
    replaced = serializers.BooleanField(
        default=False, help_text="Also decisions that were replaced."
    )


class StrategyOutput(serializers.Serializer[Any]):
    key = serializers.CharField()
    title = serializers.CharField()
    needs = serializers.ListField(child=serializers.CharField())
    options = serializers.SerializerMethodField(help_text="What each option takes, in words.")

    @extend_schema_field(dict[str, str])
    def get_options(self, spec: Any) -> Any:
        return {name: str(kind) for name, kind in OPTIONS.get(spec.key, {}).items()}


EXAMPLE = OpenApiExample(
    "Route as instances arrive",
    value={"mode": "stream", "strategy": "learned", "judge": 1, "people_share": 0.25},
    request_only=True,
)


class LiveView(APIView):
    @extend_schema(responses=StatusOutput)
    def get(self, request: Request, slug: str) -> Response:
        """Where routing stands: its settings, its job, what waits and where instances went."""
        project = project_for(request.user, slug, Action.SEE_ROUTING)
        return Response(StatusOutput(selectors.live_view(project)).data)

    @extend_schema(request=LiveBody, responses=StatusOutput, examples=[EXAMPLE])
    def patch(self, request: Request, slug: str) -> Response:
        """Change settings of live routing; the mode `stream` or `batch` puts it on."""
        user = person_of(request)
        project = project_for(user, slug, Action.MANAGE_BUDGETS)
        values = read_body(request, LiveBody, partial=True)
        version = values.pop("version", None)
        for name in {"judge", "strong_judge"} & set(values):
            values[name] = _judge(project.pk, values[name])
        if version is None:
            version = services.live_of(project).version
        services.change_settings(project=project, version=version, by=user, **values)
        return Response(StatusOutput(selectors.live_view(project)).data)


def _judge(project: int, key: int | None) -> Judge | None:
    row = Judge.objects.filter(project=project, pk=key).first() if key is not None else None
    if row is None and key is not None:
        raise InvalidInput("Choose a judge of this project.")
    return row


class LiveStartView(APIView):
    @extend_schema(request=StartBody, responses={202: StartedOutput})
    def post(self, request: Request, slug: str) -> Response:
        """Route what waits, or fit the router anew, now."""
        user = person_of(request)
        project = project_for(user, slug, Action.MANAGE_BUDGETS)
        job = services.start(project=project, by=user, **read_body(request, StartBody))
        return Response({"job": job.pk}, status=status.HTTP_202_ACCEPTED)


class LivePauseView(APIView):
    @extend_schema(request=None, responses=StatusOutput)
    def post(self, request: Request, slug: str) -> Response:
        """Route nothing more; what was sent to people stays with them."""
        user = person_of(request)
        project = project_for(user, slug, Action.MANAGE_BUDGETS)
        services.pause(project=project, by=user)
        return Response(StatusOutput(selectors.live_view(project)).data)


class DecisionList(APIView):
    @described(DecisionOutput, filters(DecisionQuery))
    def get(self, request: Request, slug: str) -> Response:
        """Every decision with its reason, newest first."""
        project = project_for(request.user, slug, Action.SEE_ROUTING)
        wish = read_query(request, DecisionQuery)
        replaced, instance = wish.pop("replaced"), wish.pop("instance", None)
        chosen = selectors.Chosen(**{name: str(value) for name, value in wish.items()})
        rows = selectors.decisions(project, chosen, replaced=replaced)
        if instance is not None:
            rows = rows.filter(instance=instance)
        return paged_by_time(request, rows, DecisionOutput)


class StrategyList(APIView):
    @extend_schema(responses=page_of(StrategyOutput))
    def get(self, request: Request, slug: str) -> Response:
        """The strategies that live routing can follow, and their options."""
        project_for(request.user, slug, Action.SEE_ROUTING)
        return short(selectors.choosable(), StrategyOutput)


P = "projects/<slug:slug>/routing/"
urlpatterns: list[URLPattern] = [
    path(P + "live/", LiveView.as_view(), name="routing-live"),
    path(P + "live/start", LiveStartView.as_view(), name="routing-live-start"),
    path(P + "live/pause", LivePauseView.as_view(), name="routing-live-pause"),
    path(P + "decisions/", DecisionList.as_view(), name="routing-decisions"),
    path(P + "strategies/", StrategyList.as_view(), name="routing-strategies"),
]
