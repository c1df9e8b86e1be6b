"""REST: list instances, hand in a file for import."""

from django.urls import URLPattern, path
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.parsers import MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.policies import Action, project_for
from core.exceptions import InvalidInput

from .models import Completion, Instance
from .selectors import instances_of, progress
from .uploads import start_import

PAGE = 100


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


class InstancePageSerializer(serializers.Serializer[dict[str, object]]):
    instances = InstanceSerializer(many=True)
    # Pass it as `after` for the next page; null at the end.
    next = serializers.IntegerField(allow_null=True)


class ImportSerializer(serializers.Serializer[dict[str, object]]):
    file = serializers.FileField()
    reveal = serializers.BooleanField(default=True)


class ImportStartedSerializer(serializers.Serializer[dict[str, object]]):
    job = serializers.IntegerField()


class InstanceList(APIView):
    @extend_schema(parameters=[OpenApiParameter("after", int)], responses=InstancePageSerializer)
    def get(self, request: Request, slug: str) -> Response:
        """A hundred instances in the order they came, from the one after `after`."""
        project = project_for(request.user, slug, Action.SEE_INSTANCES)
        after = request.query_params.get("after", "0")
        if not after.isdecimal() or len(after) > 18:
            raise InvalidInput("`after` must be the id of an instance.")
        page = list(instances_of(project).filter(pk__gt=int(after))[: PAGE + 1])
        following = page[PAGE - 1].pk if len(page) > PAGE else None
        body: dict[str, object] = {"instances": page[:PAGE], "next": following}
        return Response(InstancePageSerializer(body).data)


class ProgressView(APIView):
    @extend_schema(responses={200: dict})
    def get(self, request: Request, slug: str) -> Response:
        """Counts by state, destination, arm and slot state."""
        return Response(progress(project_for(request.user, slug, Action.SEE_ROUTING)))


class ImportView(APIView):
    parser_classes = [MultiPartParser]

    @extend_schema(request=ImportSerializer, responses={202: ImportStartedSerializer})
    def post(self, request: Request, slug: str) -> Response:
        """Hand in a `.jsonl`, `.jsonl.gz` or `.zip` file; the job's result is the report."""
        project = project_for(request.user, slug, Action.IMPORT)
        given = ImportSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        file = given.validated_data["file"]
        job = start_import(
            project=project,
            name=file.name,
            chunks=file.chunks(),
            reveal=given.validated_data["reveal"],
            created_by=request.user if request.user.is_authenticated else None,
        )
        return Response({"job": job.pk}, status=202)


urlpatterns: list[URLPattern] = [
    path("projects/<slug:slug>/instances/", InstanceList.as_view(), name="instance-list"),
    path("projects/<slug:slug>/progress/", ProgressView.as_view(), name="progress"),
    path("projects/<slug:slug>/imports/", ImportView.as_view(), name="import"),
]
