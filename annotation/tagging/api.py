"""REST: tags of prompts: what is there, by hand, and asking a judge."""

from typing import Any

from django.urls import URLPattern, path
from django.utils.translation import gettext as _
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.models import Project
from accounts.policies import Action, project_for
from accounts.requests import person_of
from annotation.instances.models import Instance
from annotation.judges.models import Judge
from annotation.judges.selectors import budget_in
from core.bodies import Body, read_body
from core.exceptions import InvalidInput, NotFound
from core.paging import page_of, short

from .models import InstanceTag
from .runs import ALL, UNTAGGED, estimate, start_tagging, taggers_of
from .selectors import coverage, given_tags
from .services import tag_by_person
from .vocabulary import TAGS


class CoverageOutput(serializers.Serializer[Any]):
    name = serializers.CharField()
    instances = serializers.IntegerField()
    total = serializers.IntegerField()
    values = serializers.DictField(child=serializers.IntegerField())
    sources = serializers.DictField(child=serializers.IntegerField())


class GivenOutput(serializers.ModelSerializer[InstanceTag]):
    class Meta:
        model = InstanceTag
        fields = ["name", "value", "source", "judge"]


class InstanceTagsOutput(serializers.Serializer[Any]):
    tags = serializers.ListField(child=serializers.CharField(), help_text="Those that count.")
    given = GivenOutput(many=True, help_text="Who said which.")


class TagsBody(Body):
    tags = serializers.DictField(
        child=serializers.ListField(child=serializers.CharField(max_length=80)),
        help_text="By name of the vocabulary; a name without values is left to the others.",
    )


class AskTagsBody(Body):
    judge = serializers.IntegerField()
    of = serializers.ChoiceField(choices=[UNTAGGED, ALL], default=UNTAGGED)
    budget = serializers.IntegerField(required=False)


class TagEstimateOutput(serializers.Serializer[Any]):
    prompts = serializers.IntegerField()
    calls = serializers.IntegerField()
    stored = serializers.IntegerField()
    refused = serializers.IntegerField()
    expected_micros = serializers.IntegerField()
    most_micros = serializers.IntegerField()
    sampled = serializers.BooleanField()


class StartedOutput(serializers.Serializer[Any]):
    job = serializers.IntegerField()
    run = serializers.IntegerField()


class TagsView(APIView):
    @extend_schema(responses=page_of(CoverageOutput))
    def get(self, request: Request, slug: str) -> Response:
        """Every name of the vocabulary with the values that instances have, and who said so."""
        project = project_for(request.user, slug, Action.SEE_INSTANCES)
        return short(coverage(project), CoverageOutput)


def _judge(project: Project, key: int) -> Judge:
    judge = taggers_of(project).filter(pk=key).first()
    if judge is None:
        raise InvalidInput(_("Choose the judge that is asked."))
    return judge


class TagsAskView(APIView):
    @extend_schema(request=AskTagsBody, responses={202: StartedOutput})
    def post(self, request: Request, slug: str) -> Response:
        """Ask a judge for the tags of prompts, as a job."""
        user = person_of(request)
        project = project_for(user, slug, Action.TRAIN)
        values = read_body(request, AskTagsBody)
        run = start_tagging(
            judge=_judge(project, values["judge"]),
            of=values["of"],
            budget=budget_in(project, values.get("budget")),
            by=user,
        )
        body = {"job": run.job_id, "run": run.pk}
        return Response(body, status=status.HTTP_202_ACCEPTED)


class TagsEstimateView(APIView):
    @extend_schema(request=AskTagsBody, responses=TagEstimateOutput)
    def post(self, request: Request, slug: str) -> Response:
        """What asking a judge for tags will take; nothing is written."""
        project = project_for(request.user, slug, Action.TRAIN)
        values = read_body(request, AskTagsBody)
        found = estimate(_judge(project, values["judge"]), values["of"])
        return Response(TagEstimateOutput(found).data)


class InstanceTagsView(APIView):
    @extend_schema(responses=InstanceTagsOutput)
    def get(self, request: Request, slug: str, instance_id: int) -> Response:
        """The tags of an instance, and who said which."""
        project = project_for(request.user, slug, Action.SEE_INSTANCES)
        return _tags(_instance(project, instance_id))

    @extend_schema(
        request=TagsBody,
        responses=InstanceTagsOutput,
        examples=[OpenApiExample("Law", value={"tags": {"domain": ["law"]}}, request_only=True)],
    )
    def patch(self, request: Request, slug: str, instance_id: int) -> Response:
        """Say tags by hand; names that are not sent stay the word of whoever said them."""
        user = person_of(request)
        instance = _instance(project_for(user, slug, Action.REVIEW), instance_id)
        given = read_body(request, TagsBody)["tags"]
        if unknown := sorted(set(given) - set(TAGS)):
            raise InvalidInput(_("There is no tag named %(name)s.") % {"name": unknown[0]})
        wanted = {name: tuple(dict.fromkeys(values)) for name, values in given.items()}
        tag_by_person(instance=instance, tags=wanted, by=user)
        return _tags(_instance(instance.project, instance_id))


def _instance(project: Project, key: int) -> Instance:
    row = Instance.objects.filter(project=project, pk=key).first()
    if row is None:
        raise NotFound(_("There is no such instance in this project."))
    row.project = project
    return row


def _tags(instance: Instance) -> Response:
    body = {"tags": instance.tags, "given": given_tags(instance)}
    return Response(InstanceTagsOutput(body).data)


P = "projects/<slug:slug>/"
urlpatterns: list[URLPattern] = [
    path(P + "tags/", TagsView.as_view(), name="tags"),
    path(P + "tags/ask", TagsAskView.as_view(), name="tags-ask"),
    path(P + "tags/estimate", TagsEstimateView.as_view(), name="tags-estimate"),
    path(P + "instances/<int:instance_id>/tags/", InstanceTagsView.as_view(), name="instance-tags"),
]
