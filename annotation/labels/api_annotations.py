"""REST: labels of everybody, for who may see them."""

from typing import Any

from django.db.models import Q, QuerySet
from django.urls import URLPattern, path
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.models import Project
from accounts.policies import Action, project_for
from annotation.queue.purposes import Purpose
from core.bodies import Body, filters, read_query
from core.paging import described, paged

from .models import Annotation, Annotator, AnnotatorKind
from .selectors import annotator_in, current


class AnnotatorOutput(serializers.ModelSerializer[Annotator]):
    class Meta:
        model = Annotator
        fields = [
            "id",
            "pseudonym",
            "kind",
            "judge",
            "simulated",
            "price_micros",
            "cohort",
            "qualifications",
            "quota",
            "qualified_at",
            "excluded_at",
            "excluded_because",
        ]


class AnnotationOutput(serializers.ModelSerializer[Annotation]):
    """One immutable label on one criterion, by canonical position."""

    external_id = serializers.CharField(source="instance.external_id")
    annotator = serializers.CharField(source="annotator.pseudonym")
    annotator_id = serializers.IntegerField()
    annotator_kind = serializers.ChoiceField(choices=AnnotatorKind.choices, source="annotator.kind")
    criterion = serializers.CharField(source="criterion.key")

    class Meta:
        model = Annotation
        fields = [
            "id",
            "instance",
            "external_id",
            "annotator",
            "annotator_id",
            "annotator_kind",
            "criterion",
            "purpose",
            "ranking",
            "unranked",
            "scores",
            "tie_kind",
            "strength",
            "confidence",
            "rationale",
            "reasons",
            "attributes",
            "shown_order",
            "seconds",
            "supersedes",
            "retracted",
            "created_at",
        ]


class AnnotationQuery(Body):
    instance = serializers.IntegerField(required=False, min_value=1)
    annotator = serializers.IntegerField(required=False, min_value=1)
    criterion = serializers.CharField(required=False, max_length=40)
    kind = serializers.ChoiceField(
        choices=AnnotatorKind.choices, required=False, help_text="Of the annotator."
    )
    purpose = serializers.ChoiceField(choices=Purpose.choices, required=False)
    all = serializers.BooleanField(
        default=False,
        help_text="Also what was changed, taken back, given to checks or by excluded annotators.",
    )


class AnnotatorQuery(Body):
    kind = serializers.ChoiceField(choices=AnnotatorKind.choices, required=False)


NAMES = {
    "instance": "instance",
    "annotator": "annotator",
    "criterion": "criterion__key",
    "kind": "annotator__kind",
    "purpose": "purpose",
}


def _chosen(project: Project, wish: dict[str, Any]) -> QuerySet[Annotation]:
    everything = wish.pop("all")
    rows = Annotation.objects.filter(project=project) if everything else current(project)
    return rows.filter(Q(**{NAMES[name]: value for name, value in wish.items()}))


class AnnotationList(APIView):
    @described(AnnotationOutput, filters(AnnotationQuery))
    def get(self, request: Request, slug: str) -> Response:
        """The labels that stand, of people and judges, in the order they came."""
        project = project_for(request.user, slug, Action.SEE_INSTANCES)
        rows = _chosen(project, read_query(request, AnnotationQuery))
        related = rows.select_related("instance", "annotator", "criterion")
        slim = related.defer("instance__messages", "instance__context", "instance__metadata")
        return paged(request, slim.order_by("pk"), AnnotationOutput)


class AnnotatorList(APIView):
    @described(AnnotatorOutput, filters(AnnotatorQuery))
    def get(self, request: Request, slug: str) -> Response:
        """Who labels here: people by their pseudonym, judges, and annotators of imported files."""
        project = project_for(request.user, slug, Action.SEE_QUALITY)
        wish = read_query(request, AnnotatorQuery)
        rows = Annotator.objects.filter(project=project, **wish).order_by("pk")
        return paged(request, rows, AnnotatorOutput)


class AnnotatorView(APIView):
    @extend_schema(responses=AnnotatorOutput)
    def get(self, request: Request, slug: str, annotator_id: int) -> Response:
        """One annotator."""
        project = project_for(request.user, slug, Action.SEE_QUALITY)
        return Response(AnnotatorOutput(annotator_in(project, annotator_id)).data)


P = "projects/<slug:slug>/"
urlpatterns: list[URLPattern] = [
    path(P + "annotations/", AnnotationList.as_view(), name="annotations"),
    path(P + "annotators/", AnnotatorList.as_view(), name="annotators"),
    path(P + "annotators/<int:annotator_id>/", AnnotatorView.as_view(), name="annotator"),
]
