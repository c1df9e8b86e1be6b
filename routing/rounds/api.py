"""REST: rounds of both kinds, with their stages and findings."""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from django.urls import URLPattern, path
from drf_spectacular.utils import OpenApiExample, extend_schema, extend_schema_field
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.policies import Action, project_for
from accounts.requests import person_of
from core.bodies import Body, filters, read_body, read_query
from core.paging import described, paged
from routing.online.options import OnlineOptions

from . import selectors, services
from .models import Round, RoundKind
from .options import RoundOptions

FIELDS: Mapping[type, type[serializers.Field[Any, Any, Any, Any]]] = {
    bool: serializers.BooleanField,
    int: serializers.IntegerField,
    float: serializers.FloatField,
    dict: serializers.DictField,
}


def _body_of(options: type[Any]) -> type[Body]:
    """A body with the fields of a dataclass of options, each with its usual value."""
    usual = options()
    found: dict[str, Any] = {}
    for each in fields(options):
        value = getattr(usual, each.name)
        said: dict[str, Any] = {"required": False, "help_text": f"Usually {value!r}."}
        if isinstance(value, str):
            found[each.name] = serializers.CharField(allow_blank=True, max_length=300, **said)
        else:
            found[each.name] = FIELDS[type(value)](**said)
    return type(f"{options.__name__}Body", (Body,), {"__doc__": options.__doc__, **found})


MixtureOptions = _body_of(RoundOptions)
PolicyOptions = _body_of(OnlineOptions)


class RoundBody(Body):
    """`mixture`: who labels the data that are there; `online`: the policy writes what is labelled.

    The options of the kind are named; what is left out is as usual.
    """

    mixture = MixtureOptions(required=False)
    online = PolicyOptions(required=False)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if len(attrs) != 1:
            raise serializers.ValidationError("Give the options of one kind: mixture or online.")
        return attrs


class RoundOutput(serializers.ModelSerializer[Round]):
    state = serializers.CharField(source="job.state", default="")
    waiting = serializers.SerializerMethodField(help_text="Labels that people still owe it.")

    class Meta:
        model = Round
        fields = [
            "number",
            "kind",
            "options",
            "job",
            "state",
            "waiting",
            "router",
            "snapshot",
            "reward_run",
            "policy_run",
            "created_at",
        ]

    def get_waiting(self, row: Round) -> int:
        return selectors.waiting_for(row)


class StageOutput(serializers.Serializer[Any]):
    name = serializers.CharField()
    title = serializers.CharField()
    state = serializers.CharField(help_text="done, current, waiting, failed or to come.")
    outcome = serializers.DictField()


class RoundDetail(RoundOutput):
    stages = serializers.SerializerMethodField()

    class Meta(RoundOutput.Meta):
        fields = [*RoundOutput.Meta.fields, "stages", "summary"]

    @extend_schema_field(StageOutput(many=True))
    def get_stages(self, row: Round) -> Any:
        return StageOutput(selectors.stages_of(row), many=True).data


class RoundQuery(Body):
    kind = serializers.ChoiceField(choices=RoundKind.choices, required=False)


EXAMPLE = OpenApiExample(
    "Replay recorded labels at 40 % of their cost",
    value={"mixture": {"replay": True, "budget_share": 0.4}},
    request_only=True,
)


class RoundList(APIView):
    @described(RoundOutput, filters(RoundQuery))
    def get(self, request: Request, slug: str) -> Response:
        """The rounds, newest first."""
        project = project_for(request.user, slug, Action.SEE_ROUTING)
        wish = read_query(request, RoundQuery)
        rows = selectors.rounds_of(project).filter(**wish).order_by("-pk")
        return paged(request, rows, RoundOutput)

    @extend_schema(request=RoundBody, responses={202: RoundOutput}, examples=[EXAMPLE])
    def post(self, request: Request, slug: str) -> Response:
        """Start a round, as a job: generate, route, label, train, evaluate."""
        user = person_of(request)
        project = project_for(user, slug, Action.ROUTE)
        ((kind, options),) = read_body(request, RoundBody).items()
        row = services.start_round(
            project=project, kind=kind, options=dict(options), created_by=user
        )
        return Response(RoundOutput(row).data, status=status.HTTP_202_ACCEPTED)


class RoundView(APIView):
    @extend_schema(responses=RoundDetail)
    def get(self, request: Request, slug: str, number: int) -> Response:
        """One round with its stages and what was measured."""
        project = project_for(request.user, slug, Action.SEE_ROUTING)
        return Response(RoundDetail(selectors.round_in(project, number)).data)


class RoundContinueView(APIView):
    @extend_schema(request=None, responses={202: RoundOutput})
    def post(self, request: Request, slug: str, number: int) -> Response:
        """Go on with a round that waited, failed or was cancelled; done stages are skipped."""
        user = person_of(request)
        project = project_for(user, slug, Action.ROUTE)
        row = services.continue_round(row=selectors.round_in(project, number), actor=user)
        return Response(RoundOutput(row).data, status=status.HTTP_202_ACCEPTED)


P = "projects/<slug:slug>/rounds/"
urlpatterns: list[URLPattern] = [
    path(P, RoundList.as_view(), name="rounds"),
    path(P + "<int:number>/", RoundView.as_view(), name="round"),
    path(P + "<int:number>/continue", RoundContinueView.as_view(), name="round-continue"),
]
