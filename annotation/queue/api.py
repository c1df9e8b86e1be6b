"""REST: sending what is new to people, the way to labels without a router."""

from typing import Any

from django.urls import URLPattern, path
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.policies import Action, project_for
from accounts.requests import person_of

from .sending import start_sending


class StartedOutput(serializers.Serializer[Any]):
    job = serializers.IntegerField()


class SendView(APIView):
    @extend_schema(request=None, responses={202: StartedOutput})
    def post(self, request: Request, slug: str) -> Response:
        """Send all new instances to people, as a job."""
        user = person_of(request)
        project = project_for(user, slug, Action.MANAGE_PROJECT)
        job = start_sending(project=project, created_by=user)
        return Response({"job": job.pk}, status=status.HTTP_202_ACCEPTED)


urlpatterns: list[URLPattern] = [
    path("projects/<slug:slug>/send", SendView.as_view(), name="send"),
]
