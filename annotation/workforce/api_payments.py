"""REST: what people earned, rates, bonuses and payouts. Money is in millionths of its currency."""

import uuid
from typing import Any

from django.urls import URLPattern, path
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.policies import Action, project_for
from accounts.requests import person_of
from accounts.selectors import member_in
from annotation.labels.people import annotator_for
from core.bodies import Body, read_body
from core.paging import described, page_of, paged, short

from . import payments, selectors
from .models import Basis, Earning, Payout, Rate


class BalanceOutput(serializers.Serializer[Any]):
    annotator = serializers.IntegerField(source="annotator.pk")
    pseudonym = serializers.CharField(source="annotator.pseudonym")
    account = serializers.CharField(help_text="Who to pay: the crowd's id, else the user name.")
    currency = serializers.CharField()
    amount = serializers.IntegerField()
    labels = serializers.IntegerField()
    seconds = serializers.FloatField()
    first = serializers.DateTimeField()
    last = serializers.DateTimeField()


class RateBody(Body):
    basis = serializers.ChoiceField(choices=Basis.choices)
    micros = serializers.IntegerField()
    currency = serializers.CharField(max_length=3)
    valid_from = serializers.DateTimeField()
    cohort = serializers.CharField(default="", allow_blank=True, max_length=40)
    most_seconds = serializers.IntegerField(default=600)


class RateOutput(serializers.ModelSerializer[Rate]):
    class Meta:
        model = Rate
        fields = ["id", *RateBody().fields, "created_at"]


class BonusBody(Body):
    micros = serializers.IntegerField(help_text="Negative: a correction.")
    currency = serializers.CharField(max_length=3)
    reason = serializers.CharField(max_length=200)
    key = serializers.UUIDField(
        default=uuid.uuid4, help_text="The same key again is the same line."
    )


class EarningOutput(serializers.ModelSerializer[Earning]):
    payout = serializers.IntegerField(source="payout_line.payout_id", default=None, allow_null=True)

    class Meta:
        model = Earning
        fields = [
            "id",
            "kind",
            "amount",
            "currency",
            "labels",
            "seconds",
            "worked_at",
            "reason",
            "payout",
        ]


class ApproveBody(Body):
    currency = serializers.CharField(max_length=3)


class PaidBody(Body):
    reference = serializers.CharField(default="", allow_blank=True, max_length=120)


class PayoutOutput(serializers.ModelSerializer[Payout]):
    people = serializers.IntegerField(default=0)
    amount = serializers.IntegerField(default=0, allow_null=True)

    class Meta:
        model = Payout
        fields = ["id", "currency", "people", "amount", "paid_at", "reference", "created_at"]


class PayrollOutput(serializers.Serializer[Any]):
    """One person of a payout; texts cannot start a formula, amounts are exact decimals."""

    pseudonym = serializers.CharField()
    account = serializers.CharField()
    first_day = serializers.CharField()
    last_day = serializers.CharField()
    labels = serializers.CharField()
    hours = serializers.CharField()
    amount = serializers.CharField()
    currency = serializers.CharField()
    reference = serializers.CharField()


class WrittenOutput(serializers.Serializer[Any]):
    written = serializers.IntegerField(help_text="Lines that were added.")


class OwedView(APIView):
    @extend_schema(responses=page_of(BalanceOutput))
    def get(self, request: Request, slug: str) -> Response:
        """What is in no payout yet, by person and currency, the highest amount first."""
        project = project_for(request.user, slug, Action.PAY_PEOPLE)
        return short(selectors.owed(project), BalanceOutput)


class DeriveView(APIView):
    @extend_schema(request=None, responses=WrittenOutput)
    def post(self, request: Request, slug: str) -> Response:
        """Bring the lines up to date now; the clock does it every minute."""
        project = project_for(request.user, slug, Action.PAY_PEOPLE)
        return Response({"written": payments.derive(project=project)})


class RateList(APIView):
    @described(RateOutput)
    def get(self, request: Request, slug: str) -> Response:
        """What labels and hours are paid, newest first."""
        project = project_for(request.user, slug, Action.PAY_PEOPLE)
        return paged(request, selectors.rates_of(project).order_by("-pk"), RateOutput)

    @extend_schema(
        request=RateBody,
        responses={201: RateOutput},
        examples=[
            OpenApiExample(
                "15 EUR an hour",
                value={
                    "basis": "hour",
                    "micros": 15_000_000,
                    "currency": "EUR",
                    "valid_from": "2030-01-01T00:00:00Z",
                },
                request_only=True,
            )
        ],
    )
    def post(self, request: Request, slug: str) -> Response:
        """Say what is paid from a moment on; lines that exist keep their amount."""
        user = person_of(request)
        project = project_for(user, slug, Action.PAY_PEOPLE)
        row = payments.add_rate(project=project, actor=user, **read_body(request, RateBody))
        payments.derive(project=project)
        return Response(RateOutput(row).data, status=status.HTTP_201_CREATED)


