"""REST: the frontier: what a budget buys, before it is saved."""

from typing import Any

from django.urls import URLPattern, path
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.access import require
from accounts.models import Scope
from accounts.policies import Action, project_for
from accounts.requests import person_of
from core.bodies import Body, filters, read_body, read_query
from routing.budgets.services import change_limit

from .selectors import look, payer_in, payers_of
from .services import check_minimum, prepare_frontier


class FrontierQuery(Body):
    allowance = serializers.IntegerField(
        required=False, help_text="Id of a budget that pays for people; else the first."
    )
    limit = serializers.IntegerField(
        required=False,
        min_value=0,
        max_value=10**15,
        help_text="Millionths of its unit; else what is saved.",
    )


class LineOutput(serializers.Serializer[Any]):
    key = serializers.CharField(help_text="A strategy, `random` or `oracle`.")
    at = serializers.ListField(child=serializers.FloatField(), help_text="Instances to people.")
    value = serializers.ListField(child=serializers.FloatField(), help_text="Performance.")
    low = serializers.ListField(child=serializers.FloatField(), allow_null=True)
    high = serializers.ListField(child=serializers.FloatField(), allow_null=True)


class GroupOutput(serializers.Serializer[Any]):
    name = serializers.CharField()
    people = serializers.IntegerField()
    of = serializers.IntegerField()


class PlanOutput(serializers.Serializer[Any]):
    """What a limit buys. Money is in millionths of the currency."""

    limit = serializers.IntegerField()
    instances = serializers.IntegerField(help_text="That go to people.")
    labels = serializers.IntegerField()
    people_money = serializers.IntegerField()
    judge_money = serializers.IntegerField()
    value = serializers.FloatField(help_text="The performance expected.")
    low = serializers.FloatField(allow_null=True)
    high = serializers.FloatField(allow_null=True)
    groups = serializers.DictField(child=GroupOutput(many=True))


class FrontierOutput(serializers.Serializer[Any]):
    kind = serializers.CharField(
        source="sheet.kind", help_text="What is predicted: of a model, or right labels."
    )
    facts = serializers.DictField(source="sheet.facts")
    lines = LineOutput(many=True, source="sheet.lines")
    allowance = serializers.IntegerField(source="payer.allowance.pk", default=None, allow_null=True)
    version = serializers.IntegerField(
        source="payer.allowance.version",
        default=None,
        allow_null=True,
        help_text="Of the budget, for saving.",
    )
    minimum = serializers.IntegerField(source="money.minimum")
    maximum = serializers.IntegerField(source="money.maximum")
    plan = PlanOutput()
    saved = PlanOutput(allow_null=True)


class SaveBody(Body):
    allowance = serializers.IntegerField()
    limit = serializers.IntegerField(min_value=0, max_value=10**15)
    version = serializers.IntegerField(help_text="Of the budget as it was read.")


class StartedOutput(serializers.Serializer[Any]):
    job = serializers.IntegerField()


class FrontierView(APIView):
    @extend_schema(parameters=[filters(FrontierQuery)], responses=FrontierOutput)
    def get(self, request: Request, slug: str) -> Response:
        """What a limit buys, beside what is saved; 404 before the frontier was prepared."""
        project = project_for(request.user, slug, Action.SEE_ROUTING)
        found = look(project, **read_query(request, FrontierQuery))
        return Response(FrontierOutput(found).data)


class FrontierPrepareView(APIView):
    @extend_schema(request=None, responses={202: StartedOutput})
    def post(self, request: Request, slug: str) -> Response:
        """Score what is open by the router in use, as a job."""
        project = project_for(request.user, slug, Action.SEE_ROUTING)
        # Whoever may look may have it made ready; a program that only reads starts no job.
        require(request.user, Scope.ROUTE)
        job = prepare_frontier(project=project, by=person_of(request))
        return Response({"job": job.pk}, status=status.HTTP_202_ACCEPTED)


class FrontierSaveView(APIView):
    @extend_schema(request=SaveBody, responses=FrontierOutput)
    def post(self, request: Request, slug: str) -> Response:
        """Make the limit looked at that of the budget; it must pay what is promised already."""
        user = person_of(request)
        project = project_for(user, slug, Action.MANAGE_BUDGETS)
        values = read_body(request, SaveBody)
        payer = payer_in(payers_of(project), values["allowance"])
        check_minimum(project, payer, values["limit"])
        change_limit(
            allowance=payer.allowance, limit=values["limit"], version=values["version"], by=user
        )
        return Response(FrontierOutput(look(project, allowance=values["allowance"])).data)


P = "projects/<slug:slug>/routing/frontier/"
urlpatterns: list[URLPattern] = [
    path(P, FrontierView.as_view(), name="frontier"),
    path(P + "prepare", FrontierPrepareView.as_view(), name="frontier-prepare"),
    path(P + "save", FrontierSaveView.as_view(), name="frontier-save"),
]
