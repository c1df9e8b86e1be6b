"""REST interface of gates, promotion and evaluations."""

from typing import Any, cast

from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.parsers import JSONParser, MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.models import User
from accounts.policies import Action, project_for
from annotation.datasets.models import Snapshot
from annotation.instances.readers import unstorable
from core.exceptions import InvalidInput, NotFound
from core.paging import described, paged
from training.runs.models import RunKind

from . import comparing, evaluations, gating, probes, services
from .models import Evaluation, Probe, Stage
from .selectors import version_in


class GateOutput(serializers.Serializer[Any]):
    kind = serializers.ChoiceField(choices=RunKind.choices)
    thresholds = serializers.DictField()


class GateInput(serializers.Serializer[Any]):
    thresholds = serializers.DictField(
        help_text="Names and bounds of docs/evaluation.md; what is left out has its default."
    )

    def validate_thresholds(self, values: dict[str, Any]) -> dict[str, Any]:
        return _storable(values)


class PromoteInput(serializers.Serializer[Any]):
    stage = serializers.ChoiceField(choices=Stage.choices)
    override_reason = serializers.CharField(
        default="",
        allow_blank=True,
        max_length=500,
        help_text="Why an owner or admin overrules the gate.",
    )


class VersionOutput(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    kind = serializers.ChoiceField(choices=RunKind.choices)
    version = serializers.IntegerField()
    stage = serializers.ChoiceField(choices=Stage.choices)
    metrics = serializers.DictField()
    scale = serializers.DictField()
    gate = serializers.DictField()


class EvaluationOutput(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    name = serializers.CharField()
    measured_on = serializers.DictField(source="source")
    figures = serializers.DictField()
    created_at = serializers.DateTimeField()
    state = serializers.CharField(source="job.state", default="")
    error = serializers.CharField(source="job.error", default="")


class EvaluationInput(serializers.Serializer[Any]):
    name = serializers.CharField(
        max_length=60, help_text="A benchmark, probe, safety, or a name of one's own."
    )
    path = serializers.CharField(
        required=False, help_text="A benchmark's file or folder below MODEL_ROOTS."
    )
    file = serializers.FileField(required=False, help_text="A benchmark's file.")
    snapshot = serializers.IntegerField(required=False, help_text="Its test rows are evaluated.")
    reward = serializers.IntegerField(
        required=False, help_text="For best of n: the reward model's version id."
    )
    draws = serializers.IntegerField(required=False, help_text="For best of n: draws a prompt.")
    prompts = serializers.IntegerField(required=False, help_text="For best of n: how many prompts.")


class ComparisonInput(serializers.Serializer[Any]):
    project = serializers.SlugField(
        default="", allow_blank=True, help_text="Where to label; by default a new project."
    )
    labels_each = serializers.IntegerField(default=1, min_value=1, max_value=9)
    to_people = serializers.BooleanField(default=True)


class ProbeInput(serializers.Serializer[Any]):
    snapshot = serializers.IntegerField(help_text="Its test rows are frozen.")


class ProbeOutput(serializers.Serializer[Any]):
    kind = serializers.ChoiceField(choices=RunKind.choices)
    number = serializers.IntegerField()
    rows = serializers.IntegerField()
    sha256 = serializers.CharField()


class GateView(APIView):
    @extend_schema(responses=GateOutput)
    def get(self, request: Request, slug: str, kind: str) -> Response:
        """The thresholds in force for a kind of model."""
        project = project_for(_user(request), slug, Action.SEE_TRAINING)
        return Response(gating.gate_as_dict(project, _kind(kind)))

    @extend_schema(request=GateInput, responses=GateOutput)
    def put(self, request: Request, slug: str, kind: str) -> Response:
        """Set the project's thresholds."""
        project = project_for(_user(request), slug, Action.MANAGE_PROJECT)
        entered = GateInput(data=request.data)
        entered.is_valid(raise_exception=True)
        gating.set_gate(
            project=project, kind=_kind(kind), actor=_user(request), **entered.validated_data
        )
        return Response(gating.gate_as_dict(project, kind))


class PromoteView(APIView):
    @extend_schema(request=PromoteInput, responses=VersionOutput)
    def post(self, request: Request, slug: str, version_id: int) -> Response:
        """Move a version to a stage; into production only through the gate."""
        project = project_for(_user(request), slug, Action.TRAIN)
        version = version_in(project, version_id)
        entered = PromoteInput(data=request.data)
        entered.is_valid(raise_exception=True)
        moved = services.promote(version=version, actor=_user(request), **entered.validated_data)
        return Response(VersionOutput(moved).data)


class EvaluationListView(APIView):
    parser_classes = [JSONParser, MultiPartParser]

    @described(EvaluationOutput)
    def get(self, request: Request, slug: str, version_id: int) -> Response:
        """Evaluations of a version, the newest first."""
        project = project_for(_user(request), slug, Action.SEE_TRAINING)
        rows = Evaluation.objects.filter(version=version_in(project, version_id))
        return paged(request, rows.select_related("job").order_by("-pk"), EvaluationOutput)

    @extend_schema(request=EvaluationInput, responses={201: EvaluationOutput})
    def post(self, request: Request, slug: str, version_id: int) -> Response:
        """Start an evaluation on a benchmark, on a snapshot's test rows, or on the probe."""
        project = project_for(_user(request), slug, Action.TRAIN)
        version = version_in(project, version_id)
        entered = EvaluationInput(data=request.data)
        entered.is_valid(raise_exception=True)
        values = dict(entered.validated_data)
        name, file = values.pop("name"), values.pop("file", None)
        _storable({"name": name, **values})
        if file is not None:
            values = {"file": evaluations.keep_benchmark(name=file.name, chunks=file.chunks())}
        row = evaluations.start_evaluation(
            version=version, name=name, source=values, created_by=_user(request)
        )
        return Response(EvaluationOutput(row).data, status=status.HTTP_201_CREATED)


class ComparisonListView(APIView):
    @extend_schema(request=ComparisonInput, responses={201: EvaluationOutput})
    def post(self, request: Request, slug: str, version_id: int) -> Response:
        """Turn a policy's samples into blind pairs against its reference."""
        project = project_for(_user(request), slug, Action.TRAIN)
        version = version_in(project, version_id)
        entered = ComparisonInput(data=request.data)
        entered.is_valid(raise_exception=True)
        values = dict(entered.validated_data)
        home = values.pop("project")
        row = comparing.samples_to_project(
            version=version,
            created_by=_user(request),
            project=project_for(_user(request), home, Action.IMPORT) if home else None,
            **values,
        )
        return Response(EvaluationOutput(row).data, status=status.HTTP_201_CREATED)


class ComparisonView(APIView):
    @extend_schema(
        operation_id="projects_models_comparisons_read", request=None, responses=EvaluationOutput
    )
    def post(self, request: Request, slug: str, version_id: int, evaluation_id: int) -> Response:
        """Read the win rate from the labels that stand now."""
        project = project_for(_user(request), slug, Action.TRAIN)
        row = comparing.comparison_of(version_in(project, version_id), evaluation_id)
        comparing.read_win_rate(row)
        return Response(EvaluationOutput(row).data)


class ProbeView(APIView):
    @described(ProbeOutput)
    def get(self, request: Request, slug: str, kind: str) -> Response:
        """The project's probes of a kind; the last is in use."""
        project = project_for(_user(request), slug, Action.SEE_TRAINING)
        rows = Probe.objects.filter(project=project, kind=_kind(kind)).order_by("pk")
        return paged(request, rows, ProbeOutput)

    @extend_schema(request=ProbeInput, responses={201: ProbeOutput})
    def post(self, request: Request, slug: str, kind: str) -> Response:
        """Freeze a new probe; older ones stay as they are."""
        project = project_for(_user(request), slug, Action.MANAGE_PROJECT)
        entered = ProbeInput(data=request.data)
        entered.is_valid(raise_exception=True)
        snapshot = Snapshot.objects.filter(
            project=project, pk=entered.validated_data["snapshot"]
        ).first()
        if snapshot is None:
            raise InvalidInput("There is no such snapshot in this project.")
        made = probes.freeze_probe(snapshot=snapshot, kind=_kind(kind), created_by=_user(request))
        return Response(ProbeOutput(made).data, status=status.HTTP_201_CREATED)


def _kind(kind: str) -> str:
    if kind not in RunKind.values:
        raise NotFound(f"There is no kind {kind!r}: choose {' or '.join(RunKind.values)}.")
    return kind


def _storable(values: dict[str, Any]) -> dict[str, Any]:
    if reason := unstorable(values):
        raise serializers.ValidationError(f"It cannot be stored: {reason}.")
    return values


def _user(request: Request) -> User:
    return cast("User", request.user)  # every view requires a login
