"""REST: ask for an explanation, list them, read one, download it."""

from django.http import HttpResponse
from django.urls import URLPattern, path
from drf_spectacular.utils import OpenApiExample, OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.models import User
from accounts.policies import Action, project_for
from annotation.datasets.models import Snapshot
from core.bodies import LARGEST, Body, read_body
from core.exceptions import NotFound
from core.paging import described, paged

from .downloads import download
from .models import Explanation
from .selectors import explanation_in, explanations_of
from .tasks import compute_explanation


class ExplanationSerializer(serializers.ModelSerializer[Explanation]):
    class Meta:
        model = Explanation
        fields = ["id", "created_at", "snapshot", "version", "newest_annotation", "job"]


class ExplanationDetailSerializer(serializers.ModelSerializer[Explanation]):
    class Meta:
        model = Explanation
        fields = [*ExplanationSerializer.Meta.fields, "figures"]


class ExplainBody(Body):
    snapshot = serializers.IntegerField(
        required=False, allow_null=True, min_value=1, max_value=LARGEST
    )


class ExplainStartedSerializer(serializers.Serializer[dict[str, object]]):
    job = serializers.IntegerField()


class ExplanationList(APIView):
    @described(ExplanationSerializer)
    def get(self, request: Request, slug: str) -> Response:
        """Explanations of the project's labels and snapshots, newest first, without figures."""
        project = project_for(request.user, slug, Action.SEE_QUALITY)
        return paged(request, explanations_of(project), ExplanationSerializer)

    @extend_schema(
        request=ExplainBody,
        responses={202: ExplainStartedSerializer},
        examples=[OpenApiExample("of a snapshot", {"snapshot": 3}, request_only=True)],
    )
    def post(self, request: Request, slug: str) -> Response:
        """Explain all labels as they stand, or those of a snapshot; the job's result names it."""
        project = project_for(request.user, slug, Action.REVIEW)
        snapshot = None
        if number := read_body(request, ExplainBody).get("snapshot"):
            snapshot = Snapshot.objects.filter(project=project, pk=number).first()
            if snapshot is None:
                raise NotFound("There is no such snapshot in this project.")
        by = request.user if isinstance(request.user, User) else None
        job = compute_explanation(project=project, snapshot=snapshot, by=by)
        return Response({"job": job.pk}, status=202)


class ExplanationDetail(APIView):
    @extend_schema(responses=ExplanationDetailSerializer)
    def get(self, request: Request, slug: str, explanation_id: int) -> Response:
        """One explanation with all its figures."""
        project = project_for(request.user, slug, Action.SEE_QUALITY)
        return Response(ExplanationDetailSerializer(explanation_in(project, explanation_id)).data)


class ExplanationDownload(APIView):
    @extend_schema(
        responses={
            (200, "application/json"): OpenApiResponse(dict),
            (200, "text/csv"): OpenApiResponse(str),
            (200, "text/markdown"): OpenApiResponse(str),
        }
    )
    def get(self, request: Request, slug: str, explanation_id: int, suffix: str) -> HttpResponse:
        """The explanation as a file: `json`, `csv` (a row per coefficient) or `md` (to read)."""
        project = project_for(request.user, slug, Action.SEE_QUALITY)
        return as_file(explanation_in(project, explanation_id), suffix)


def as_file(explanation: Explanation, suffix: str) -> HttpResponse:
    """A response that is saved under a name of its own."""
    content, kind = download(explanation, suffix)
    name = f"{explanation.project.slug}-explained-{explanation.pk}.{suffix}"
    return HttpResponse(
        content,
        content_type=f"{kind}; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )


P = "projects/<slug:slug>/explanations/"

urlpatterns: list[URLPattern] = [
    path(P, ExplanationList.as_view(), name="explanation-list"),
    path(P + "<int:explanation_id>/", ExplanationDetail.as_view(), name="explanation-detail"),
    path(
        P + "<int:explanation_id>/download.<slug:suffix>",
        ExplanationDownload.as_view(),
        name="explanation-download",
    ),
]
