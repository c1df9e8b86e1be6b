"""REST: budgets: what may be spent on whom and for how long, what is left, and until when."""

from typing import Any

from django.db import transaction
from django.urls import URLPattern, path
from django.utils.translation import gettext as _
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.policies import Action, project_for
from accounts.requests import person_of
from annotation.judges.models import Judge
from annotation.ledger.models import Budget, Unit
from core.bodies import Body, filters, read_body, read_query
from core.exceptions import InvalidInput
from core.paging import described, page_of, paged, short
from routing.live.minimum import check_audit_arm

from . import alerts, selectors, services
from .models import Alert, Period, Spender


class AllowanceBody(Body):
    name = serializers.CharField(max_length=60)
    unit = serializers.ChoiceField(choices=Unit.choices, default=Unit.MONEY)
    limit = serializers.IntegerField(help_text="Millionths of the unit.")
    period = serializers.ChoiceField(choices=Period.choices, default=Period.WHOLE)
    spender = serializers.ChoiceField(choices=Spender.choices, default=Spender.ALL)
    judge = serializers.IntegerField(required=False, help_text="Id, for one judge's labels only.")
    currency = serializers.CharField(default="USD", max_length=3)


class ChangedAllowance(Body):
    limit = serializers.IntegerField(help_text="Millionths of the unit, from now on.")
    version = serializers.IntegerField(
        help_text="As it was read: somebody else's change in between is a 409."
    )


class EndedAllowance(Body):
    version = serializers.IntegerField()


class ForecastOutput(serializers.Serializer[Any]):
    outlook = serializers.CharField()
    rate = serializers.FloatField(help_text="Millionths of the unit a day.")
    low = serializers.FloatField()
    high = serializers.FloatField()
    at = serializers.DateTimeField(allow_null=True)
    earliest = serializers.DateTimeField(allow_null=True)
    latest = serializers.DateTimeField(allow_null=True)


class AllowanceOutput(serializers.Serializer[Any]):
    """A budget as it stands. Amounts are millionths of the unit."""

    id = serializers.IntegerField(source="allowance.pk")
    name = serializers.CharField(source="allowance.name")
    unit = serializers.ChoiceField(choices=Unit.choices, source="allowance.unit")
    currency = serializers.CharField(source="allowance.currency")
    limit = serializers.IntegerField(source="allowance.limit")
    period = serializers.ChoiceField(choices=Period.choices, source="allowance.period")
    spender = serializers.ChoiceField(choices=Spender.choices, source="allowance.spender")
    judge = serializers.IntegerField(source="allowance.judge_id", allow_null=True)
    version = serializers.IntegerField(source="allowance.version")
    starts_at = serializers.DateTimeField(source="window.starts_at")
    ends_at = serializers.DateTimeField(source="window.ends_at", allow_null=True)
    committed = serializers.IntegerField(source="left.committed", help_text="Spent or set aside.")
    free = serializers.IntegerField(source="left.free")
    least = serializers.IntegerField(help_text="What the limit must be at least.")
    forecast = ForecastOutput()


class SpendingQuery(Body):
    unit = serializers.ChoiceField(choices=Unit.choices, default=Unit.MONEY)


class SpendingOutput(serializers.Serializer[Any]):
    day = serializers.DateField()
    spender = serializers.CharField(help_text="regular, expert or judges.")
    judge = serializers.CharField(help_text="Its name; blank for people.")
    amount = serializers.IntegerField()
    purchases = serializers.IntegerField()


class AlertOutput(serializers.ModelSerializer[Alert]):
    allowance = serializers.IntegerField(source="window.allowance_id")

    class Meta:
        model = Alert
        fields = ["id", "allowance", "percent", "seen_at", "created_at"]


class SeenOutput(serializers.Serializer[Any]):
    seen = serializers.IntegerField()


class PurseOutput(serializers.ModelSerializer[Budget]):
    left = serializers.IntegerField(help_text="Millionths that can still be set aside.")

    class Meta:
        model = Budget
        fields = ["id", "name", "unit", "currency", "limit", "settled", "reserved", "left"]


EXAMPLE = OpenApiExample(
    "200 USD a month for people",
    value={"name": "People", "limit": 200_000_000, "period": "month", "spender": "people"},
    request_only=True,
)


