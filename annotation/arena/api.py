"""REST: the arena: its settings and contestants, and rounds in which members vote blind."""

import uuid
from typing import Any

from django.urls import URLPattern, path
from django.utils.translation import gettext as _
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.models import Project
from accounts.policies import Action, project_for
from accounts.requests import person_of
from annotation.labels.people import annotator_for
from core.bodies import Body, read_body
from core.exceptions import NotFound
from core.paging import page_of, short

from . import selectors, services, setup, votes
from .answering import given_up
from .models import Arena, Battle, Contestant


class ArenaBody(Body, serializers.ModelSerializer[Arena]):
    limit_micros = serializers.IntegerField(
        required=False, min_value=0, help_text="What all answers together may cost."
    )

    class Meta:
        model = Arena
        fields = [*sorted(setup.SETTABLE), "limit_micros"]


class ArenaOutput(serializers.ModelSerializer[Arena]):
    class Meta:
        model = Arena
        fields = [*sorted(setup.SETTABLE), "budget"]


class ContestantBody(Body):
    name = serializers.CharField(max_length=80)
    source = serializers.CharField(  # type: ignore[assignment] # a field of this name
        max_length=20, help_text="endpoint, or a kind of own models."
    )
    reference = serializers.IntegerField(required=False, help_text="Id of a model of the project.")
    endpoint = serializers.CharField(required=False, max_length=60)
    base_url = serializers.CharField(required=False, max_length=300)
    model = serializers.CharField(required=False, max_length=120)
    temperature = serializers.FloatField(default=0.7, min_value=0, max_value=2)
    licence = serializers.CharField(default="", allow_blank=True, max_length=60)
    price_per_1k_input_micros = serializers.IntegerField(default=0, min_value=0)
    price_per_1k_output_micros = serializers.IntegerField(default=0, min_value=0)


class ContestantOutput(serializers.ModelSerializer[Contestant]):
    class Meta:
        model = Contestant
        fields = ["id", *ContestantBody().fields, "state"]


class ActBody(Body):
    act = serializers.ChoiceField(choices=sorted(setup.ACTS))


class PromptBody(Body):
    prompt = serializers.CharField(max_length=100_000)


class VoteBody(Body):
    choice = serializers.CharField(max_length=20, help_text="a, b, or a kind of tie.")
    client_id = serializers.UUIDField()
    seconds = serializers.FloatField(default=None, allow_null=True)


class SideOutput(serializers.Serializer[Any]):
    letter = serializers.CharField()
    text = serializers.CharField()


class ExchangeOutput(serializers.Serializer[Any]):
    prompt = serializers.CharField()
    sides = SideOutput(many=True, help_text="Empty while they are being written.")


class BattleOutput(serializers.Serializer[Any]):
    """A round as its page shows it: no name before the vote."""

    key = serializers.UUIDField()
    state = serializers.CharField()
    exchanges = ExchangeOutput(many=True)
    turns_left = serializers.IntegerField()
    choices = serializers.ListField(child=serializers.CharField())
    choice = serializers.CharField()
    names = serializers.DictField(
        child=serializers.CharField(), help_text="By letter; empty until the vote."
    )


def _arena(project: Project) -> Arena:
    arena = selectors.arena_of(project)
    if arena is None:
        raise NotFound(_("This project has no arena."))
    return arena


def _shown(row: Battle) -> Any:
    row.refresh_from_db()
    view = selectors.battle_view(given_up(row))
    return BattleOutput(vars(view) | {"choices": votes.choices_of(row)}).data


class ArenaView(APIView):
    @extend_schema(responses=ArenaOutput)
    def get(self, request: Request, slug: str) -> Response:
        """The settings of the arena."""
        project = project_for(request.user, slug, Action.MANAGE_PROJECT)
        return Response(ArenaOutput(_arena(project)).data)

    @extend_schema(request=ArenaBody(partial=True), responses=ArenaOutput)
    def patch(self, request: Request, slug: str) -> Response:
        """Change the settings; the first time this makes the arena."""
        user = person_of(request)
        project = project_for(user, slug, Action.MANAGE_PROJECT)
        values = read_body(request, ArenaBody, partial=True)
        return Response(ArenaOutput(setup.set_up(project=project, actor=user, **values)).data)


