"""REST: instances whose answer is known, and instances to be labelled again."""

from typing import Any

from django.urls import URLPattern, path
from django.utils.translation import gettext as _
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.policies import Action, project_for
from accounts.requests import person_of
from annotation.instances.models import Instance
from annotation.projects.models import TieKind
from core.bodies import Body, filters, read_body, read_query
from core.exceptions import InvalidInput, NotFound
from core.paging import described, paged

from . import services
from .gold import gold_of, results_of
from .models import Gold, GoldKind, Relabel
from .relabelling import MOST_AT_ONCE, MOST_COUNT, REPORTS, relabels_of


class AcceptedBody(Body):
    ranking = serializers.ListField(child=serializers.IntegerField(min_value=1), default=list)
    tie_kind = serializers.ChoiceField(choices=TieKind.choices, default="", allow_blank=True)
    scores = serializers.ListField(child=serializers.IntegerField(allow_null=True), default=list)


class AnswersBody(Body):
    answers = serializers.DictField(
        child=AcceptedBody(many=True), help_text="By criterion every answer that is right."
    )


class GoldBody(AnswersBody):
    instance = serializers.IntegerField()
    kind = serializers.ChoiceField(choices=GoldKind.choices, default=GoldKind.GOLD)
    feedback = serializers.CharField(default="", allow_blank=True, max_length=2000)
    labelled = serializers.BooleanField(
        default=False, help_text="Also where there are labels: they count for nothing meanwhile."
    )


class PromoteBody(Body):
    instance = serializers.IntegerField()
    kind = serializers.ChoiceField(choices=GoldKind.choices, default=GoldKind.GOLD)


class DoubtBody(Body):
    instances = serializers.ListField(
        child=serializers.IntegerField(), min_length=1, max_length=MOST_AT_ONCE
    )


class ResultOutput(serializers.Serializer[Any]):
    value = serializers.FloatField()
    low = serializers.FloatField()
    high = serializers.FloatField()
    labels = serializers.IntegerField()


class Golds(serializers.ListSerializer[Any]):
    """Gold of one project with how often it was answered right: one query for all of it."""

    def to_representation(self, data: Any) -> list[Any]:
        rows: list[Gold] = list(data)
        project = rows[0].instance.project if rows else None
        found = results_of(project, [row.instance_id for row in rows]) if project else {}
        for row in rows:
            row.__dict__["right"] = found.get(row.instance_id)
        return super().to_representation(rows)


class GoldOutput(serializers.ModelSerializer[Gold]):
    external_id = serializers.CharField(source="instance.external_id")
    right = ResultOutput(default=None, allow_null=True, help_text="How often people get it right.")

    class Meta:
        model = Gold
        list_serializer_class = Golds
        fields = [
            "id",
            "instance",
            "external_id",
            "kind",
            "answers",
            "feedback",
            "active",
            "right",
            "created_at",
        ]


class RelabelBody(Body):
    instances = serializers.ListField(
        child=serializers.IntegerField(), min_length=1, max_length=MOST_AT_ONCE
    )
    report = serializers.ChoiceField(choices=sorted(REPORTS), default="review")
    reason = serializers.CharField(default="", allow_blank=True, max_length=200)
    count = serializers.IntegerField(default=1, min_value=1, max_value=MOST_COUNT)


class RequestedOutput(serializers.Serializer[Any]):
    opened = serializers.IntegerField()
    refused = serializers.DictField(child=serializers.CharField(), help_text="Why, by instance.")


class RelabelOutput(serializers.ModelSerializer[Relabel]):
    external_id = serializers.CharField(source="instance.external_id")
    state = serializers.CharField(source="slot.state", default="")

    class Meta:
        model = Relabel
        fields = ["id", "instance", "external_id", "report", "reason", "state", "created_at"]


class RelabelQuery(Body):
    done = serializers.BooleanField(default=False)


EXAMPLE = OpenApiExample(
    "The first is better",
    value={"instance": 1, "kind": "gold", "answers": {"overall": [{"ranking": [1, 2]}]}},
    request_only=True,
)


def _instance(project: int, key: int) -> Instance:
    row = Instance.objects.filter(project=project, pk=key).first()
    if row is None:
        raise NotFound(_("There is no such instance in this project."))
    return row


def _gold(project: int, key: int) -> Gold:
    row = Gold.objects.filter(instance__project=project, pk=key).select_related("instance").first()
    if row is None:
        raise NotFound(_("There is no such gold instance in this project."))
    return row


def _accepted(instance: Instance, answers: dict[str, Any]) -> dict[str, Any]:
    """Answers as they are stored: each ranks or scores all completions, or none."""
    count = instance.completions.count()
    for each in (answer for given in answers.values() for answer in given):
        if {len(each["ranking"]), len(each["scores"])} - {0, count}:
            raise InvalidInput(_("Rank all %(count)s completions.") % {"count": count})
    return {key: {"accept": [dict(each) for each in given]} for key, given in answers.items()}


