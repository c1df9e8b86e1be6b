"""REST: what routers see of instances, and what goes with disagreement."""

from dataclasses import asdict
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
from core.bodies import Body, filters, finite, read_body, read_query
from core.exceptions import NotFound

from .selectors import exploration, readers
from .services import compute_features, features_job


class FeaturesQuery(Body):
    judge = serializers.IntegerField(
        required=False, help_text="Whose disagreement with people; else the first judge."
    )


class ComputeBody(Body):
    encoder = serializers.CharField(
        required=False, max_length=300, help_text="A local model; else that of the last time."
    )


class FeaturesOutput(serializers.Serializer[Any]):
    instances = serializers.IntegerField()
    read = serializers.IntegerField(help_text="The newest, of which figures are made.")
    dual = serializers.IntegerField(help_text="With labels of people and of the judge.")
    dual_prompts = serializers.IntegerField()
    missing = serializers.DictField(child=serializers.IntegerField())
    extractors = serializers.DictField(child=serializers.CharField())
    features = serializers.SerializerMethodField(help_text="Distribution, coverage, association.")
    tags = serializers.SerializerMethodField(help_text="The same of tags, by value.")
    job = serializers.IntegerField(allow_null=True, default=None)

    def get_features(self, found: Any) -> list[dict[str, Any]]:
        return [finite(asdict(each)) for each in found.found.features]

    def get_tags(self, found: Any) -> list[dict[str, Any]]:
        return [finite(asdict(each)) for each in found.found.tags]


class StartedOutput(serializers.Serializer[Any]):
    job = serializers.IntegerField()


class FeaturesView(APIView):
    @extend_schema(parameters=[filters(FeaturesQuery)], responses=FeaturesOutput)
    def get(self, request: Request, slug: str) -> Response:
        """Distribution, coverage and what it goes with, for every feature and tag."""
        project = project_for(request.user, slug, Action.SEE_ROUTING)
        judges, wanted = readers(project), read_query(request, FeaturesQuery).get("judge")
        chosen = next((each for each in judges if each.pk == wanted), None)
        if wanted is not None and chosen is None:
            raise NotFound(_("There is no such judge in this project."))
        found = exploration(project, chosen or next(iter(judges), None))
        job = features_job(project)
        return Response(FeaturesOutput(found).data | {"job": job.pk if job else None})


class FeaturesComputeView(APIView):
    @extend_schema(request=ComputeBody, responses={202: StartedOutput})
    def post(self, request: Request, slug: str) -> Response:
        """Compute what instances lack of the current features, as a job."""
        project = project_for(request.user, slug, Action.TRAIN)
        values = read_body(request, ComputeBody)
        job = compute_features(project=project, by=person_of(request), **values)
        return Response({"job": job.pk}, status=status.HTTP_202_ACCEPTED)


P = "projects/<slug:slug>/routing/features/"
urlpatterns: list[URLPattern] = [
    path(P, FeaturesView.as_view(), name="features"),
    path(P + "compute", FeaturesComputeView.as_view(), name="features-compute"),
]
