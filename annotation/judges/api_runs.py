"""REST: asking a judge, what that will take, its runs and the calls they made."""

from typing import Any

from django.urls import URLPattern, path
from django.utils.translation import gettext as _
from drf_spectacular.utils import OpenApiExample, extend_schema, extend_schema_field
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.policies import Action, project_for
from accounts.requests import person_of
from annotation.projects.selectors import criteria_of
from core.bodies import Body, filters, read_body, read_query
from core.exceptions import InvalidInput
from core.paging import described, paged
from jobs.services import cancel

from . import selecting, selectors
from .estimating import estimate
from .models import CallState, Judge, JudgeCall, JudgeRun
from .pricing import use_batch_prices
from .reproducing import messages_of
from .runs import NewBudget, ask, chosen_criteria, run_progress

SELECTIONS = [
    selecting.UNLABELLED,
    selecting.ALL,
    selecting.STALE,
    selecting.FAILED,
    selecting.TAG,
    selecting.INSTANCES,
]


class Selection(Body):
    of = serializers.ChoiceField(
        choices=SELECTIONS,
        default=selecting.UNLABELLED,
        help_text="unlabelled: without a label of this judge; stale: labelled under an older "
        "guideline; failed: whose calls failed.",
    )
    tag = serializers.CharField(required=False, max_length=120, help_text="With `of` = tag.")
    instances = serializers.ListField(
        child=serializers.IntegerField(min_value=1),
        required=False,
        max_length=10_000,
        help_text="Ids, with `of` = instances.",
    )
    most = serializers.IntegerField(
        required=False, min_value=1, help_text="So many at most, always the same ones."
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        for name in (selecting.TAG, selecting.INSTANCES):
            if attrs["of"] == name and not attrs.get(name):
                raise serializers.ValidationError({name: [_("Name what is asked about.")]})
        return attrs


class BudgetWish(Body):
    name = serializers.CharField(max_length=80)
    limit_micros = serializers.IntegerField(min_value=1, max_value=10**15)


class AskBody(Body):
    criteria = serializers.ListField(
        child=serializers.CharField(max_length=40),
        required=False,
        help_text="Keys; all of the project's without.",
    )
    selection = Selection(required=False)
    budget = serializers.IntegerField(
        required=False, help_text="Id of the budget that pays; needed where the judge costs money."
    )
    new_budget = BudgetWish(
        required=False, help_text="A budget made for this (by who may route), in its place."
    )
    trial = serializers.BooleanField(default=False, help_text="Writes no labels.")
    retry_unknown = serializers.BooleanField(
        default=False, help_text="Also ask again what may have been paid before."
    )
    batch = serializers.BooleanField(
        default=False, help_text="Through the provider's batch endpoint: slower and cheaper."
    )


class StartedOutput(serializers.Serializer[Any]):
    job = serializers.IntegerField()
    run = serializers.IntegerField()


class MethodOutput(serializers.Serializer[Any]):
    criterion = serializers.CharField()
    name = serializers.CharField()
    because = serializers.CharField()
    instances = serializers.IntegerField()


class EstimateOutput(serializers.Serializer[Any]):
    instances = serializers.IntegerField()
    calls = serializers.IntegerField()
    stored = serializers.IntegerField(help_text="Calls whose reply is there already: free.")
    refused = serializers.IntegerField(help_text="Instances that cannot be asked about.")
    expected_micros = serializers.IntegerField()
    most_micros = serializers.IntegerField()
    sampled = serializers.BooleanField(help_text="Scaled up from the first instances.")
    methods = MethodOutput(many=True)


class ProgressOutput(serializers.Serializer[Any]):
    state = serializers.CharField()
    done = serializers.IntegerField(help_text="Instances × criteria.")
    total = serializers.IntegerField()
    calls = serializers.IntegerField()
    rate = serializers.FloatField(help_text="Calls a second over the last minute.")
    spent_micros = serializers.IntegerField()
    projected_micros = serializers.IntegerField(allow_null=True)
    eta_seconds = serializers.FloatField(allow_null=True)
    answered = serializers.IntegerField()
    unparsable = serializers.IntegerField()
    failed = serializers.IntegerField()
    incomplete = serializers.IntegerField()
    unknown = serializers.IntegerField()


class JudgeRunOutput(serializers.ModelSerializer[JudgeRun]):
    progress = serializers.SerializerMethodField()

    class Meta:
        model = JudgeRun
        fields = [
            "id",
            "judge",
            "job",
            "budget",
            "trial",
            "batch",
            "criteria",
            "selection",
            "stop_reason",
            "created_at",
            "started_at",
            "finished_at",
            "progress",
        ]

    @extend_schema_field(ProgressOutput)
    def get_progress(self, run: JudgeRun) -> Any:
        return ProgressOutput(run_progress(run)).data


class CallOutput(serializers.ModelSerializer[JudgeCall]):
    class Meta:
        model = JudgeCall
        fields = [
            "id",
            "judge",
            "run",
            "purpose",
            "instance",
            "criterion",
            "shape",
            "shown_order",
            "state",
            "failure",
            "attempts",
            "p_first",
            "confidence",
            "ranking",
            "scores",
            "input_tokens",
            "output_tokens",
            "price_micros",
            "milliseconds",
            "created_at",
        ]


class CallDetail(CallOutput):
    sent = serializers.SerializerMethodField(help_text="The messages as they were sent.")

    class Meta(CallOutput.Meta):
        fields = [*CallOutput.Meta.fields, "reply", "rationale", "error", "sent"]

    @extend_schema_field(serializers.ListField(child=serializers.DictField()))
    def get_sent(self, call: JudgeCall) -> Any:
        return messages_of(call)


class CallQuery(Body):
    state = serializers.ChoiceField(choices=CallState.choices, required=False)
    instance = serializers.IntegerField(required=False)


EXAMPLE = OpenApiExample(
    "What it has not labelled yet",
    value={
        "criteria": ["overall"],
        "selection": {"of": "unlabelled", "most": 500},
        "new_budget": {"name": "critic, first 500", "limit_micros": 5_000_000},
    },
    request_only=True,
)


def _wish(request: Request, judge: Judge) -> dict[str, Any]:
    """What `runs.ask` takes of a body."""
    values = read_body(request, AskBody)
    keys = values.pop("criteria", None) or [row.key for row in criteria_of(judge.project)]
    selection = values.pop("selection", None) or {"of": selecting.UNLABELLED}
    wanted = values.pop("new_budget", None)
    if wanted and "budget" in values:
        raise InvalidInput(_("Name a budget, or a new one: not both."))
    return {
        **values,
        "criteria": keys,
        "selection": dict(selection),
        "budget": selectors.budget_in(judge.project, values.get("budget")),
        "new_budget": NewBudget(**wanted) if wanted else None,
    }


class JudgeAskView(APIView):
    @extend_schema(request=AskBody, responses={202: StartedOutput}, examples=[EXAMPLE])
    def post(self, request: Request, slug: str, judge_id: int) -> Response:
        """Ask the judge, as a job; stored replies are used and never bought again."""
        user = person_of(request)
        judge = selectors.judge_in(project_for(user, slug, Action.TRAIN), judge_id)
        run = ask(judge=judge, by=user, **_wish(request, judge))
        return Response({"job": run.job_id, "run": run.pk}, status=status.HTTP_202_ACCEPTED)


class JudgeEstimateView(APIView):
    @extend_schema(request=AskBody, responses=EstimateOutput)
    def post(self, request: Request, slug: str, judge_id: int) -> Response:
        """What asking will take, before it is asked: calls and money. Nothing is written."""
        judge = selectors.judge_in(project_for(request.user, slug, Action.TRAIN), judge_id)
        wish = _wish(request, judge)
        criteria = chosen_criteria(judge, wish["criteria"])
        rows = selecting.selected(judge, criteria, wish["selection"])
        if wish["batch"]:
            use_batch_prices(judge)
        found = estimate(judge, criteria, list(rows.values_list("pk", flat=True)))
        return Response(EstimateOutput(found).data)


class JudgeRunList(APIView):
    @described(JudgeRunOutput)
    def get(self, request: Request, slug: str, judge_id: int) -> Response:
        """The runs of one judge, newest first."""
        project = project_for(request.user, slug, Action.SEE_QUALITY)
        judge = selectors.judge_in(project, judge_id)
        return paged(request, selectors.runs_of(judge), JudgeRunOutput)


class JudgeRunView(APIView):
    @extend_schema(responses=JudgeRunOutput)
    def get(self, request: Request, slug: str, judge_run_id: int) -> Response:
        """One run of a judge, with how it is getting on."""
        project = project_for(request.user, slug, Action.SEE_QUALITY)
        return Response(JudgeRunOutput(selectors.run_in(project, judge_run_id)).data)


class JudgeRunCancelView(APIView):
    @extend_schema(request=None, responses=JudgeRunOutput)
    def post(self, request: Request, slug: str, judge_run_id: int) -> Response:
        """Stop asking; what was paid for stays. A run that has ended stays as it is."""
        project = project_for(request.user, slug, Action.TRAIN)
        run = selectors.run_in(project, judge_run_id)
        if run.job is not None and not run.job.ended:
            cancel(job=run.job)
        return Response(JudgeRunOutput(selectors.run_in(project, judge_run_id)).data)


class CallList(APIView):
    @described(CallOutput, filters(CallQuery))
    def get(self, request: Request, slug: str, judge_id: int) -> Response:
        """The calls a judge was asked for labels with, newest first."""
        project = project_for(request.user, slug, Action.SEE_INSTANCES)
        wish = read_query(request, CallQuery)
        rows = selectors.calls_of(selectors.judge_in(project, judge_id)).filter(**wish)
        return paged(request, rows.order_by("-pk"), CallOutput)


class CallView(APIView):
    @extend_schema(responses=CallDetail)
    def get(self, request: Request, slug: str, call_id: int) -> Response:
        """One call as it was made: what was sent, what came back."""
        project = project_for(request.user, slug, Action.SEE_INSTANCES)
        return Response(CallDetail(selectors.call_in(project, call_id)).data)


P = "projects/<slug:slug>/judges/"
J = P + "<int:judge_id>/"
urlpatterns: list[URLPattern] = [
    path(J + "ask", JudgeAskView.as_view(), name="judge-ask"),
    path(J + "estimate", JudgeEstimateView.as_view(), name="judge-estimate"),
    path(J + "runs/", JudgeRunList.as_view(), name="judge-runs"),
    path(J + "calls/", CallList.as_view(), name="judge-calls"),
    path(P + "runs/<int:judge_run_id>/", JudgeRunView.as_view(), name="judge-run"),
    path(
        P + "runs/<int:judge_run_id>/cancel",
        JudgeRunCancelView.as_view(),
        name="judge-run-cancel",
    ),
    path(P + "calls/<int:call_id>/", CallView.as_view(), name="judge-call"),
]
