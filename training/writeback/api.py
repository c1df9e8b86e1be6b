"""REST interface of write-back: starting one, and what a project wants of it by itself."""

from typing import Any, cast

from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.models import User
from accounts.policies import Action, project_for
from annotation.quality.relabelling import MOST_AT_ONCE
from training.registry.selectors import version_in
from training.runs.api import JobOutput

from . import services
from .models import RelabelBy, WriteBack
from .selectors import wishes_of


class StartInput(serializers.Serializer[Any]):
    everything = serializers.BooleanField(
        default=False,
        help_text="All instances, not only those without its signals or with newer labels.",
    )


class WishesInput(serializers.Serializer[Any]):
    after_promotion = serializers.BooleanField(help_text="Whether a promotion starts one.")
    relabel = serializers.IntegerField(
        default=0,
        min_value=0,
        max_value=MOST_AT_ONCE,
        help_text="Instances that each sends for one more label.",
    )
    relabel_by = serializers.ChoiceField(choices=RelabelBy.choices, default=RelabelBy.TRUST)


class WishesOutput(serializers.ModelSerializer[WriteBack]):
    class Meta:
        model = WriteBack
        fields = ("after_promotion", "relabel", "relabel_by")


class WriteBackView(APIView):
    @extend_schema(request=StartInput, responses={202: JobOutput})
    def post(self, request: Request, slug: str, version_id: int) -> Response:
        """Write what the version says of the project's instances, as signals."""
        project = project_for(_user(request), slug, Action.TRAIN)
        version = version_in(project, version_id)
        entered = StartInput(data=request.data)
        entered.is_valid(raise_exception=True)
        job = services.start_write_back(
            version=version, actor=_user(request), **entered.validated_data
        )
        return Response(JobOutput(job).data, status=status.HTTP_202_ACCEPTED)


class WishesView(APIView):
    @extend_schema(responses=WishesOutput)
    def get(self, request: Request, slug: str) -> Response:
        """What the project wants of a version that has come into production."""
        project = project_for(_user(request), slug, Action.SEE_TRAINING)
        return Response(WishesOutput(wishes_of(project)).data)

    @extend_schema(request=WishesInput, responses=WishesOutput)
    def put(self, request: Request, slug: str) -> Response:
        """Whether a promotion starts a write-back, and how many instances it asks again."""
        project = project_for(_user(request), slug, Action.TRAIN)
        entered = WishesInput(data=request.data)
        entered.is_valid(raise_exception=True)
        row = services.set_write_back(
            project=project, actor=_user(request), **entered.validated_data
        )
        return Response(WishesOutput(row).data)


def _user(request: Request) -> User:
    return cast("User", request.user)  # every view requires a login
