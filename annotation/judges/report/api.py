"""REST: what judges are worth, as the newest report has it."""

from typing import Any

from django.urls import URLPattern, path
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.policies import Action, project_for
from accounts.requests import person_of
from annotation.judges.models import JudgeReport

from .selectors import judge_labels_since, newest_judge_report
from .tasks import compute_judge_report


class JudgeReportOutput(serializers.ModelSerializer[JudgeReport]):
    """`figures.criteria`: per criterion every judge and the panel of all, and the matrix."""

    id = serializers.IntegerField(allow_null=True, help_text="Null: none was computed yet.")
    created_at = serializers.DateTimeField(allow_null=True)
    since = serializers.SerializerMethodField(help_text="Labels that came after it.")

    class Meta:
        model = JudgeReport
        fields = ["id", "figures", "since", "created_at"]

    def get_since(self, report: JudgeReport) -> int:
        return judge_labels_since(report) if report.pk else 0


class StartedOutput(serializers.Serializer[Any]):
    job = serializers.IntegerField()


class JudgeReportView(APIView):
    @extend_schema(responses=JudgeReportOutput)
    def get(self, request: Request, slug: str) -> Response:
        """Agreement, reliability, calibration, biases, drift and the matrix of the judges."""
        project = project_for(request.user, slug, Action.SEE_QUALITY)
        report = newest_judge_report(project) or JudgeReport(project=project)
        return Response(JudgeReportOutput(report).data)

    @extend_schema(request=None, responses={202: StartedOutput})
    def post(self, request: Request, slug: str) -> Response:
        """Compute the report anew, as a job."""
        project = project_for(request.user, slug, Action.REVIEW)
        job = compute_judge_report(project=project, by=person_of(request))
        return Response({"job": job.pk}, status=status.HTTP_202_ACCEPTED)


urlpatterns: list[URLPattern] = [
    path(
        "projects/<slug:slug>/judges/report",
        JudgeReportView.as_view(),
        name="judge-report",
    ),
]
