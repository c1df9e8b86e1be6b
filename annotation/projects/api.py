"""REST: projects, their settings, criteria and guideline."""

from typing import Any

from django.db import transaction
from django.urls import URLPattern, path
from django.utils.translation import gettext as _
from drf_spectacular.utils import OpenApiExample, extend_schema, extend_schema_field
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.models import Project, Role, User
from accounts.policies import Action, may_create_projects, project_for
from accounts.requests import person_of
from accounts.selectors import memberships_of
from annotation.queue.steering import pause, resume
from core.bodies import Body, read_body
from core.exceptions import Forbidden, NotFound
from core.paging import described, page_of, paged, short

from . import selectors, services
from .models import Criterion, Guideline, Protocol
from .templates import TEMPLATES


class CriterionBody(Body, serializers.ModelSerializer[Criterion]):
    class Meta:
        model = Criterion
        fields = sorted(services.CRITERION_FIELDS)


class ChangedCriterion(Body, serializers.ModelSerializer[Criterion]):
    """What can change of a criterion; its key stays: labels and exports name it."""

    class Meta:
        model = Criterion
        fields = sorted(services.CRITERION_FIELDS - {"key"})


class ProtocolOutput(serializers.ModelSerializer[Protocol]):
    class Meta:
        model = Protocol
        fields = [*sorted(services.CHANGEABLE), "paused_at"]


class ProtocolBody(Body, serializers.ModelSerializer[Protocol]):
    """Fields of the protocol; what is not named stays, or is as the template has it."""

    class Meta:
        model = Protocol
        fields = sorted(services.CHANGEABLE)


class NewProject(Body):
    name = serializers.CharField(max_length=200)
    slug = serializers.SlugField(
        default="", allow_blank=True, max_length=70, help_text="Made from the name unless given."
    )
    description = serializers.CharField(default="", allow_blank=True, max_length=20_000)
    template = serializers.ChoiceField(
        choices=sorted(TEMPLATES), required=False, help_text="A ready protocol to start from."
    )
    criteria = CriterionBody(
        many=True, required=False, help_text="In the order they are asked; else the template's."
    )
    protocol = ProtocolBody(required=False, partial=True)
    guideline = serializers.CharField(
        required=False, allow_blank=True, max_length=services.LONGEST_GUIDELINE
    )


class ChangedProject(Body):
    protocol = ProtocolBody(required=False, partial=True)
    state = serializers.ChoiceField(
        choices=["paused", "running", "archived", "restored"], required=False
    )


