"""REST: how good labels are, and what is done about annotators."""

from typing import Any

from django.urls import URLPattern, path
from django.utils.translation import gettext as _
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.policies import Action, project_for
from accounts.requests import person_of
from annotation.labels.api_annotations import AnnotatorOutput
from annotation.labels.selectors import annotator_in
from annotation.projects.selectors import criteria_of
from core.bodies import Body, filters, read_body, read_query
from core.exceptions import InvalidInput

from . import services
from .em import MODELS
from .measuring import Settings, labels_since, newest_report
from .models import Report
from .pairs import differing
from .tasks import compute

MOST_BEHIND = 100


class ReportOutput(serializers.ModelSerializer[Report]):
    id = serializers.IntegerField(allow_null=True, help_text="Null: none was computed yet.")
    created_at = serializers.DateTimeField(allow_null=True)
    since = serializers.SerializerMethodField(help_text="Labels that came after it.")

    class Meta:
        model = Report
        fields = ["id", "settings", "figures", "newest_annotation", "since", "created_at"]

    def get_since(self, report: Report) -> int:
        return labels_since(report) if report.pk else 0


class ComputeBody(Body):
    model = serializers.ChoiceField(choices=list(MODELS), required=False)
    criterion = serializers.CharField(required=False, max_length=40)
    since = serializers.DateField(required=False)
    until = serializers.DateField(required=False)


class StartedOutput(serializers.Serializer[Any]):
    job = serializers.IntegerField()


class ExcludeBody(Body):
    because = serializers.CharField(max_length=200)


class PairQuery(Body):
    criterion = serializers.CharField(required=False, max_length=40)


class ShareOutput(serializers.Serializer[Any]):
    value = serializers.FloatField()
    low = serializers.FloatField()
    high = serializers.FloatField()
    labels = serializers.IntegerField()


class PairOutput(serializers.Serializer[Any]):
    same = ShareOutput(allow_null=True, help_text="Instances on which they agree in all.")
    total = serializers.IntegerField(help_text="Instances on which they differ.")
    instances = serializers.ListField(
        child=serializers.IntegerField(), help_text="The newest 100 of those."
    )


class QualityView(APIView):
    @extend_schema(responses=ReportOutput)
    def get(self, request: Request, slug: str) -> Response:
        """The newest report: agreement, reliability, every annotator; empty before the first."""
        project = project_for(request.user, slug, Action.SEE_QUALITY)
        return Response(ReportOutput(newest_report(project) or Report(project=project)).data)

    @extend_schema(request=ComputeBody, responses={202: StartedOutput})
    def post(self, request: Request, slug: str) -> Response:
        """Compute the report anew, as a job."""
        project = project_for(request.user, slug, Action.REVIEW)
        values = {name: str(value) for name, value in read_body(request, ComputeBody).items()}
        job = compute(project=project, settings=Settings(**values), by=person_of(request))
        return Response({"job": job.pk}, status=status.HTTP_202_ACCEPTED)


class PairView(APIView):
    @extend_schema(parameters=[filters(PairQuery)], responses=PairOutput)
    def get(self, request: Request, slug: str, annotator_id: int, other_id: int) -> Response:
        """How far two annotators agree, and the instances on which they differ."""
        project = project_for(request.user, slug, Action.SEE_QUALITY)
        first, second = annotator_in(project, annotator_id), annotator_in(project, other_id)
        criteria = {row.key: row for row in criteria_of(project)}
        key = read_query(request, PairQuery).get("criterion", next(iter(criteria), ""))
        if key not in criteria:
            raise InvalidInput(_("The project has no criterion %(key)r.") % {"key": key})
        apart, same = differing(project, criteria[key], first, second)
        keys = [each.pk for each in apart[:MOST_BEHIND]]
        return Response(PairOutput({"same": same, "total": len(apart), "instances": keys}).data)


class ExcludeView(APIView):
    @extend_schema(request=ExcludeBody, responses=AnnotatorOutput)
    def post(self, request: Request, slug: str, annotator_id: int) -> Response:
        """Leave somebody's labels out of consensus and data; nothing is deleted."""
        user = person_of(request)
        project = project_for(user, slug, Action.MANAGE_PEOPLE)
        row = annotator_in(project, annotator_id)
        services.exclude(annotator=row, by=user, **read_body(request, ExcludeBody))
        return Response(AnnotatorOutput(annotator_in(project, annotator_id)).data)


class IncludeView(APIView):
    @extend_schema(request=None, responses=AnnotatorOutput)
    def post(self, request: Request, slug: str, annotator_id: int) -> Response:
        """Let somebody's labels count again."""
        user = person_of(request)
        project = project_for(user, slug, Action.MANAGE_PEOPLE)
        services.include(annotator=annotator_in(project, annotator_id), by=user)
        return Response(AnnotatorOutput(annotator_in(project, annotator_id)).data)


class AdmitView(APIView):
    @extend_schema(request=None, responses=AnnotatorOutput)
    def post(self, request: Request, slug: str, annotator_id: int) -> Response:
        """Let somebody label whatever the qualification round said."""
        user = person_of(request)
        project = project_for(user, slug, Action.MANAGE_PEOPLE)
        services.admit(annotator=annotator_in(project, annotator_id), by=user)
        return Response(AnnotatorOutput(annotator_in(project, annotator_id)).data)


P = "projects/<slug:slug>/"
A = P + "annotators/<int:annotator_id>/"
urlpatterns: list[URLPattern] = [
    path(P + "quality/", QualityView.as_view(), name="quality"),
    path(A + "pairs/<int:other_id>/", PairView.as_view(), name="annotator-pair"),
    path(A + "exclude", ExcludeView.as_view(), name="annotator-exclude"),
    path(A + "include", IncludeView.as_view(), name="annotator-include"),
    path(A + "admit", AdmitView.as_view(), name="annotator-admit"),
]
