"""REST: the model versions of a project, and instances that a model doubts."""

from typing import Any

from django.urls import URLPattern, path
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.policies import Action, project_for
from accounts.requests import person_of
from core.bodies import Body, filters, read_body, read_query
from core.paging import described, paged
from training.runs.models import RunKind
from training.writeback import relabelling
from training.writeback.models import RelabelBy

from .api import VersionOutput
from .models import ModelVersion, Stage
from .selectors import card_of, version_in, versions_of

MOST_AT_ONCE = 1000


class ModelOutput(VersionOutput):
    run = serializers.IntegerField(source="run_id")
    base_model = serializers.CharField()
    created_at = serializers.DateTimeField()


class ModelDetail(ModelOutput):
    snapshot = serializers.CharField(source="run.snapshot.content_hash")
    card = serializers.SerializerMethodField(help_text="Markdown.")

    def get_card(self, version: ModelVersion) -> str:
        return card_of(version)


class ModelQuery(Body):
    kind = serializers.ChoiceField(choices=RunKind.choices, required=False)
    stage = serializers.ChoiceField(choices=Stage.choices, required=False)


class ModelRelabelBody(Body):
    by = serializers.ChoiceField(choices=RelabelBy.choices, default=RelabelBy.TRUST)
    count = serializers.IntegerField(min_value=1, max_value=MOST_AT_ONCE)


class ModelRelabelOutput(serializers.Serializer[Any]):
    opened = serializers.IntegerField()
    refused = serializers.DictField(child=serializers.CharField())


class ModelList(APIView):
    @described(ModelOutput, filters(ModelQuery))
    def get(self, request: Request, slug: str) -> Response:
        """The model versions, newest first."""
        project = project_for(request.user, slug, Action.SEE_TRAINING)
        rows = versions_of(project).filter(**read_query(request, ModelQuery))
        return paged(request, rows, ModelOutput)


class ModelView(APIView):
    @extend_schema(responses=ModelDetail)
    def get(self, request: Request, slug: str, version_id: int) -> Response:
        """One model version with its figures and its card."""
        project = project_for(request.user, slug, Action.SEE_TRAINING)
        return Response(ModelDetail(version_in(project, version_id)).data)


class ModelRelabelView(APIView):
    @extend_schema(request=ModelRelabelBody, responses=ModelRelabelOutput)
    def post(self, request: Request, slug: str, version_id: int) -> Response:
        """Send the instances whose labels a model doubts most to be labelled again."""
        user = person_of(request)
        version = version_in(project_for(user, slug, Action.TRAIN), version_id)
        values = read_body(request, ModelRelabelBody)
        sent = relabelling.send(version=version, actor=user, **values)
        return Response(ModelRelabelOutput(sent).data)


P = "projects/<slug:slug>/models/"
urlpatterns: list[URLPattern] = [
    path(P, ModelList.as_view(), name="models"),
    path(P + "<int:version_id>/", ModelView.as_view(), name="model"),
    path(P + "<int:version_id>/relabel", ModelRelabelView.as_view(), name="model-relabel"),
]