class BonusView(APIView):
    @extend_schema(request=BonusBody, responses={201: EarningOutput})
    def post(self, request: Request, slug: str, member_id: int) -> Response:
        """Add a line with a reason to what a member earned."""
        user = person_of(request)
        project = project_for(user, slug, Action.PAY_PEOPLE)
        member = member_in(project, member_id)
        row = payments.add_bonus(
            annotator=annotator_for(project=project, user=member.user),
            actor=user,
            **read_body(request, BonusBody),
        )
        return Response(EarningOutput(row).data, status=status.HTTP_201_CREATED)


class PayoutList(APIView):
    @described(PayoutOutput)
    def get(self, request: Request, slug: str) -> Response:
        """The payouts, newest first."""
        project = project_for(request.user, slug, Action.PAY_PEOPLE)
        return paged(request, selectors.payouts_of(project), PayoutOutput)

    @extend_schema(request=ApproveBody, responses={201: PayoutOutput})
    def post(self, request: Request, slug: str) -> Response:
        """Freeze what is owed in one currency to everybody who is owed more than nothing."""
        user = person_of(request)
        project = project_for(user, slug, Action.PAY_PEOPLE)
        values = read_body(request, ApproveBody)
        made = payments.approve(project=project, actor=user, **values)
        row = selectors.payouts_of(project).get(pk=made.pk)
        return Response(PayoutOutput(row).data, status=status.HTTP_201_CREATED)


class PayrollView(APIView):
    @extend_schema(responses=page_of(PayrollOutput))
    def get(self, request: Request, slug: str, payout_id: int) -> Response:
        """A payout for payroll, one row per person."""
        project = project_for(request.user, slug, Action.PAY_PEOPLE)
        found = selectors.payroll(selectors.payout_in(project, payout_id))
        rows = [dict(zip(selectors.PAYROLL, row, strict=True)) for row in found]
        return short(rows, PayrollOutput)


class PayoutPaidView(APIView):
    @extend_schema(request=PaidBody, responses=PayoutOutput)
    def post(self, request: Request, slug: str, payout_id: int) -> Response:
        """Say that the money went out, and under what reference."""
        user = person_of(request)
        project = project_for(user, slug, Action.PAY_PEOPLE)
        row = selectors.payout_in(project, payout_id)
        payments.mark_paid(payout=row, actor=user, **read_body(request, PaidBody))
        return Response(PayoutOutput(selectors.payouts_of(project).get(pk=row.pk)).data)


class PayoutWithdrawView(APIView):
    @extend_schema(request=None, responses={204: None})
    def post(self, request: Request, slug: str, payout_id: int) -> Response:
        """Undo an approval: its lines are owed again."""
        user = person_of(request)
        project = project_for(user, slug, Action.PAY_PEOPLE)
        payments.withdraw(payout=selectors.payout_in(project, payout_id), actor=user)
        return Response(status=status.HTTP_204_NO_CONTENT)


class EarningList(APIView):
    @described(EarningOutput)
    def get(self, request: Request, slug: str) -> Response:
        """What one has earned oneself, line by line, newest first."""
        user = person_of(request)
        project = project_for(user, slug, Action.LABEL)
        mine = selectors.earnings_of(annotator_for(project=project, user=user))
        return paged(request, mine, EarningOutput)


P = "projects/<slug:slug>/"
urlpatterns: list[URLPattern] = [
    path(P + "owed/", OwedView.as_view(), name="owed"),
    path(P + "owed/derive", DeriveView.as_view(), name="earnings-derive"),
    path(P + "rates/", RateList.as_view(), name="rates"),
    path(P + "members/<int:member_id>/bonus", BonusView.as_view(), name="member-bonus"),
    path(P + "payouts/", PayoutList.as_view(), name="payouts"),
    path(P + "payouts/<int:payout_id>/rows", PayrollView.as_view(), name="payout-rows"),
    path(P + "payouts/<int:payout_id>/paid", PayoutPaidView.as_view(), name="payout-paid"),
    path(
        P + "payouts/<int:payout_id>/withdraw",
        PayoutWithdrawView.as_view(),
        name="payout-withdraw",
    ),
    path(P + "earnings/", EarningList.as_view(), name="earnings"),
]
