"""REST: studies, by which people of a crowd come."""

from typing import Any
from urllib.parse import urlencode

from django.urls import URLPattern, path, reverse
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.policies import Action, project_for
from accounts.requests import person_of
from core.bodies import Body, read_body
from core.paging import described, paged

from . import selectors, studies
from .models import Participation, Study, StudyState


class StudyBody(Body):
    name = serializers.CharField(max_length=120)
    intro = serializers.CharField(default="", allow_blank=True, max_length=10_000)
    cohort = serializers.CharField(default="", allow_blank=True, max_length=40)
    labels = serializers.IntegerField(help_text="That everybody gives.")
    places = serializers.IntegerField()
    minutes = serializers.IntegerField(default=60)
    reward_micros = serializers.IntegerField(default=0)
    currency = serializers.CharField(default="USD", max_length=3)
    completion_code = serializers.CharField(max_length=40)
    screen_out_code = serializers.CharField(default="", allow_blank=True, max_length=40)
    external_id = serializers.CharField(
        default="", allow_blank=True, max_length=40, help_text="The study at the crowd."
    )


class StateBody(Body):
    state = serializers.ChoiceField(choices=StudyState.choices)


class StudyOutput(serializers.ModelSerializer[Study]):
    active = serializers.IntegerField(default=0)
    completed = serializers.IntegerField(default=0)
    returned = serializers.IntegerField(default=0)
    timed_out = serializers.IntegerField(default=0)

    class Meta:
        model = Study
        fields = [
            "id",
            *StudyBody().fields,
            "state",
            "active",
            "completed",
            "returned",
            "timed_out",
            "created_at",
        ]


class StudyMade(StudyOutput):
    link = serializers.CharField(help_text="Shown this once: it is kept nowhere.")

    class Meta(StudyOutput.Meta):
        fields = [*StudyOutput.Meta.fields, "link"]


class LinkOutput(serializers.Serializer[Any]):
    link = serializers.CharField(help_text="Shown this once; the old one ended.")


class ParticipationOutput(serializers.ModelSerializer[Participation]):
    pseudonym = serializers.CharField(source="annotator.pseudonym", default=None, allow_null=True)
    labelled = serializers.IntegerField()

    class Meta:
        model = Participation
        fields = ["id", "external_id", "pseudonym", "stage", "labelled", "created_at"]


def _link(request: Request, token: str) -> str:
    """The address for the crowd, with its own placeholders for who comes."""
    address = request.build_absolute_uri(reverse("study-entry"))
    return f"{address}?{urlencode({'k': token})}{studies.PROLIFIC}"


class StudyList(APIView):
    @described(StudyOutput)
    def get(self, request: Request, slug: str) -> Response:
        """The studies with how many people are where, newest first."""
        project = project_for(request.user, slug, Action.SEE_PEOPLE)
        return paged(request, selectors.studies_of(project), StudyOutput)

    @extend_schema(request=StudyBody, responses={201: StudyMade})
    def post(self, request: Request, slug: str) -> Response:
        """Prepare a study; the answer shows its link once."""
        user = person_of(request)
        project = project_for(user, slug, Action.MANAGE_PEOPLE)
        values = read_body(request, StudyBody)
        row, token = studies.create_study(project=project, actor=user, **values)
        body = {**StudyOutput(row).data, "link": _link(request, token)}
        return Response(body, status=status.HTTP_201_CREATED)


class StudyView(APIView):
    @extend_schema(responses=StudyOutput)
    def get(self, request: Request, slug: str, study_id: int) -> Response:
        """One study."""
        project = project_for(request.user, slug, Action.SEE_PEOPLE)
        return Response(StudyOutput(selectors.study_in(project, study_id)).data)

    @extend_schema(request=StateBody, responses=StudyOutput)
    def patch(self, request: Request, slug: str, study_id: int) -> Response:
        """Open, pause or close it; those at work may finish."""
        user = person_of(request)
        project = project_for(user, slug, Action.MANAGE_PEOPLE)
        row = selectors.study_in(project, study_id)
        studies.set_state(study=row, state=read_body(request, StateBody)["state"], actor=user)
        return Response(StudyOutput(selectors.study_in(project, study_id)).data)


class StudyLinkView(APIView):
    @extend_schema(request=None, responses=LinkOutput)
    def post(self, request: Request, slug: str, study_id: int) -> Response:
        """Another link; the old one ends at once."""
        user = person_of(request)
        project = project_for(user, slug, Action.MANAGE_PEOPLE)
        token = studies.new_link(study=selectors.study_in(project, study_id), actor=user)
        return Response({"link": _link(request, token)})


class ParticipationList(APIView):
    @described(ParticipationOutput)
    def get(self, request: Request, slug: str, study_id: int) -> Response:
        """Who came, with how far they are."""
        project = project_for(request.user, slug, Action.SEE_PEOPLE)
        rows = selectors.participations_of(selectors.study_in(project, study_id))
        return paged(request, rows.order_by("-pk"), ParticipationOutput)


P = "projects/<slug:slug>/studies/"
S = P + "<int:study_id>/"
urlpatterns: list[URLPattern] = [
    path(P, StudyList.as_view(), name="studies"),
    path(S, StudyView.as_view(), name="study"),
    path(S + "link", StudyLinkView.as_view(), name="study-link"),
    path(S + "participations/", ParticipationList.as_view(), name="study-participations"),
]
