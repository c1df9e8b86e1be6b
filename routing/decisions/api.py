"""REST: routers: what each version was fitted on, what it learned, and what it decided."""

from typing import Any

from django.urls import URLPattern, path
from django.utils.translation import gettext as _
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.policies import Action, project_for
from accounts.requests import person_of
from core.bodies import Body, filters, read_query
from core.exceptions import InvalidInput
from core.paging import described, paged
from routing.frontier import explanation
from routing.frontier.behind import behind, decision_counts
from routing.frontier.selectors import router_in_use
from routing.proxies.services import compare_proxies

from .models import Router
from .selectors import router_in


class Routers(serializers.ListSerializer[Any]):
    """Routers of one project with how much each decided: one more query for all of them."""

    def to_representation(self, data: Any) -> list[Any]:
        rows: list[Router] = list(data)
        counts = decision_counts(rows[0].project) if rows else {}
        for row in rows:
            row.__dict__["decided"] = counts.get(row.pk, {})
        return super().to_representation(rows)


class RouterOutput(serializers.ModelSerializer[Router]):
    criterion = serializers.CharField(source="criterion.key", default=None, allow_null=True)
    decided = serializers.DictField(
        child=serializers.IntegerField(), default=dict, help_text="Instances by destination."
    )

    class Meta:
        model = Router
        list_serializer_class = Routers
        fields = [
            "id",
            "version",
            "strategy",
            "judge",
            "criterion",
            "dual_labelled",
            "extractors",
            "report",
            "job",
            "created_at",
            "decided",
        ]


class EffectOutput(serializers.Serializer[Any]):
    column = serializers.CharField()
    contrast = serializers.FloatField(help_text="What people's labels gain where it holds.")
    low = serializers.FloatField(allow_null=True)
    high = serializers.FloatField(allow_null=True)
    instances = serializers.IntegerField(allow_null=True)


class RouterDetail(RouterOutput):
    in_use = serializers.SerializerMethodField()
    effects = serializers.SerializerMethodField()

    class Meta(RouterOutput.Meta):
        fields = [*RouterOutput.Meta.fields, "parameters", "in_use", "effects"]

    def get_in_use(self, router: Router) -> bool:
        return router == router_in_use(router.project)

    @extend_schema_field(EffectOutput(many=True))
    def get_effects(self, router: Router) -> Any:
        return EffectOutput(explanation.effects_of(router), many=True).data


class BehindQuery(Body):
    column = serializers.CharField(max_length=200, help_text="One of the columns of its effects.")


class BehindRow(serializers.Serializer[Any]):
    instance = serializers.IntegerField(source="instance.pk")
    external_id = serializers.CharField(source="instance.external_id")
    human = serializers.FloatField(help_text="P(the first is preferred) by people.")
    judge = serializers.FloatField(help_text="P(the first is preferred) by the judge.")
    agree = serializers.BooleanField()


class BehindOutput(serializers.Serializer[Any]):
    count = serializers.IntegerField(help_text="How many there are; at most 100 are shown.")
    results = BehindRow(many=True)


class StartedOutput(serializers.Serializer[Any]):
    job = serializers.IntegerField()


class RouterList(APIView):
    @described(RouterOutput)
    def get(self, request: Request, slug: str) -> Response:
        """The routers that were fitted, newest first; `live/start` with refit fits another."""
        project = project_for(request.user, slug, Action.SEE_ROUTING)
        rows = Router.objects.filter(project=project).select_related("project", "criterion")
        return paged(request, rows.order_by("-pk"), RouterOutput)


class RouterView(APIView):
    @extend_schema(responses=RouterDetail)
    def get(self, request: Request, slug: str, version: int) -> Response:
        """One router with its numbers and what weighs in it."""
        project = project_for(request.user, slug, Action.SEE_ROUTING)
        row = router_in(project, version)
        row.__dict__["decided"] = decision_counts(project).get(row.pk, {})
        return Response(RouterDetail(row).data)


class RouterBehindView(APIView):
    @extend_schema(parameters=[filters(BehindQuery)], responses=BehindOutput)
    def get(self, request: Request, slug: str, version: int) -> Response:
        """The dual-labelled instances that have a column, the widest apart first."""
        project = project_for(request.user, slug, Action.SEE_ROUTING)
        router = router_in(project, version)
        found, count = behind(project, router, read_query(request, BehindQuery)["column"])
        return Response(BehindOutput({"count": count, "results": found}).data)


class ProxiesView(APIView):
    @extend_schema(request=None, responses={202: StartedOutput})
    def post(self, request: Request, slug: str) -> Response:
        """Train full proxies beside the judge of the router in use and compare the cheap ones."""
        project = project_for(request.user, slug, Action.TRAIN)
        router = router_in_use(project)
        if router is None or router.judge is None:
            raise InvalidInput(_("Fit a router beside a judge first: its mixes are compared."))
        job = compare_proxies(project=project, judge=router.judge, by=person_of(request))
        return Response({"job": job.pk}, status=status.HTTP_202_ACCEPTED)


P = "projects/<slug:slug>/routing/"
urlpatterns: list[URLPattern] = [
    path(P + "routers/", RouterList.as_view(), name="routers"),
    path(P + "routers/<int:version>/", RouterView.as_view(), name="router"),
    path(P + "routers/<int:version>/behind", RouterBehindView.as_view(), name="router-behind"),
    path(P + "proxies", ProxiesView.as_view(), name="router-proxies"),
]
