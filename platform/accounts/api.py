"""REST: who one is, and one's access tokens."""

from typing import Any

from django.urls import URLPattern, path
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from core.bodies import Body, read_body
from core.exceptions import InvalidInput
from core.paging import described, paged

from . import access_tokens
from .access import limited_to, require
from .models import AccessToken, Role, Scope
from .policies import may_create_projects
from .requests import person_of
from .selectors import memberships_of, project_of_member

DEFAULT_DAYS = 90


class AccessTokenOutput(serializers.ModelSerializer[AccessToken]):
    scopes = serializers.ListField(child=serializers.ChoiceField(choices=Scope.choices))
    project = serializers.CharField(
        source="project.slug", default=None, allow_null=True, help_text="Null: all projects."
    )
    state = serializers.ChoiceField(choices=["open", "revoked", "expired"])

    class Meta:
        model = AccessToken
        fields = [
            "id",
            "name",
            "scopes",
            "project",
            "prefix",
            "state",
            "created_at",
            "expires_at",
            "last_used_at",
            "revoked_at",
        ]


class NewTokenOutput(AccessTokenOutput):
    token = serializers.CharField(help_text="Shown this once and kept nowhere.")

    class Meta(AccessTokenOutput.Meta):
        fields = [*AccessTokenOutput.Meta.fields, "token"]


class NewTokenBody(Body):
    name = serializers.CharField(max_length=80)
    scopes = serializers.ListField(
        child=serializers.ChoiceField(choices=Scope.choices), min_length=1, max_length=20
    )
    days = serializers.IntegerField(
        default=DEFAULT_DAYS, min_value=1, max_value=36500, help_text="How long it lasts."
    )
    project = serializers.SlugField(
        required=False, allow_null=True, help_text="The one project it opens; else all of one's."
    )


class RoleInProject(serializers.Serializer[Any]):
    slug = serializers.CharField(source="project.slug")
    name = serializers.CharField(source="project.name")
    role = serializers.ChoiceField(choices=Role.choices)


class Me(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    username = serializers.CharField()
    may_create_projects = serializers.BooleanField()
    projects = RoleInProject(many=True, help_text="The newest hundred; see `projects/`.")
    token = AccessTokenOutput(allow_null=True, help_text="What this request came with.")


MOST_SHOWN = 100
NEW = OpenApiExample(
    "For a notebook",
    value={"name": "notebook", "scopes": ["read", "import", "export", "train"], "days": 90},
    request_only=True,
)


class MeView(APIView):
    @extend_schema(responses=Me)
    def get(self, request: Request) -> Response:
        """Who asks, what they may open, and with which token."""
        user = person_of(request)
        rows = memberships_of(user)
        if (limit := limited_to(user)) is not None:
            rows = rows.filter(project=limit)
        body = {
            "id": user.pk,
            "username": user.get_username(),
            "may_create_projects": may_create_projects(user),
            "projects": rows[:MOST_SHOWN],
            "token": user.access_token,
        }
        return Response(Me(body).data)


class TokenList(APIView):
    @described(AccessTokenOutput)
    def get(self, request: Request) -> Response:
        """One's tokens, newest first; never their texts."""
        user = person_of(request)
        require(user, Scope.MANAGE)
        return paged(request, access_tokens.tokens_of(user), AccessTokenOutput)

    @extend_schema(request=NewTokenBody, responses={201: NewTokenOutput}, examples=[NEW])
    def post(self, request: Request) -> Response:
        """Make a token; a token makes none with more scopes, more projects or more time."""
        user = person_of(request)
        require(user, Scope.MANAGE)
        values = read_body(request, NewTokenBody)
        slug = values.pop("project", None)
        project = project_of_member(user, slug) if slug else None
        if slug and project is None:
            raise InvalidInput("There is no such project, or you are not a member of it.")
        row, text = access_tokens.make_token(user=user, project=project, **values)
        row.token = text  # type: ignore[attr-defined]
        return Response(NewTokenOutput(row).data, status=status.HTTP_201_CREATED)


class TokenView(APIView):
    @extend_schema(responses=AccessTokenOutput)
    def get(self, request: Request, token_id: int) -> Response:
        """One of one's tokens."""
        return Response(AccessTokenOutput(_own(request, token_id)).data)

    @extend_schema(responses={204: None})
    def delete(self, request: Request, token_id: int) -> Response:
        """Revoke a token at once; any token may revoke itself."""
        row = _own(request, token_id)
        access_tokens.revoke_token(token=row, actor=person_of(request))
        return Response(status=status.HTTP_204_NO_CONTENT)


def _own(request: Request, token_id: int) -> AccessToken:
    user = person_of(request)
    if user.access_token is None or user.access_token.pk != token_id:
        require(user, Scope.MANAGE)
    return access_tokens.token_in(user, token_id)


urlpatterns: list[URLPattern] = [
    path("me", MeView.as_view(), name="me"),
    path("tokens/", TokenList.as_view(), name="tokens"),
    path("tokens/<int:token_id>/", TokenView.as_view(), name="token"),
]
