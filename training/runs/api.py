"""REST interface of runs."""

from typing import Any, cast

from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_field
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.models import User
from accounts.policies import Action, project_for
from annotation.datasets.models import Snapshot
from annotation.instances.readers import unstorable
from core.exceptions import InvalidInput
from core.paging import described, one_of, paged
from jobs.models import State

from . import selectors, services
from .models import Run, RunKind


class JobOutput(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    state = serializers.CharField()
    done = serializers.IntegerField()
    total = serializers.IntegerField()
    note = serializers.CharField()
    error = serializers.CharField()


class RunOutput(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    kind = serializers.ChoiceField(choices=RunKind.choices)
    name = serializers.CharField()
    snapshot = serializers.CharField(source="snapshot.content_hash")
    preset = serializers.CharField(source="config.preset")
    created_at = serializers.DateTimeField()
    job = JobOutput(allow_null=True)
    report = serializers.DictField()


class RunDetailOutput(RunOutput):
    settings = serializers.SerializerMethodField()
    metrics = serializers.SerializerMethodField()

    def get_settings(self, run: Run) -> dict[str, Any]:
        return selectors.settings_of(run)

    @extend_schema_field(dict[str, dict[str, list[list[float]]]])
    def get_metrics(self, run: Run) -> dict[str, dict[str, selectors.Series]]:
        """Series of (step, value) by split and name."""
        return selectors.curve(run)


class RunInput(serializers.Serializer[Any]):
    kind = serializers.ChoiceField(choices=RunKind.choices)
    snapshot = serializers.IntegerField(help_text="Id of a snapshot of this project.")
    options = serializers.DictField(
        default=dict, help_text="Fields of the configuration of a fit: preset, base, steps, …"
    )
    name = serializers.CharField(default="", allow_blank=True, max_length=120)

    def validate_options(self, options: dict[str, Any]) -> dict[str, Any]:
        if reason := unstorable(options):
            raise serializers.ValidationError(f"They cannot be stored: {reason}.")
        return options


class RunListView(APIView):
    @described(
        RunOutput,
        OpenApiParameter("kind", str, enum=RunKind.values),
        OpenApiParameter("state", str, enum=State.values),
    )
    def get(self, request: Request, slug: str) -> Response:
        """The runs of the project, newest first."""
        project = project_for(_user(request), slug, Action.SEE_TRAINING)
        runs = selectors.runs_of(project)
        if kind := one_of(request, "kind", RunKind.values):
            runs = runs.filter(kind=kind)
        if state := one_of(request, "state", State.values):
            runs = runs.filter(job__state=state)
        return paged(request, runs, RunOutput)

    @extend_schema(request=RunInput, responses={201: RunOutput})
    def post(self, request: Request, slug: str) -> Response:
        """Start a run."""
        project = project_for(_user(request), slug, Action.TRAIN)
        entered = RunInput(data=request.data)
        entered.is_valid(raise_exception=True)
        values = entered.validated_data
        snapshot = Snapshot.objects.filter(project=project, pk=values.pop("snapshot")).first()
        if snapshot is None:
            raise InvalidInput("There is no such snapshot in this project.")
        run = services.start_run(
            project=project, snapshot=snapshot, created_by=_user(request), **values
        )
        return Response(RunOutput(run).data, status=status.HTTP_201_CREATED)


class RunView(APIView):
    @extend_schema(responses=RunDetailOutput)
    def get(self, request: Request, slug: str, run_id: int) -> Response:
        """One run with its metrics."""
        project = project_for(_user(request), slug, Action.SEE_TRAINING)
        return Response(RunDetailOutput(selectors.run_in(project, run_id)).data)


class RunCancelView(APIView):
    @extend_schema(request=None, responses=RunOutput)
    def post(self, request: Request, slug: str, run_id: int) -> Response:
        """Ask the run to stop; it can be resumed."""
        project = project_for(_user(request), slug, Action.TRAIN)
        run = selectors.run_in(project, run_id)
        return Response(RunOutput(services.cancel_run(run=run, actor=_user(request))).data)


class RunResumeView(APIView):
    @extend_schema(request=None, responses=RunOutput)
    def post(self, request: Request, slug: str, run_id: int) -> Response:
        """Go on from the newest checkpoint."""
        project = project_for(_user(request), slug, Action.TRAIN)
        run = selectors.run_in(project, run_id)
        return Response(RunOutput(services.resume_run(run=run, actor=_user(request))).data)


def _user(request: Request) -> User:
    return cast("User", request.user)  # every view requires a login
