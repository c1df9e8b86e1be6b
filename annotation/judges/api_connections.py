"""REST: connections to providers. A key goes in, and never comes out again."""

from typing import Any

from django.urls import URLPattern, path
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.policies import Action, project_for
from accounts.requests import person_of
from core.bodies import Body, read_body
from core.paging import described, paged

from . import connections, selectors
from .models import Connection


class ConnectionOutput(serializers.ModelSerializer[Connection]):
    key_set = serializers.SerializerMethodField(help_text="Whether a key is kept; never the key.")
    used = serializers.IntegerField(help_text="Judges that ask through it.", default=0)

    class Meta:
        model = Connection
        fields = ["id", *sorted(connections.SETTABLE), "key_set", "used"]

    def get_key_set(self, connection: Connection) -> bool:
        return bool(connection.secret)


class ConnectionBody(Body, serializers.ModelSerializer[Connection]):
    key = serializers.CharField(
        required=False,
        allow_blank=True,
        write_only=True,
        max_length=4000,
        help_text="Encrypted at once and never read back; blank removes the one that is set.",
    )

    class Meta:
        model = Connection
        fields = [*sorted(connections.SETTABLE), "key"]


class TriedBody(Body):
    model = serializers.CharField(max_length=120)


class TriedOutput(serializers.Serializer[Any]):
    works = serializers.BooleanField()
    message = serializers.CharField()
    seconds = serializers.FloatField()
    logprobs = serializers.BooleanField()


EXAMPLE = OpenApiExample(
    "A server of one's own",
    value={
        "name": "vLLM",
        "provider": "openai-compatible",
        "base_url": "https://models.example.org/v1",
        "key": "sk-…",
    },
    request_only=True,
)


class ConnectionList(APIView):
    @described(ConnectionOutput)
    def get(self, request: Request, slug: str) -> Response:
        """The connections of the project, oldest first; never their keys."""
        project = project_for(request.user, slug, Action.MANAGE_PROJECT)
        rows = selectors.connections_of(project).order_by("pk")
        return paged(request, rows, ConnectionOutput)

    @extend_schema(request=ConnectionBody, responses={201: ConnectionOutput}, examples=[EXAMPLE])
    def post(self, request: Request, slug: str) -> Response:
        """Connect the project to a provider."""
        user = person_of(request)
        project = project_for(user, slug, Action.MANAGE_PROJECT)
        values = read_body(request, ConnectionBody)
        row = connections.create_connection(project=project, actor=user, **values)
        return Response(ConnectionOutput(row).data, status=status.HTTP_201_CREATED)


class ConnectionView(APIView):
    @extend_schema(responses=ConnectionOutput)
    def get(self, request: Request, slug: str, connection_id: int) -> Response:
        """One connection, without its key."""
        project = project_for(request.user, slug, Action.MANAGE_PROJECT)
        return Response(ConnectionOutput(selectors.connection_in(project, connection_id)).data)

    @extend_schema(request=ConnectionBody(partial=True), responses=ConnectionOutput)
    def patch(self, request: Request, slug: str, connection_id: int) -> Response:
        """Change what is named; a key replaces the one that is set."""
        user = person_of(request)
        project = project_for(user, slug, Action.MANAGE_PROJECT)
        row = selectors.connection_in(project, connection_id)
        values = read_body(request, ConnectionBody, partial=True)
        connections.change_connection(connection=row, actor=user, **values)
        return Response(ConnectionOutput(selectors.connection_in(project, row.pk)).data)

    @extend_schema(responses={204: None})
    def delete(self, request: Request, slug: str, connection_id: int) -> Response:
        """Forget a connection and its key; refused while judges use it."""
        user = person_of(request)
        project = project_for(user, slug, Action.MANAGE_PROJECT)
        row = selectors.connection_in(project, connection_id)
        connections.delete_connection(connection=row, actor=user)
        return Response(status=status.HTTP_204_NO_CONTENT)


class ConnectionTestView(APIView):
    @extend_schema(request=TriedBody, responses=TriedOutput)
    def post(self, request: Request, slug: str, connection_id: int) -> Response:
        """Ask a model one small question through the connection; at most about 20 seconds."""
        project = project_for(request.user, slug, Action.MANAGE_PROJECT)
        row = selectors.connection_in(project, connection_id)
        model = read_body(request, TriedBody)["model"]
        tried = connections.try_connection(connection=row, model=model)
        return Response(TriedOutput(tried).data)


P = "projects/<slug:slug>/connections/"
C = P + "<int:connection_id>/"
urlpatterns: list[URLPattern] = [
    path(P, ConnectionList.as_view(), name="connections"),
    path(C, ConnectionView.as_view(), name="connection"),
    path(C + "test", ConnectionTestView.as_view(), name="connection-test"),
]
