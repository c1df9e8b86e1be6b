"""REST: webhooks of a project, what was sent through them, and sending it again."""

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

from . import selectors, services
from .events import EVENTS
from .models import Delivery, Webhook


class WebhookOutput(serializers.ModelSerializer[Webhook]):
    class Meta:
        model = Webhook
        fields = ["id", "url", "events", "active", "stopped", "failing_since", "created_at"]


class NewWebhookOutput(WebhookOutput):
    secret = serializers.CharField(help_text="Shown this once; it checks the signatures.")

    class Meta(WebhookOutput.Meta):
        fields = [*WebhookOutput.Meta.fields, "secret"]


class SecretOutput(serializers.Serializer[dict[str, str]]):
    secret = serializers.CharField(help_text="Shown this once; it checks the signatures.")


class DeliveryOutput(serializers.ModelSerializer[Delivery]):
    message = serializers.UUIDField(source="message_id", help_text="The header webhook-id.")
    event = serializers.CharField(source="message.event")
    payload = serializers.JSONField(source="message.data", help_text="`data` of the message.")
    happened_at = serializers.DateTimeField(source="message.created_at")

    class Meta:
        model = Delivery
        fields = [
            "id",
            "message",
            "event",
            "payload",
            "happened_at",
            "state",
            "attempts",
            "attempted_at",
            "status",
            "error",
        ]


class WebhookBody(Body):
    url = serializers.CharField(max_length=500, help_text="A public http or https address.")
    events = serializers.ListField(
        child=serializers.ChoiceField(choices=list(EVENTS)), min_length=1, max_length=len(EVENTS)
    )


class ChangedWebhook(WebhookBody):
    active = serializers.BooleanField(help_text="Whether it is told anything.")


class ReplayBody(Body):
    since = serializers.DateTimeField(help_text="From when on events are sent again.")
    until = serializers.DateTimeField(required=False, help_text="Up to when; now by default.")


class ReplayOutput(serializers.Serializer[dict[str, int]]):
    deliveries = serializers.IntegerField(help_text="How many are sent again.")


EXAMPLE = OpenApiExample(
    "Runs and budgets",
    value={
        "url": "https://hooks.example.org/tandem",
        "events": ["run.finished", "budget.threshold"],
    },
    request_only=True,
)


class WebhookList(APIView):
    @described(WebhookOutput)
    def get(self, request: Request, slug: str) -> Response:
        """The project's webhooks."""
        project = project_for(person_of(request), slug, Action.MANAGE_PROJECT)
        return paged(request, selectors.webhooks_of(project), WebhookOutput)

    @extend_schema(request=WebhookBody, responses={201: NewWebhookOutput}, examples=[EXAMPLE])
    def post(self, request: Request, slug: str) -> Response:
        """Tell an address of events from now on; the answer holds the secret, this once."""
        user = person_of(request)
        project = project_for(user, slug, Action.MANAGE_PROJECT)
        values = read_body(request, WebhookBody)
        webhook, secret = services.create_webhook(project=project, actor=user, **values)
        body = WebhookOutput(webhook).data | {"secret": secret}
        return Response(body, status=status.HTTP_201_CREATED)


class WebhookDetail(APIView):
    @extend_schema(responses=WebhookOutput)
    def get(self, request: Request, slug: str, webhook_id: int) -> Response:
        """One webhook."""
        return Response(WebhookOutput(_webhook(request, slug, webhook_id)).data)

    @extend_schema(request=ChangedWebhook, responses=WebhookOutput)
    def patch(self, request: Request, slug: str, webhook_id: int) -> Response:
        """Change its address or events, or switch it off and on."""
        webhook = _webhook(request, slug, webhook_id)
        values = read_body(request, ChangedWebhook, partial=True)
        changed = services.change_webhook(webhook=webhook, actor=person_of(request), **values)
        return Response(WebhookOutput(changed).data)

    @extend_schema(responses={204: None})
    def delete(self, request: Request, slug: str, webhook_id: int) -> Response:
        """Remove it with what was sent through it."""
        webhook = _webhook(request, slug, webhook_id)
        services.delete_webhook(webhook=webhook, actor=person_of(request))
        return Response(status=status.HTTP_204_NO_CONTENT)


class WebhookSecret(APIView):
    @extend_schema(request=None, responses=SecretOutput)
    def post(self, request: Request, slug: str, webhook_id: int) -> Response:
        """Replace the secret; the old one signs nothing any more."""
        webhook = _webhook(request, slug, webhook_id)
        return Response(
            {"secret": services.new_secret_of(webhook=webhook, actor=person_of(request))}
        )


class WebhookTest(APIView):
    @extend_schema(request=None, responses={202: DeliveryOutput})
    def post(self, request: Request, slug: str, webhook_id: int) -> Response:
        """Send an event that says nothing, to see whether somebody listens."""
        delivery = services.send_test(webhook=_webhook(request, slug, webhook_id))
        return Response(DeliveryOutput(delivery).data, status=status.HTTP_202_ACCEPTED)


class WebhookReplay(APIView):
    @extend_schema(request=ReplayBody, responses=ReplayOutput)
    def post(self, request: Request, slug: str, webhook_id: int) -> Response:
        """Send again what happened in a time; messages are kept for thirty days."""
        webhook = _webhook(request, slug, webhook_id)
        values: dict[str, Any] = read_body(request, ReplayBody)
        return Response({"deliveries": services.replay_since(webhook=webhook, **values)})


class DeliveryList(APIView):
    @described(DeliveryOutput)
    def get(self, request: Request, slug: str, webhook_id: int) -> Response:
        """What was sent through it, newest first."""
        webhook = _webhook(request, slug, webhook_id)
        return paged(request, selectors.deliveries_of(webhook), DeliveryOutput)


class DeliveryReplay(APIView):
    @extend_schema(request=None, responses=DeliveryOutput)
    def post(self, request: Request, slug: str, webhook_id: int, delivery_id: int) -> Response:
        """Send one again."""
        webhook = _webhook(request, slug, webhook_id)
        delivery = selectors.delivery_of(webhook, delivery_id)
        services.replay(webhook=webhook, deliveries=[delivery.pk])
        return Response(DeliveryOutput(selectors.delivery_of(webhook, delivery_id)).data)


def _webhook(request: Request, slug: str, webhook_id: int) -> Webhook:
    project = project_for(person_of(request), slug, Action.MANAGE_PROJECT)
    return selectors.webhook_in(project, webhook_id)


P = "projects/<slug:slug>/webhooks/"
W = P + "<int:webhook_id>/"
urlpatterns: list[URLPattern] = [
    path(P, WebhookList.as_view(), name="webhooks"),
    path(W, WebhookDetail.as_view(), name="webhook"),
    path(W + "secret", WebhookSecret.as_view(), name="webhook-secret"),
    path(W + "test", WebhookTest.as_view(), name="webhook-test"),
    path(W + "replay", WebhookReplay.as_view(), name="webhook-replay"),
    path(W + "deliveries/", DeliveryList.as_view(), name="webhook-deliveries"),
    path(
        W + "deliveries/<int:delivery_id>/replay",
        DeliveryReplay.as_view(),
        name="webhook-delivery-replay",
    ),
]
