"""REST: the leaderboard of the people of a project, where it has one."""

from typing import Any

from django.urls import URLPattern, path
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.models import Project, User
from accounts.policies import Action, project_for
from accounts.requests import person_of
from annotation.projects.selectors import protocol_of
from core.bodies import Body, read_body

from . import leaderboard


class PlaceOutput(serializers.Serializer[Any]):
    rank = serializers.IntegerField()
    name = serializers.CharField()
    labels = serializers.IntegerField()
    streak = serializers.IntegerField(help_text="Days in a row.")
    mine = serializers.BooleanField()


class BoardOutput(serializers.Serializer[Any]):
    allowed = serializers.BooleanField(help_text="The project has a leaderboard.")
    shown = serializers.BooleanField(help_text="Whether one stands on it oneself.")
    name = serializers.CharField(help_text="Under which name; blank: the pseudonym.")
    places = PlaceOutput(many=True)


class ChoiceBody(Body):
    shown = serializers.BooleanField()
    name = serializers.CharField(default="", allow_blank=True, max_length=40)


class LeaderboardView(APIView):
    @extend_schema(responses=BoardOutput)
    def get(self, request: Request, slug: str) -> Response:
        """Who labelled most, of those who want to be seen."""
        user = person_of(request)
        return _board(user, project_for(user, slug, Action.LABEL))

    @extend_schema(request=ChoiceBody, responses=BoardOutput)
    def put(self, request: Request, slug: str) -> Response:
        """Say whether one stands on it, and under which name."""
        user = person_of(request)
        project = project_for(user, slug, Action.LABEL)
        leaderboard.choose(user=user, project=project, **read_body(request, ChoiceBody))
        user.refresh_from_db(fields=["preferences"])
        return _board(user, project)


def _board(user: User, project: Project) -> Response:
    allowed = protocol_of(project).leaderboard
    shown, name = leaderboard.wishes(user, project)
    places = leaderboard.board(project, user) if allowed else []
    body = {"allowed": allowed, "shown": shown, "name": name, "places": places}
    return Response(BoardOutput(body).data)


urlpatterns: list[URLPattern] = [
    path("projects/<slug:slug>/leaderboard/", LeaderboardView.as_view(), name="leaderboard"),
]
