"""REST: the figures of the dashboard."""

from typing import Any

from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.translation import gettext as _
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.policies import Action, project_for
from annotation.projects.selectors import criteria_of, protocol_of
from core.bodies import Body, filters, read_query
from core.exceptions import InvalidInput

from . import selectors
from .periods import DEFAULT, SPANS, period_of
from .standing import labels_in, roughly, sampled, share_of


class DashboardQuery(Body):
    period = serializers.ChoiceField(choices=list(SPANS), default=DEFAULT)
    criterion = serializers.CharField(required=False, max_length=40)


class BucketOutput(serializers.Serializer[Any]):
    start = serializers.DateTimeField()
    people = serializers.IntegerField()
    judges = serializers.IntegerField()
    other = serializers.IntegerField()


class StageOutput(serializers.Serializer[Any]):
    name = serializers.CharField()
    count = serializers.IntegerField()


class BinOutput(serializers.Serializer[Any]):
    low = serializers.IntegerField(help_text="Seconds.")
    high = serializers.IntegerField(allow_null=True)
    count = serializers.IntegerField()


class TimesOutput(serializers.Serializer[Any]):
    bins = BinOutput(many=True)
    total = serializers.IntegerField()
    median = serializers.FloatField(allow_null=True)
    hasty = serializers.IntegerField(help_text="Faster than the project finds plausible.")


class ShareOutput(serializers.Serializer[Any]):
    word = serializers.CharField()
    count = serializers.IntegerField()
    share = serializers.FloatField()


class DistributionOutput(serializers.Serializer[Any]):
    criterion = serializers.CharField(source="criterion.key")
    answers = ShareOutput(many=True)
    total = serializers.IntegerField()


class PersonOutput(serializers.Serializer[Any]):
    pseudonym = serializers.CharField()
    labels = serializers.IntegerField()
    median_seconds = serializers.FloatField(allow_null=True)
    last_seen = serializers.DateTimeField()
    excluded = serializers.BooleanField()


class DashboardOutput(serializers.Serializer[Any]):
    sampled = serializers.IntegerField(
        help_text="Answers and times are of one in so many instances."
    )
    throughput = BucketOutput(many=True)
    funnel = StageOutput(many=True)
    distributions = DistributionOutput(many=True)
    times = TimesOutput()
    people = PersonOutput(many=True, help_text="Who labelled last.")


class DashboardView(APIView):
    @extend_schema(parameters=[filters(DashboardQuery)], responses=DashboardOutput)
    def get(self, request: Request, slug: str) -> Response:
        """How fast, how long, what and who: labels of a period, on one criterion or on all."""
        project = project_for(request.user, slug, Action.SEE_PROJECT)
        wish, criteria = read_query(request, DashboardQuery), criteria_of(project)
        chosen = [each for each in criteria if wish.get("criterion") in (None, each.key)]
        if not chosen:
            raise InvalidInput(_("The project has no such criterion."))
        only = chosen[0] if "criterion" in wish else None
        now = timezone.now()
        period = period_of(wish["period"], now)
        labels, every = labels_in(project, period, only), share_of(roughly(project, period, only))
        drawn = sampled(labels, every)
        body = {
            "sampled": every,
            "throughput": selectors.throughput(project, labels, period),
            "funnel": selectors.funnel(project),
            "distributions": selectors.distributions(drawn, chosen),
            "times": selectors.times(drawn, protocol_of(project).least_seconds),
            "people": selectors.active_people(project, now),
        }
        return Response(DashboardOutput(body).data)


urlpatterns: list[URLPattern] = [
    path("projects/<slug:slug>/dashboard/", DashboardView.as_view(), name="dashboard"),
]
