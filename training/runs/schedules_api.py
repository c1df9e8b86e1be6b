"""REST interface of schedules, of checks before a run, and of model folders."""

from typing import Any, cast

from django.http import StreamingHttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.models import User
from accounts.policies import Action, project_for
from annotation.datasets.models import Snapshot
from annotation.instances.readers import unstorable
from core.exceptions import InvalidInput
from core.paging import page_of, short
from training.registry.selectors import version_in

from . import config, downloads, memory, schedules
from .api import JobOutput, RunInput
from .models import RunKind


class ScheduleInput(serializers.Serializer[Any]):
    every_labels = serializers.IntegerField(required=False, allow_null=True)
    every_hours = serializers.IntegerField(required=False, allow_null=True)
    on_drift = serializers.BooleanField(default=False)
    least_labels = serializers.IntegerField(default=1)
    promote = serializers.BooleanField(default=False)
    enabled = serializers.BooleanField(default=True)
    query = serializers.DictField(required=False, help_text="That of a snapshot.")
    options = serializers.DictField(
        required=False,
        help_text="Those of a run, with continue_from: base, production, last or a version id.",
    )

    def validate(self, values: dict[str, Any]) -> dict[str, Any]:
        for name in ("query", "options"):
            if reason := unstorable(values.get(name)):
                raise serializers.ValidationError({name: f"It cannot be stored: {reason}."})
        return values


class ScheduleOutput(serializers.Serializer[Any]):
    kind = serializers.ChoiceField(choices=RunKind.choices, source="schedule.kind")
    every_labels = serializers.IntegerField(source="schedule.every_labels", allow_null=True)
    every_hours = serializers.IntegerField(source="schedule.every_hours", allow_null=True)
    on_drift = serializers.BooleanField(source="schedule.on_drift")
    least_labels = serializers.IntegerField(source="schedule.least_labels")
    promote = serializers.BooleanField(source="schedule.promote")
    enabled = serializers.BooleanField(source="schedule.enabled")
    query = serializers.DictField(source="schedule.config.query")
    options = serializers.DictField(source="schedule.config.options")
    drift = serializers.DictField(source="schedule.drift")
    waiting = serializers.CharField(source="schedule.waiting")
    paused = serializers.CharField(source="schedule.paused")
    new_labels = serializers.IntegerField()
    due_at = serializers.DateTimeField(allow_null=True)
    retrains = JobOutput(many=True)


class MemoryOutput(serializers.Serializer[memory.Preview]):
    needed = serializers.IntegerField(help_text="Bytes on one device, an estimate.")
    available = serializers.IntegerField()
    place = serializers.CharField(help_text="main or GPU")
    fits = serializers.BooleanField()
    advice = serializers.CharField(allow_blank=True)


class CheckOutput(serializers.Serializer[dict[str, Any]]):
    settings = serializers.DictField(help_text="All settings with their defaults.")
    memory = MemoryOutput()


class ScheduleListView(APIView):
    @extend_schema(responses=page_of(ScheduleOutput))
    def get(self, request: Request, slug: str) -> Response:
        """The project's schedules with how far each is."""
        project = project_for(_user(request), slug, Action.SEE_TRAINING)
        return short(schedules.standings(project), ScheduleOutput)


class ScheduleView(APIView):
    @extend_schema(request=ScheduleInput, responses=ScheduleOutput)
    def put(self, request: Request, slug: str, kind: str) -> Response:
        """Make or change the schedule of one kind of model."""
        project = project_for(_user(request), slug, Action.TRAIN)
        entered = ScheduleInput(data=request.data)
        entered.is_valid(raise_exception=True)
        schedules.set_schedule(
            project=project, kind=kind, actor=_user(request), **entered.validated_data
        )
        standing = next(s for s in schedules.standings(project) if s.schedule.kind == kind)
        return Response(ScheduleOutput(standing).data)

    @extend_schema(responses={204: None})
    def delete(self, request: Request, slug: str, kind: str) -> Response:
        """Retrain no more; an active retrain goes on."""
        project = project_for(_user(request), slug, Action.TRAIN)
        schedules.remove_schedule(project=project, kind=kind, actor=_user(request))
        return Response(status=status.HTTP_204_NO_CONTENT)


class RunCheckView(APIView):
    @extend_schema(request=RunInput, responses=CheckOutput)
    def post(self, request: Request, slug: str) -> Response:
        """What a run would be and whether it fits into memory; nothing is written."""
        project = project_for(_user(request), slug, Action.TRAIN)
        entered = RunInput(data=request.data)
        entered.is_valid(raise_exception=True)
        values = entered.validated_data
        snapshot = Snapshot.objects.filter(project=project, pk=values["snapshot"]).first()
        if snapshot is None:
            raise InvalidInput("There is no such snapshot in this project.")
        complete = config.fit_config(values["kind"], snapshot, values["options"])
        settings = {k: value for k, value in complete.items() if k not in config.DERIVED}
        found = {"settings": settings, "memory": memory.preview_of(complete)}
        return Response(CheckOutput(found).data)


class ModelFilesView(APIView):
    @extend_schema(responses={(200, "application/x-tar"): OpenApiResponse(OpenApiTypes.BINARY)})
    def get(self, request: Request, slug: str, version_id: int) -> StreamingHttpResponse:
        """The model's folder as a tar archive."""
        project = project_for(_user(request), slug, Action.EXPORT)
        name, pieces = downloads.tar_of(version_in(project, version_id))
        return StreamingHttpResponse(
            pieces,
            content_type="application/x-tar",
            headers={"Content-Disposition": f'attachment; filename="{name}"'},
        )


def _user(request: Request) -> User:
    return cast("User", request.user)  # every view requires a login
