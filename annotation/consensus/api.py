"""REST: what labels say together, and the leaderboard of generators."""

from typing import Any

from django.urls import URLPattern, path
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.models import Project
from accounts.policies import Action, project_for
from accounts.requests import person_of
from core.bodies import Body, filters, read_body, read_query
from core.paging import described, paged

from .generators import Settings, newest_of
from .models import Consensus, GeneratorReport, Minority, Scope
from .services import METHODS, choose_method, method_of, state_of
from .tasks import rank_generators


class ConsensusOutput(serializers.ModelSerializer[Consensus]):
    external_id = serializers.CharField(source="instance.external_id")
    criterion = serializers.CharField(source="criterion.key")

    class Meta:
        model = Consensus
        fields = [
            "id",
            "instance",
            "external_id",
            "criterion",
            "scope",
            "method",
            "version",
            "worth",
            "scores",
            "entropy",
            "labels",
            "sources",
            "simulated",
            "updated_at",
        ]


class ConsensusQuery(Body):
    instance = serializers.IntegerField(required=False, min_value=1)
    criterion = serializers.CharField(required=False, max_length=40)
    scope = serializers.ChoiceField(choices=Scope.choices, required=False)


class MethodBody(Body):
    method = serializers.ChoiceField(choices=sorted(METHODS))
    minority = serializers.ChoiceField(choices=Minority.choices, default=Minority.NOISE)


class MethodOutput(serializers.Serializer[Any]):
    method = serializers.CharField()
    minority = serializers.CharField()
    version = serializers.IntegerField(help_text="Of the annotators' parameters.")
    at = serializers.DateTimeField(allow_null=True, help_text="Of the last update.")


class GeneratorsBody(Body):
    source = serializers.ChoiceField(  # type: ignore[assignment] # a field of this name
        choices=Scope.choices, default=Scope.HUMAN
    )
    criterion = serializers.CharField(default="", allow_blank=True, max_length=40)


class GeneratorsOutput(serializers.ModelSerializer[GeneratorReport]):
    id = serializers.IntegerField(allow_null=True, help_text="Null: none was computed yet.")
    created_at = serializers.DateTimeField(allow_null=True)

    class Meta:
        model = GeneratorReport
        fields = ["id", "settings", "figures", "newest_annotation", "created_at"]


class StartedOutput(serializers.Serializer[Any]):
    job = serializers.IntegerField()


class ConsensusList(APIView):
    @described(ConsensusOutput, filters(ConsensusQuery))
    def get(self, request: Request, slug: str) -> Response:
        """What the labels of each criterion say together about each instance."""
        project = project_for(request.user, slug, Action.SEE_INSTANCES)
        wish = read_query(request, ConsensusQuery)
        if key := wish.pop("criterion", None):
            wish["criterion__key"] = key
        rows = Consensus.objects.filter(instance__project=project, **wish)
        related = rows.select_related("instance", "criterion")
        slim = related.defer("instance__messages", "instance__context", "instance__metadata")
        return paged(request, slim.order_by("pk"), ConsensusOutput)


class MethodView(APIView):
    @extend_schema(responses=MethodOutput)
    def get(self, request: Request, slug: str) -> Response:
        """How labels are brought together."""
        return _method(project_for(request.user, slug, Action.SEE_QUALITY))

    @extend_schema(request=MethodBody, responses=MethodOutput)
    def put(self, request: Request, slug: str) -> Response:
        """Choose how labels are brought together from the next update on."""
        project = project_for(request.user, slug, Action.MANAGE_PROJECT)
        choose_method(project=project, **read_body(request, MethodBody))
        return _method(project)


def _method(project: Project) -> Response:
    state = state_of(project)
    return Response(
        {
            "method": method_of(project),
            "minority": state.minority if state else Minority.NOISE,
            "version": state.version if state else 0,
            "at": state.at if state else None,
        }
    )


class GeneratorsView(APIView):
    @extend_schema(responses=GeneratorsOutput)
    def get(self, request: Request, slug: str) -> Response:
        """The newest leaderboard of the generators; empty figures before the first."""
        project = project_for(request.user, slug, Action.SEE_QUALITY)
        report = newest_of(project) or GeneratorReport(project=project)
        return Response(GeneratorsOutput(report).data)

    @extend_schema(request=GeneratorsBody, responses={202: StartedOutput})
    def post(self, request: Request, slug: str) -> Response:
        """Make another leaderboard, as a job."""
        project = project_for(request.user, slug, Action.REVIEW)
        wanted = Settings(**read_body(request, GeneratorsBody))
        job = rank_generators(project=project, settings=wanted, by=person_of(request))
        return Response({"job": job.pk}, status=status.HTTP_202_ACCEPTED)


P = "projects/<slug:slug>/"
urlpatterns: list[URLPattern] = [
    path(P + "consensus/", ConsensusList.as_view(), name="consensus"),
    path(P + "consensus/method", MethodView.as_view(), name="consensus-method"),
    path(P + "generators/", GeneratorsView.as_view(), name="generators"),
]
