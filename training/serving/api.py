"""REST interface of served reward models."""

from typing import Any, cast

from drf_spectacular.utils import OpenApiExample, OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.models import User
from accounts.policies import Action, project_for
from training.registry.models import ModelVersion

from .asking import MOST_COMPLETIONS, MOST_ITEMS, request_of
from .client import Scored, score
from .selectors import check_annotator, servable


class TurnInput(serializers.Serializer[Any]):
    role = serializers.ChoiceField(choices=("system", "user", "assistant", "tool"))
    content = serializers.CharField()


class ItemInput(serializers.Serializer[Any]):
    prompt = serializers.CharField(required=False, help_text="Short for one turn of the user.")
    messages = TurnInput(many=True, required=False)
    completions = serializers.ListField(child=serializers.CharField(), max_length=MOST_COMPLETIONS)


class ScoreInput(serializers.Serializer[Any]):
    items = ItemInput(many=True, help_text=f"At most {MOST_ITEMS}.")
    annotator = serializers.CharField(
        required=False, help_text="Pseudonym of an annotator with a head of their own."
    )


class ScoredItem(serializers.Serializer[Any]):
    rewards = serializers.ListField(child=serializers.FloatField())
    tokens = serializers.IntegerField(help_text="Tokens that the model read.")


class RankedItem(ScoredItem):
    order = serializers.ListField(
        child=serializers.IntegerField(), help_text="Places of the completions, best first."
    )


class ScoreOutput(serializers.Serializer[Any]):
    version = serializers.CharField()
    items = ScoredItem(many=True)


class RerankOutput(serializers.Serializer[Any]):
    version = serializers.CharField()
    items = RankedItem(many=True)


ERRORS = {
    404: OpenApiResponse(description="No such project or reward model."),
    413: OpenApiResponse(description="Too many items, or texts that are too long."),
    422: OpenApiResponse(description="The body makes no sense, or the annotator is unknown."),
    503: OpenApiResponse(description="No worker answered in time; Retry-After says when to ask."),
}
ASKED = OpenApiExample(
    "One prompt, two completions",
    value={"items": [{"prompt": "What is 2 + 2?", "completions": ["4.", "About five."]}]},
    request_only=True,
)
SCORED = OpenApiExample(
    "Rewards",
    value={"version": "v3", "items": [{"rewards": [1.31, -0.42], "tokens": 21}]},
    response_only=True,
)
RANKED = OpenApiExample(
    "Best first",
    value={
        "version": "v3",
        "items": [{"rewards": [1.31, -0.42], "tokens": 21, "order": [0, 1]}],
    },
    response_only=True,
)


class ScoreView(APIView):
    @extend_schema(
        request=ScoreInput, responses={200: ScoreOutput} | ERRORS, examples=[ASKED, SCORED]
    )
    def post(self, request: Request, slug: str, model: str) -> Response:
        """Rewards of completions under a reward model.

        `model` is `production`, a version such as `v3`, or an id.
        """
        version, scored = _scored(request, slug, model, fewest=1)
        items = [{"rewards": each.rewards, "tokens": each.tokens} for each in scored]
        return Response({"version": f"v{version.version}", "items": items})


class RerankView(APIView):
    @extend_schema(
        request=ScoreInput, responses={200: RerankOutput} | ERRORS, examples=[ASKED, RANKED]
    )
    def post(self, request: Request, slug: str, model: str) -> Response:
        """Best of n: the completions of each prompt in the order of their rewards."""
        version, scored = _scored(request, slug, model, fewest=2)
        items = [
            {"rewards": each.rewards, "tokens": each.tokens, "order": each.order} for each in scored
        ]
        return Response({"version": f"v{version.version}", "items": items})


def _scored(
    request: Request, slug: str, name: str, *, fewest: int
) -> tuple[ModelVersion, list[Scored]]:
    project = project_for(cast("User", request.user), slug, Action.SEE_TRAINING)
    version = servable(project, name)
    asked = request_of(request.data, fewest=fewest)
    check_annotator(version, asked.annotator)
    return version, score(version, asked)
