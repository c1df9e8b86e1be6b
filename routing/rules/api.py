"""REST: the rules that people have laid down for routing."""

from typing import Any

from django.urls import URLPattern, path
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.policies import Action, project_for
from accounts.requests import person_of
from core.bodies import Body, read_body
from core.paging import described, paged

from .matching import SOURCES, TARGETS, Rule
from .models import RuleSet
from .preview import catch
from .selectors import in_force
from .services import LONGEST, MOST_RULES, save_rules


class RuleBody(Body):
    source = serializers.ChoiceField(choices=SOURCES)  # type: ignore[assignment] # a field's name
    name = serializers.CharField(max_length=LONGEST)
    value = serializers.CharField(
        default="", allow_blank=True, max_length=LONGEST, help_text="Blank: whatever it is."
    )
    to = serializers.ChoiceField(choices=TARGETS)
    qualification = serializers.CharField(
        default="", allow_blank=True, max_length=LONGEST, help_text="Of experts only."
    )


class RulesBody(Body):
    rules = RuleBody(  # type: ignore[call-arg] # `max_length` is its list's
        many=True, max_length=MOST_RULES, help_text="In order: the first that fits decides."
    )


class SavedRules(RulesBody):
    version = serializers.IntegerField(
        min_value=0, help_text="The version as it was read; another one in between is a 409."
    )


class RulesOutput(serializers.Serializer[Any]):
    version = serializers.IntegerField(help_text="0 where nobody has written rules.")
    rules = RuleBody(many=True)


class CatchOutput(serializers.Serializer[Any]):
    """By rule; the last entry counts what no rule catches."""

    everywhere = serializers.ListField(child=serializers.IntegerField())
    waiting = serializers.ListField(child=serializers.IntegerField())
    looked = serializers.IntegerField()
    more = serializers.BooleanField(help_text="There are instances beyond those looked at.")


class RuleSetOutput(serializers.ModelSerializer[RuleSet]):
    class Meta:
        model = RuleSet
        fields = ["id", "version", "rules", "created_at"]


EXAMPLE = OpenApiExample(
    "Medicine to experts",
    value={
        "version": 0,
        "rules": [
            {
                "source": "tag",
                "name": "domain",
                "value": "medicine",
                "to": "experts",
                "qualification": "domain:medicine",
            }
        ],
    },
    request_only=True,
)


class RulesView(APIView):
    @extend_schema(responses=RulesOutput)
    def get(self, request: Request, slug: str) -> Response:
        """The rules in force."""
        project = project_for(request.user, slug, Action.SEE_ROUTING)
        return Response(RulesOutput(in_force(project)).data)

    @extend_schema(request=SavedRules, responses=RulesOutput, examples=[EXAMPLE])
    def put(self, request: Request, slug: str) -> Response:
        """Put these rules in force, in this order; none: the strategy decides about everything."""
        user = person_of(request)
        project = project_for(user, slug, Action.MANAGE_BUDGETS)
        values = read_body(request, SavedRules)
        save_rules(project=project, rules=_rules(values), version=values["version"], by=user)
        return Response(RulesOutput(in_force(project)).data)


def _rules(values: dict[str, Any]) -> list[Rule]:
    return [Rule(**each) for each in values["rules"]]


class RulesPreviewView(APIView):
    @extend_schema(request=RulesBody, responses=CatchOutput)
    def post(self, request: Request, slug: str) -> Response:
        """What such rules would catch now; nothing is saved."""
        project = project_for(request.user, slug, Action.MANAGE_BUDGETS)
        return Response(CatchOutput(catch(project, _rules(read_body(request, RulesBody)))).data)


class RuleVersionList(APIView):
    @described(RuleSetOutput)
    def get(self, request: Request, slug: str) -> Response:
        """Every version of the rules, newest first."""
        project = project_for(request.user, slug, Action.SEE_ROUTING)
        return paged(
            request, RuleSet.objects.filter(project=project).order_by("-pk"), RuleSetOutput
        )


P = "projects/<slug:slug>/routing/rules/"
urlpatterns: list[URLPattern] = [
    path(P, RulesView.as_view(), name="routing-rules"),
    path(P + "preview", RulesPreviewView.as_view(), name="routing-rules-preview"),
    path(P + "versions/", RuleVersionList.as_view(), name="routing-rule-versions"),
]