class GoldList(APIView):
    @described(GoldOutput)
    def get(self, request: Request, slug: str) -> Response:
        """All gold with its answers and how often people get it right, newest first."""
        project = project_for(request.user, slug, Action.SEE_QUALITY)
        return paged(request, gold_of(project).select_related("instance__project"), GoldOutput)

    @extend_schema(request=GoldBody, responses={201: GoldOutput}, examples=[EXAMPLE])
    def post(self, request: Request, slug: str) -> Response:
        """Say what is right on an instance: while it is gold, it is no data."""
        user = person_of(request)
        project = project_for(user, slug, Action.MANAGE_PROJECT)
        values = read_body(request, GoldBody)
        instance = _instance(project.pk, values.pop("instance"))
        answers = _accepted(instance, values.pop("answers"))
        row = services.make_gold(instance=instance, answers=answers, by=user, **values)
        return Response(GoldOutput(row).data, status=status.HTTP_201_CREATED)


class GoldPromoteView(APIView):
    @extend_schema(request=PromoteBody, responses={201: GoldOutput})
    def post(self, request: Request, slug: str) -> Response:
        """What people agree on is right."""
        user = person_of(request)
        project = project_for(user, slug, Action.MANAGE_PROJECT)
        values = read_body(request, PromoteBody)
        instance = _instance(project.pk, values["instance"])
        row = services.promote(instance=instance, by=user, kind=values["kind"])
        return Response(GoldOutput(row).data, status=status.HTTP_201_CREATED)


class GoldDoubtView(APIView):
    @extend_schema(request=DoubtBody, responses=RequestedOutput)
    def post(self, request: Request, slug: str) -> Response:
        """Retire gold, and send its instances to somebody else."""
        user = person_of(request)
        project = project_for(user, slug, Action.MANAGE_PROJECT)
        wanted = set(read_body(request, DoubtBody)["instances"])
        rows = list(gold_of(project).filter(instance__in=wanted, active=True))
        if len(rows) != len(wanted):
            raise NotFound(_("There is no such gold instance in this project."))
        return Response(RequestedOutput(services.question_gold(gold=rows, by=user)).data)


class GoldAcceptView(APIView):
    @extend_schema(request=AnswersBody, responses=GoldOutput)
    def post(self, request: Request, slug: str, gold_id: int) -> Response:
        """Accept another answer beside those that are right."""
        user = person_of(request)
        gold = _gold(project_for(user, slug, Action.MANAGE_PROJECT).pk, gold_id)
        answers = _accepted(gold.instance, read_body(request, AnswersBody)["answers"])
        return Response(GoldOutput(services.accept_also(gold=gold, answers=answers, by=user)).data)


class GoldRetireView(APIView):
    @extend_schema(request=None, responses=GoldOutput)
    def post(self, request: Request, slug: str, gold_id: int) -> Response:
        """Let the instance be data again."""
        user = person_of(request)
        project = project_for(user, slug, Action.MANAGE_PROJECT)
        services.retire_gold(gold=_gold(project.pk, gold_id), by=user)
        return Response(GoldOutput(_gold(project.pk, gold_id)).data)


class RelabelList(APIView):
    @described(RelabelOutput, filters(RelabelQuery))
    def get(self, request: Request, slug: str) -> Response:
        """Instances that wait for one more opinion, or had it; newest first."""
        project = project_for(request.user, slug, Action.SEE_QUALITY)
        done = read_query(request, RelabelQuery)["done"]
        return paged(request, relabels_of(project, done=done), RelabelOutput)

    @extend_schema(request=RelabelBody, responses=RequestedOutput)
    def post(self, request: Request, slug: str) -> Response:
        """Send instances to others; who labelled one before does not get it again."""
        user = person_of(request)
        project = project_for(user, slug, Action.REVIEW)
        values = read_body(request, RelabelBody)
        asked = services.request_relabel(
            project=project, instance_ids=values.pop("instances"), by=user, **values
        )
        return Response(RequestedOutput(asked).data)


P = "projects/<slug:slug>/"
G = P + "gold/"
urlpatterns: list[URLPattern] = [
    path(G, GoldList.as_view(), name="gold"),
    path(G + "promote", GoldPromoteView.as_view(), name="gold-promote"),
    path(G + "doubt", GoldDoubtView.as_view(), name="gold-doubt"),
    path(G + "<int:gold_id>/accept", GoldAcceptView.as_view(), name="gold-accept"),
    path(G + "<int:gold_id>/retire", GoldRetireView.as_view(), name="gold-retire"),
    path(P + "relabels/", RelabelList.as_view(), name="relabels"),
]
