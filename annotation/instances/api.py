"""REST: list instances, bring new ones."""

from django.urls import URLPattern, path
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.policies import Action, project_for
from annotation.queue.models import Arm, Destination
from core.paging import described, one_of, paged

from .api_imports import (
    INSTANCE_EXAMPLE,
    ImportView,
    InstancesBody,
    PreviewView,
    ReportSerializer,
    import_instances,
)
from .models import Completion, Instance, InstanceState
from .selectors import instance_in, instances_where, progress

ROUTED = "For who may see the routing."


class CompletionSerializer(serializers.ModelSerializer[Completion]):
    class Meta:
        model = Completion
        fields = ["position", "text", "parts", "messages", "generator", "licence"]


class InstanceSerializer(serializers.ModelSerializer[Instance]):
    completions = CompletionSerializer(many=True)

    class Meta:
        model = Instance
        fields = [
            "id",
            "external_id",
            "messages",
            "context",
            "metadata",
            "tags",
            "state",
            "completions",
        ]


class InstanceList(APIView):
    @described(
        InstanceSerializer,
        OpenApiParameter("state", str, enum=InstanceState.values),
        OpenApiParameter("destination", str, enum=Destination.values, description=ROUTED),
        OpenApiParameter("arm", str, enum=Arm.values, description=ROUTED),
        OpenApiParameter("tag", str),
        OpenApiParameter("external_id", str),
    )
    def get(self, request: Request, slug: str) -> Response:
        """The project's instances in the order they came, with their completions."""
        project = project_for(request.user, slug, Action.SEE_INSTANCES)
        destination = one_of(request, "destination", Destination.values)
        arm = one_of(request, "arm", Arm.values)
        if destination or arm:
            project_for(request.user, slug, Action.SEE_ROUTING)
        rows = instances_where(
            project,
            state=one_of(request, "state", InstanceState.values),
            destination=destination,
            arm=arm,
            tag=request.query_params.get("tag"),
            external_id=request.query_params.get("external_id"),
        )
        return paged(request, rows, InstanceSerializer)

    @extend_schema(request=InstancesBody, responses=ReportSerializer, examples=[INSTANCE_EXAMPLE])
    def post(self, request: Request, slug: str) -> Response:
        """Import up to a thousand instances at once; the report says what became of each."""
        return import_instances(request, slug)


class InstanceView(APIView):
    @extend_schema(responses=InstanceSerializer)
    def get(self, request: Request, slug: str, instance_id: int) -> Response:
        """One instance with its completions; its labels are at `annotations/?instance=`."""
        project = project_for(request.user, slug, Action.SEE_INSTANCES)
        return Response(InstanceSerializer(instance_in(project, instance_id)).data)


class ProgressView(APIView):
    @extend_schema(responses={200: dict})
    def get(self, request: Request, slug: str) -> Response:
        """Counts by state, destination, arm and slot state."""
        return Response(progress(project_for(request.user, slug, Action.SEE_ROUTING)))


urlpatterns: list[URLPattern] = [
    path("projects/<slug:slug>/instances/", InstanceList.as_view(), name="instance-list"),
    path(
        "projects/<slug:slug>/instances/<int:instance_id>/",
        InstanceView.as_view(),
        name="instance",
    ),
    path("projects/<slug:slug>/progress/", ProgressView.as_view(), name="progress"),
    path("projects/<slug:slug>/imports/", ImportView.as_view(), name="import"),
    path("projects/<slug:slug>/imports/preview", PreviewView.as_view(), name="import-preview"),
]