class ContestantList(APIView):
    @extend_schema(responses=page_of(ContestantOutput))
    def get(self, request: Request, slug: str) -> Response:
        """Who answers in the arena."""
        project = project_for(request.user, slug, Action.MANAGE_PROJECT)
        return short(list(selectors.contestants_of(_arena(project))), ContestantOutput)

    @extend_schema(request=ContestantBody, responses={201: ContestantOutput})
    def post(self, request: Request, slug: str) -> Response:
        """Let a model of the project or of a server answer."""
        user = person_of(request)
        arena = _arena(project_for(user, slug, Action.MANAGE_PROJECT))
        values = read_body(request, ContestantBody)
        row = setup.add_contestant(arena=arena, actor=user, **values)
        return Response(ContestantOutput(row).data, status=status.HTTP_201_CREATED)


class ContestantView(APIView):
    @extend_schema(request=ActBody, responses={204: None})
    def post(self, request: Request, slug: str, contestant_id: int) -> Response:
        """Pause, resume or remove; the votes of one that has battled stay."""
        user = person_of(request)
        project = project_for(user, slug, Action.MANAGE_PROJECT)
        row = selectors.contestant_in(selectors.arena_of(project), contestant_id)
        setup.act_on(contestant=row, act=read_body(request, ActBody)["act"], actor=user)
        return Response(status=status.HTTP_204_NO_CONTENT)


class BattleList(APIView):
    @extend_schema(request=PromptBody, responses={201: BattleOutput})
    def post(self, request: Request, slug: str) -> Response:
        """Begin a round: two contestants, drawn at random, answer the prompt."""
        user = person_of(request)
        project = project_for(user, slug, Action.LABEL)
        row = services.open_battle(
            arena=_arena(project),
            annotator=annotator_for(project=project, user=user),
            prompt=read_body(request, PromptBody)["prompt"],
        )
        return Response(_shown(row), status=status.HTTP_201_CREATED)


def _mine(request: Request, slug: str, battle: uuid.UUID) -> Battle:
    user = person_of(request)
    project = project_for(user, slug, Action.LABEL)
    annotator = annotator_for(project=project, user=user)
    return selectors.battle_of(selectors.arena_of(project), annotator, battle)


class BattleView(APIView):
    @extend_schema(responses=BattleOutput)
    def get(self, request: Request, slug: str, battle: uuid.UUID) -> Response:
        """A round of one's own; ask again until both have answered."""
        return Response(_shown(_mine(request, slug, battle)))


class BattleContinueView(APIView):
    @extend_schema(request=PromptBody, responses=BattleOutput)
    def post(self, request: Request, slug: str, battle: uuid.UUID) -> Response:
        """A follow-up to both before the vote."""
        row = _mine(request, slug, battle)
        services.continue_battle(battle=row, prompt=read_body(request, PromptBody)["prompt"])
        return Response(_shown(row))


class BattleVoteView(APIView):
    @extend_schema(request=VoteBody, responses=BattleOutput)
    def post(self, request: Request, slug: str, battle: uuid.UUID) -> Response:
        """Vote; the answer shows the names."""
        row = _mine(request, slug, battle)
        return Response(_shown(services.vote(battle=row, **read_body(request, VoteBody))))


P = "projects/<slug:slug>/arena/"
B = P + "battles/<uuid:battle>/"
urlpatterns: list[URLPattern] = [
    path(P, ArenaView.as_view(), name="arena"),
    path(P + "contestants/", ContestantList.as_view(), name="contestants"),
    path(P + "contestants/<int:contestant_id>/act", ContestantView.as_view(), name="contestant"),
    path(P + "battles/", BattleList.as_view(), name="battles"),
    path(B, BattleView.as_view(), name="battle"),
    path(B + "continue", BattleContinueView.as_view(), name="battle-continue"),
    path(B + "vote", BattleVoteView.as_view(), name="battle-vote"),
]
