"""REST: the lab: strategies tried on what carries both labels."""

from typing import Any

from django.urls import URLPattern, path
from django.utils.translation import gettext as _
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.models import Project
from accounts.policies import Action, project_for
from accounts.requests import person_of
from annotation.projects.selectors import criteria_of
from core.bodies import Body, filters, read_body, read_query
from core.exceptions import InvalidInput, NotFound
from core.paging import described, paged

from . import selectors
from .models import Replay
from .replay import BUDGETS, HELD_OUT, TRUTHS
from .services import MOST_BUDGETS, MOST_SEEDS, Wanted, start_replay


class ReplayBody(Body):
    judge = serializers.IntegerField(help_text="Whose labels people's are held against.")
    criterion = serializers.CharField(required=False, max_length=40)
    strategies = serializers.ListField(
        child=serializers.CharField(max_length=60), default=list, help_text="Without: all usual."
    )
    budgets = serializers.ListField(
        child=serializers.FloatField(),
        default=list(BUDGETS),
        max_length=MOST_BUDGETS,
        help_text="Shares of 1.",
    )
    seeds = serializers.IntegerField(default=10, min_value=2, max_value=MOST_SEEDS)
    truth = serializers.ChoiceField(choices=list(TRUTHS), default=HELD_OUT)
    name = serializers.CharField(default="", allow_blank=True, max_length=80)


class ReplayOutput(serializers.ModelSerializer[Replay]):
    state = serializers.CharField(source="job.state", default="")

    class Meta:
        model = Replay
        fields = ["id", "name", "options", "standing", "job", "state", "created_at"]


class ReplayDetail(ReplayOutput):
    class Meta(ReplayOutput.Meta):
        fields = [*ReplayOutput.Meta.fields, "figures"]


class ReplayQuery(Body):
    standing = serializers.BooleanField(
        default=False, help_text="Those that live routing keeps up to date itself."
    )


EXAMPLE = OpenApiExample(
    "Two budgets",
    value={"judge": 1, "strategies": ["random", "learned"], "budgets": [0.1, 0.25], "seeds": 5},
    request_only=True,
)


class ReplayList(APIView):
    @described(ReplayOutput, filters(ReplayQuery))
    def get(self, request: Request, slug: str) -> Response:
        """The replays, newest first, without their figures."""
        project = project_for(request.user, slug, Action.SEE_ROUTING)
        standing = read_query(request, ReplayQuery)["standing"]
        rows = Replay.objects.filter(project=project, standing=standing).select_related("job")
        return paged(request, rows.defer("figures").order_by("-pk"), ReplayOutput)

    @extend_schema(request=ReplayBody, responses={202: ReplayOutput}, examples=[EXAMPLE])
    def post(self, request: Request, slug: str) -> Response:
        """Try strategies on everything in the project with both labels, as a job."""
        user = person_of(request)
        project = project_for(user, slug, Action.TRAIN)
        wanted = _wanted(project, read_body(request, ReplayBody))
        row = start_replay(project=project, wanted=wanted, by=user)
        return Response(ReplayOutput(row).data, status=status.HTTP_202_ACCEPTED)


def _wanted(project: Project, values: dict[str, Any]) -> Wanted:
    judge = next((j for j in selectors.judges_of(project) if j.pk == values["judge"]), None)
    if judge is None:
        raise InvalidInput(_("Choose the judge whose labels people's are held against."))
    key = values.pop("criterion", None)
    criterion = next((row for row in criteria_of(project) if row.key == key), None)
    if key and criterion is None:
        raise InvalidInput(_("The project has no criterion %(key)r.") % {"key": key})
    return Wanted(**{**values, "judge": judge, "criterion": criterion})


class ReplayView(APIView):
    @extend_schema(responses=ReplayDetail)
    def get(self, request: Request, slug: str, replay_id: int) -> Response:
        """One replay with its figures: null until they are there."""
        project = project_for(request.user, slug, Action.SEE_ROUTING)
        row = selectors.replay_of(project, replay_id)
        if row is None:
            raise NotFound(_("There is no such replay."))
        return Response(ReplayDetail(row).data)


P = "projects/<slug:slug>/routing/replays/"
urlpatterns: list[URLPattern] = [
    path(P, ReplayList.as_view(), name="replays"),
    path(P + "<int:replay_id>/", ReplayView.as_view(), name="replay"),
]