class AllowanceList(APIView):
    @extend_schema(responses=page_of(AllowanceOutput))
    def get(self, request: Request, slug: str) -> Response:
        """Every budget that counts now, with what is left and until when it lasts."""
        project = project_for(request.user, slug, Action.SEE_ROUTING)
        return short(selectors.outlines(project), AllowanceOutput)

    @extend_schema(request=AllowanceBody, responses={201: AllowanceOutput}, examples=[EXAMPLE])
    def post(self, request: Request, slug: str) -> Response:
        """Set a budget; a label is bought only where every budget it falls under can pay."""
        user = person_of(request)
        project = project_for(user, slug, Action.MANAGE_BUDGETS)
        values = read_body(request, AllowanceBody)
        judge = _judge(project.pk, values.pop("judge", None))
        with transaction.atomic():
            made = services.create_allowance(project=project, judge=judge, by=user, **values)
            check_audit_arm(made)
        outline = selectors.outline_in(project, made.pk)
        return Response(AllowanceOutput(outline).data, status=status.HTTP_201_CREATED)


def _judge(project: int, key: int | None) -> Judge | None:
    row = Judge.objects.filter(project=project, pk=key).first() if key is not None else None
    if row is None and key is not None:
        raise InvalidInput(_("Choose a judge of this project."))
    return row


class AllowanceView(APIView):
    @extend_schema(responses=AllowanceOutput)
    def get(self, request: Request, slug: str, allowance_id: int) -> Response:
        """One budget."""
        project = project_for(request.user, slug, Action.SEE_ROUTING)
        return Response(AllowanceOutput(selectors.outline_in(project, allowance_id)).data)

    @extend_schema(request=ChangedAllowance, responses=AllowanceOutput)
    def patch(self, request: Request, slug: str, allowance_id: int) -> Response:
        """Set another limit, for the current period and those to come."""
        user = person_of(request)
        project = project_for(user, slug, Action.MANAGE_BUDGETS)
        allowance = selectors.allowance_in(project, allowance_id)
        values = read_body(request, ChangedAllowance)
        with transaction.atomic():
            changed = services.change_limit(allowance=allowance, by=user, **values)
            check_audit_arm(changed)
        return Response(AllowanceOutput(selectors.outline_in(project, allowance_id)).data)


class AllowanceEndView(APIView):
    @extend_schema(request=EndedAllowance, responses={204: None})
    def post(self, request: Request, slug: str, allowance_id: int) -> Response:
        """Let it govern no further label; what is set aside in it is settled as ever."""
        user = person_of(request)
        project = project_for(user, slug, Action.MANAGE_BUDGETS)
        allowance = selectors.allowance_in(project, allowance_id)
        version = read_body(request, EndedAllowance)["version"]
        services.end_allowance(allowance=allowance, version=version, by=user)
        return Response(status=status.HTTP_204_NO_CONTENT)


class SpendingView(APIView):
    @extend_schema(parameters=[filters(SpendingQuery)], responses=page_of(SpendingOutput))
    def get(self, request: Request, slug: str) -> Response:
        """What was settled in the last 30 days, by day and by whose labels."""
        project = project_for(request.user, slug, Action.SEE_ROUTING)
        unit = read_query(request, SpendingQuery)["unit"]
        return short(selectors.spent(project, unit), SpendingOutput)


class AlertList(APIView):
    @described(AlertOutput)
    def get(self, request: Request, slug: str) -> Response:
        """Budgets that passed 50, 80 or 100 per cent, newest first."""
        project = project_for(request.user, slug, Action.SEE_ROUTING)
        rows = Alert.objects.filter(window__allowance__project=project).select_related("window")
        return paged(request, rows.order_by("-pk"), AlertOutput)


class AlertSeenView(APIView):
    @extend_schema(request=None, responses=SeenOutput)
    def post(self, request: Request, slug: str) -> Response:
        """Mark the alerts as seen; a higher one is told again."""
        project = project_for(request.user, slug, Action.MANAGE_BUDGETS)
        return Response({"seen": alerts.put_away(project)})


class PurseList(APIView):
    @described(PurseOutput)
    def get(self, request: Request, slug: str) -> Response:
        """What runs of judges can be paid out of, newest first: name one when you ask a judge."""
        project = project_for(request.user, slug, Action.TRAIN)
        return paged(request, selectors.payable(project), PurseOutput)


P = "projects/<slug:slug>/routing/budgets/"
B = P + "<int:allowance_id>/"
urlpatterns: list[URLPattern] = [
    path(P, AllowanceList.as_view(), name="budgets"),
    path(P + "spending", SpendingView.as_view(), name="budget-spending"),
    path(P + "alerts/", AlertList.as_view(), name="budget-alerts"),
    path(P + "alerts/seen", AlertSeenView.as_view(), name="budget-alerts-seen"),
    path(B, AllowanceView.as_view(), name="budget"),
    path(B + "end", AllowanceEndView.as_view(), name="budget-end"),
    path("projects/<slug:slug>/purses/", PurseList.as_view(), name="purses"),
]
