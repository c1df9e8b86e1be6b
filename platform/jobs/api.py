"""REST routes of jobs: list, one with its log, cancel."""

from django.urls import URLPattern, path
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.policies import Action, project_for
from core.paging import described, one_of, paged

from . import selectors, services
from .models import Job, LogLine, State


class JobSerializer(serializers.ModelSerializer[Job]):
    class Meta:
        model = Job
        fields = [
            "id",
            "kind",
            "state",
            "queue",
            "attempt",
            "done",
            "total",
            "note",
            "result",
            "error",
            "created_at",
            "started_at",
            "finished_at",
        ]


class LogLineSerializer(serializers.ModelSerializer[LogLine]):
    class Meta:
        model = LogLine
        fields = ["id", "attempt", "at", "level", "message"]


class JobDetailSerializer(serializers.Serializer[dict[str, object]]):
    job = JobSerializer()
    log = LogLineSerializer(many=True)


class JobList(APIView):
    @described(
        JobSerializer,
        OpenApiParameter("state", str, enum=State.values),
        OpenApiParameter("kind", str, description="Such as `annotation.import`."),
    )
    def get(self, request: Request, slug: str) -> Response:
        """The project's jobs, newest first."""
        project = project_for(request.user, slug, Action.SEE_JOBS)
        jobs = selectors.jobs_of(project)
        if state := one_of(request, "state", State.values):
            jobs = jobs.filter(state=state)
        if kind := request.query_params.get("kind"):
            jobs = jobs.filter(kind=kind)
        return paged(request, jobs, JobSerializer)


class JobDetail(APIView):
    @extend_schema(responses=JobDetailSerializer)
    def get(self, request: Request, slug: str, job_id: int) -> Response:
        """One job with the last lines of its log."""
        project = project_for(request.user, slug, Action.SEE_JOBS)
        job = selectors.job_in(project, job_id)
        body = {"job": job, "log": selectors.log_of(job)}
        return Response(JobDetailSerializer(body).data)


class JobCancel(APIView):
    @extend_schema(request=None, responses=JobSerializer)
    def post(self, request: Request, slug: str, job_id: int) -> Response:
        """Ask the job to stop; a training run writes a checkpoint first."""
        project = project_for(request.user, slug, Action.CANCEL_JOBS)
        job = services.cancel(job=selectors.job_in(project, job_id))
        return Response(JobSerializer(job).data)


urlpatterns: list[URLPattern] = [
    path("projects/<slug:slug>/jobs/", JobList.as_view(), name="job-list"),
    path("projects/<slug:slug>/jobs/<int:job_id>/", JobDetail.as_view(), name="job-detail"),
    path("projects/<slug:slug>/jobs/<int:job_id>/cancel/", JobCancel.as_view(), name="job-cancel"),
]