class ProjectOutput(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    slug = serializers.CharField()
    name = serializers.CharField()
    description = serializers.CharField()
    created_at = serializers.DateTimeField()
    archived_at = serializers.DateTimeField(allow_null=True)


class MineOutput(serializers.Serializer[Any]):
    """A project with one's role in it."""

    role = serializers.ChoiceField(choices=Role.choices)
    project = ProjectOutput()


class GuidelineOutput(serializers.ModelSerializer[Guideline]):
    class Meta:
        model = Guideline
        fields = ["version", "text", "settings", "created_at"]


class ReadGuideline(serializers.Serializer[Any]):
    version = serializers.IntegerField()
    text = serializers.CharField()


class GuidelineBody(Body):
    text = serializers.CharField(allow_blank=True, max_length=services.LONGEST_GUIDELINE)


class ProjectDetail(ProjectOutput):
    protocol = serializers.SerializerMethodField()
    criteria = serializers.SerializerMethodField()
    guideline = serializers.SerializerMethodField()

    @extend_schema_field(ProtocolOutput)
    def get_protocol(self, project: Project) -> Any:
        return ProtocolOutput(selectors.protocol_of(project)).data

    @extend_schema_field(CriterionBody(many=True))
    def get_criteria(self, project: Project) -> Any:
        return CriterionBody(selectors.criteria_of(project), many=True).data

    def get_guideline(self, project: Project) -> int | None:
        """The version that annotators read now."""
        newest = selectors.guideline_of(project)
        return newest.version if newest else None


EXAMPLE = OpenApiExample(
    "A comparison",
    value={
        "name": "Summaries",
        "criteria": [{"key": "overall", "name": "Overall", "question": "Which is better?"}],
        "protocol": {"kind": "pairwise", "overlap": 3, "rationale": "optional"},
        "guideline": "# Read both before you choose",
    },
    request_only=True,
)


class ProjectList(APIView):
    @described(MineOutput)
    def get(self, request: Request) -> Response:
        """The projects one is a member of with one's role, newest first; archived ones left out."""
        rows = memberships_of(person_of(request)).order_by("-pk")
        return paged(request, rows, MineOutput)

    @extend_schema(request=NewProject, responses={201: ProjectDetail}, examples=[EXAMPLE])
    def post(self, request: Request) -> Response:
        """Make a project, of which one is the owner; a template says what is not named."""
        user = person_of(request)
        if not may_create_projects(user):
            raise Forbidden(_("This account takes part in a study; projects are made by others."))
        project = services.create_project(owner=user, **_wished(read_body(request, NewProject)))
        return Response(ProjectDetail(project).data, status=status.HTTP_201_CREATED)


def _wished(values: dict[str, Any]) -> dict[str, Any]:
    """What `create_project` takes, over what the template has."""
    chosen = TEMPLATES.get(values.pop("template", ""))
    begun = chosen.arguments() if chosen else {}
    protocol: dict[str, Any] = values.pop("protocol", {})
    return begun | protocol | values


class TemplateOutput(serializers.Serializer[Any]):
    key = serializers.CharField()
    name = serializers.CharField()
    summary = serializers.CharField()
    group = serializers.CharField()
    arguments = serializers.DictField(help_text="The protocol, criteria and guideline it starts.")


class TemplateList(APIView):
    @extend_schema(responses=page_of(TemplateOutput))
    def get(self, request: Request) -> Response:
        """Ready protocols that a project can start from."""
        return short(list(TEMPLATES.values()), TemplateOutput)


class ProjectView(APIView):
    @extend_schema(responses=ProjectDetail)
    def get(self, request: Request, slug: str) -> Response:
        """A project with its protocol and criteria."""
        project = project_for(request.user, slug, Action.SEE_PROJECT)
        return Response(ProjectDetail(project).data)

    @extend_schema(request=ChangedProject, responses=ProjectDetail)
    def patch(self, request: Request, slug: str) -> Response:
        """Change how labels are collected from now on; pause, resume, archive or bring back."""
        user = person_of(request)
        project = project_for(user, slug, Action.MANAGE_PROJECT)
        values = read_body(request, ChangedProject, partial=True)
        with transaction.atomic():
            if fields := values.get("protocol"):
                services.change_protocol(project=project, by=user, **fields)
            if state := values.get("state"):
                project = _move(project, state, user)
        return Response(ProjectDetail(project).data)


def _move(project: Project, state: str, user: User) -> Project:
    if state in {"paused", "running"}:
        (pause if state == "paused" else resume)(project=project, by=user)
        return project
    return services.set_archived(project=project, archived=state == "archived", by=user)


class CriterionList(APIView):
    @extend_schema(responses=page_of(CriterionBody))
    def get(self, request: Request, slug: str) -> Response:
        """What is asked of every instance, in the order it is asked."""
        project = project_for(request.user, slug, Action.SEE_PROJECT)
        return short(selectors.criteria_of(project), CriterionBody)

    @extend_schema(request=CriterionBody, responses={201: CriterionBody})
    def post(self, request: Request, slug: str) -> Response:
        """Ask one more question; labels that exist stay without an answer to it."""
        user = person_of(request)
        project = project_for(user, slug, Action.MANAGE_PROJECT)
        fields = read_body(request, CriterionBody)
        row = services.add_criterion(project=project, by=user, **fields)
        return Response(CriterionBody(row).data, status=status.HTTP_201_CREATED)


class CriterionView(APIView):
    @extend_schema(request=ChangedCriterion(partial=True), responses=CriterionBody)
    def patch(self, request: Request, slug: str, criterion: str) -> Response:
        """Reword a question; how it is answered changes only while nobody has answered it."""
        user = person_of(request)
        project = project_for(user, slug, Action.MANAGE_PROJECT)
        fields = read_body(request, ChangedCriterion, partial=True)
        row = services.change_criterion(project=project, key=criterion, by=user, **fields)
        return Response(CriterionBody(row).data)

    @extend_schema(responses={204: None})
    def delete(self, request: Request, slug: str, criterion: str) -> Response:
        """Stop asking a question that nobody has answered."""
        user = person_of(request)
        project = project_for(user, slug, Action.MANAGE_PROJECT)
        services.remove_criterion(project=project, key=criterion, by=user)
        return Response(status=status.HTTP_204_NO_CONTENT)


class GuidelineList(APIView):
    @described(GuidelineOutput)
    def get(self, request: Request, slug: str) -> Response:
        """Every version of the guideline with the settings it was published with, newest first."""
        project = project_for(request.user, slug, Action.SEE_PROJECT)
        return paged(request, selectors.guidelines_of(project).order_by("-pk"), GuidelineOutput)

    @extend_schema(request=GuidelineBody, responses={201: GuidelineOutput})
    def post(self, request: Request, slug: str) -> Response:
        """Publish a version; the same text again makes none and answers with the newest (200)."""
        user = person_of(request)
        project = project_for(user, slug, Action.MANAGE_PROJECT)
        text = read_body(request, GuidelineBody)["text"]
        newest, made = services.revise_guideline(project=project, text=text, by=user)
        code = status.HTTP_201_CREATED if made else status.HTTP_200_OK
        return Response(GuidelineOutput(newest).data, status=code)


class NewestGuideline(APIView):
    @extend_schema(responses=ReadGuideline)
    def get(self, request: Request, slug: str) -> Response:
        """What annotators read now."""
        project = project_for(request.user, slug, Action.LABEL)
        newest = selectors.guideline_of(project)
        if newest is None:
            raise NotFound(_("The project has no guideline yet."))
        return Response(ReadGuideline(newest).data)


P = "projects/<slug:slug>/"
urlpatterns: list[URLPattern] = [
    path("templates/", TemplateList.as_view(), name="templates"),
    path("projects/", ProjectList.as_view(), name="projects"),
    path(P, ProjectView.as_view(), name="project"),
    path(P + "criteria/", CriterionList.as_view(), name="criteria"),
    path(P + "criteria/<slug:criterion>/", CriterionView.as_view(), name="criterion"),
    path(P + "guidelines/", GuidelineList.as_view(), name="guidelines"),
    path(P + "guideline/", NewestGuideline.as_view(), name="guideline"),
]
