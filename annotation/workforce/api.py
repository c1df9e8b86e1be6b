"""REST: the people of a project, and the links by which people join it."""

from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

from django.urls import URLPattern, path, reverse
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.models import Membership, Role
from accounts.policies import Action, project_for
from accounts.requests import person_of
from accounts.selectors import invitation_in, invitations_of, member_in
from core.bodies import Body, filters, read_body, read_query
from core.paging import described, paged

from . import selectors, services


class Members(serializers.ListSerializer[Any]):
    """Memberships of one project as people: two queries for all of them."""

    def to_representation(self, data: Any) -> list[Any]:
        return super().to_representation(selectors.people(data))


class MemberOutput(serializers.Serializer[Any]):
    """A member with what they do here; the annotator's fields are null before they labelled."""

    id = serializers.IntegerField(source="membership.pk")
    username = serializers.CharField(source="membership.user.username")
    role = serializers.ChoiceField(choices=Role.choices, source="membership.role")
    state = serializers.CharField(help_text="excluded, at work, idle or new.")
    labels = serializers.IntegerField()
    held = serializers.IntegerField(help_text="Instances they hold at the moment.")
    active_at = serializers.DateTimeField(allow_null=True)
    annotator = serializers.IntegerField(source="annotator.pk", default=None, allow_null=True)
    pseudonym = serializers.CharField(source="annotator.pseudonym", default=None, allow_null=True)
    cohort = serializers.CharField(source="annotator.cohort", default="")
    qualifications = serializers.ListField(
        child=serializers.CharField(), source="annotator.qualifications", default=list
    )
    quota = serializers.IntegerField(source="annotator.quota", default=None, allow_null=True)

    class Meta:
        list_serializer_class = Members


class MemberQuery(Body):
    search = serializers.CharField(
        default="", max_length=80, help_text="Part of a user name or a pseudonym."
    )


class MemberBody(Body):
    """What is not named stays."""

    role = serializers.ChoiceField(choices=Role.choices, required=False)
    cohort = serializers.CharField(required=False, allow_blank=True, max_length=40)
    qualifications = serializers.ListField(
        child=serializers.CharField(max_length=80),
        required=False,
        help_text="Tags such as lang:de that gates ask for.",
    )
    quota = serializers.IntegerField(
        required=False, allow_null=True, min_value=1, help_text="Labels at most; null: no end."
    )


class InvitationBody(Body):
    role = serializers.ChoiceField(choices=Role.choices)
    seats = serializers.IntegerField(default=1)
    days = serializers.IntegerField(default=7, min_value=1, max_value=366)
    cohort = serializers.CharField(default="", allow_blank=True, max_length=40)


class InvitationOutput(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    role = serializers.ChoiceField(choices=Role.choices)
    cohort = serializers.CharField()
    seats = serializers.IntegerField()
    used = serializers.IntegerField()
    state = serializers.CharField(help_text="open, revoked, expired or used up.")
    expires_at = serializers.DateTimeField()


class InvitationMade(InvitationOutput):
    link = serializers.CharField(help_text="Shown this once: it is kept nowhere.")


class ReleasedOutput(serializers.Serializer[Any]):
    released = serializers.IntegerField(help_text="Instances that are open again.")


class MemberList(APIView):
    @described(MemberOutput, filters(MemberQuery))
    def get(self, request: Request, slug: str) -> Response:
        """The members with what they do here, newest first."""
        project = project_for(request.user, slug, Action.SEE_PEOPLE)
        wish = read_query(request, MemberQuery)
        rows = selectors.members_of(project, wish["search"]).order_by("-pk")
        return paged(request, rows, MemberOutput)


class MemberView(APIView):
    @extend_schema(responses=MemberOutput)
    def get(self, request: Request, slug: str, member_id: int) -> Response:
        """One member."""
        project = project_for(request.user, slug, Action.SEE_PEOPLE)
        return _member(member_in(project, member_id))

    @extend_schema(request=MemberBody, responses=MemberOutput)
    def patch(self, request: Request, slug: str, member_id: int) -> Response:
        """Change the role, the cohort, the qualifications or the quota of a member."""
        user = person_of(request)
        row = member_in(project_for(user, slug, Action.MANAGE_PEOPLE), member_id)
        values = read_body(request, MemberBody, partial=True)
        services.change_member(membership=row, actor=user, **values)
        return _member(row)

    @extend_schema(responses={204: None})
    def delete(self, request: Request, slug: str, member_id: int) -> Response:
        """Take somebody out; their labels stay, and what they hold opens."""
        user = person_of(request)
        row = member_in(project_for(user, slug, Action.MANAGE_PEOPLE), member_id)
        services.remove(membership=row, actor=user)
        return Response(status=status.HTTP_204_NO_CONTENT)


def _member(row: Membership) -> Response:
    return Response(MemberOutput(selectors.people([row])[0]).data)


class MemberReleaseView(APIView):
    @extend_schema(request=None, responses=ReleasedOutput)
    def post(self, request: Request, slug: str, member_id: int) -> Response:
        """Open everything that a member holds, so that others may take it."""
        user = person_of(request)
        row = member_in(project_for(user, slug, Action.MANAGE_PEOPLE), member_id)
        opened = services.release_everything(membership=row, actor=user)
        return Response({"released": opened})


class InvitationList(APIView):
    @described(InvitationOutput)
    def get(self, request: Request, slug: str) -> Response:
        """The links of the project, newest first; their tokens are kept nowhere."""
        project = project_for(request.user, slug, Action.SEE_PEOPLE)
        return paged(request, invitations_of(project), InvitationOutput)

    @extend_schema(
        request=InvitationBody,
        responses={201: InvitationMade},
        examples=[
            OpenApiExample(
                "Ten annotators",
                value={"role": "annotator", "seats": 10, "days": 14},
                request_only=True,
            )
        ],
    )
    def post(self, request: Request, slug: str) -> Response:
        """Make a link by which people join; the answer shows it once."""
        user = person_of(request)
        project = project_for(user, slug, Action.MANAGE_PEOPLE)
        values = read_body(request, InvitationBody)
        row, token = services.invite(
            project=project,
            actor=user,
            role=Role(values["role"]),
            seats=values["seats"],
            valid_for=timedelta(days=values["days"]),
            cohort=values["cohort"],
        )
        link = f"{request.build_absolute_uri(reverse('join'))}?{urlencode({'t': token})}"
        body = {**InvitationOutput(row).data, "link": link}
        return Response(body, status=status.HTTP_201_CREATED)


class InvitationRevokeView(APIView):
    @extend_schema(request=None, responses=InvitationOutput)
    def post(self, request: Request, slug: str, invitation_id: int) -> Response:
        """Close a link; those who came through it stay."""
        user = person_of(request)
        project = project_for(user, slug, Action.MANAGE_PEOPLE)
        row = services.revoke(invitation=invitation_in(project, invitation_id), actor=user)
        return Response(InvitationOutput(row).data)


P = "projects/<slug:slug>/"
M = P + "members/<int:member_id>/"
urlpatterns: list[URLPattern] = [
    path(P + "members/", MemberList.as_view(), name="members"),
    path(M, MemberView.as_view(), name="member"),
    path(M + "release", MemberReleaseView.as_view(), name="member-release"),
    path(P + "invitations/", InvitationList.as_view(), name="invitations"),
    path(
        P + "invitations/<int:invitation_id>/revoke",
        InvitationRevokeView.as_view(),
        name="invitation-revoke",
    ),
]
