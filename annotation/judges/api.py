"""REST: judges with what each is worth and costs."""

from typing import Any

from django.urls import URLPattern, path
from django.utils.translation import gettext as _
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.policies import Action, project_for
from accounts.requests import person_of
from core.bodies import Body, filters, read_body, read_query
from core.exceptions import InvalidInput, NotFound
from core.paging import described, paged

from . import changing, selectors, services
from .connections import ASKED
from .models import Connection, Judge, Mode, Prompt, Provider, Stage
from .selectors import Standing

PRICES = [
    "price_per_call_micros",
    "price_per_1k_input_micros",
    "price_per_1k_output_micros",
]


class Parameters(Body):
    """How a model is asked; what is left out is left to its default."""

    mode = serializers.ChoiceField(
        choices=Mode.choices, required=False, help_text="Of the built-in prompt."
    )
    temperature = serializers.FloatField(required=False, min_value=0, max_value=1_000_000)
    max_tokens = serializers.IntegerField(required=False, min_value=0, max_value=99_999_999)
    rankings = serializers.IntegerField(required=False, min_value=0, max_value=99_999_999)
    scale = serializers.FloatField(required=False, min_value=0, max_value=1_000_000)
    seconds = serializers.IntegerField(required=False, min_value=0, max_value=99_999_999)
    constrain = serializers.CharField(required=False, max_length=40)
    pattern = serializers.CharField(required=False, max_length=2000)
    weak = serializers.CharField(
        required=False, max_length=200, help_text="A weaker local model to compare with."
    )


class JudgeBody(Body):
    name = serializers.CharField(max_length=120)
    provider = serializers.ChoiceField(choices=Provider.choices)
    model = serializers.CharField(
        max_length=120,
        help_text="The provider's name of the model; of a recorded judge the name in the file; "
        "of a reward model its version, such as v3.",
    )
    connection = serializers.IntegerField(
        required=False, help_text="Id of the connection it asks through, where it asks a server."
    )
    prompt = serializers.IntegerField(
        required=False, help_text="Id of a prompt; without it the built-in one."
    )
    family = serializers.CharField(default="", allow_blank=True, max_length=40)
    parameters = Parameters(required=False, partial=True)
    price_per_call_micros = serializers.IntegerField(required=False, min_value=0)
    price_per_1k_input_micros = serializers.IntegerField(required=False, min_value=0)
    price_per_1k_output_micros = serializers.IntegerField(required=False, min_value=0)


class ChangedJudge(Body):
    stage = serializers.ChoiceField(
        choices=[Stage.ACTIVE, Stage.RETIRED],
        required=False,
        help_text="retired: asked no more, its labels stay.",
    )
    prices = serializers.DictField(
        child=serializers.IntegerField(min_value=0),
        required=False,
        help_text=f"All of {', '.join(PRICES)}: millionths of the currency, from now on.",
    )


class JudgeOutput(serializers.ModelSerializer[Judge]):
    class Meta:
        model = Judge
        fields = [
            "id",
            "name",
            "provider",
            "model",
            "connection",
            "prompt",
            "prompt_version",
            "parameters",
            "family",
            "stage",
            "version",
            "replaces",
            "accuracy",
            "price_known",
            *PRICES,
            "created_at",
        ]


class Judges(serializers.ListSerializer[Any]):
    """Judges of one project in figures: four queries for all of them."""

    def to_representation(self, data: Any) -> list[Any]:
        return super().to_representation(selectors.standings(list(data)))


class StandingOutput(serializers.Serializer[Standing]):
    judge = JudgeOutput()
    labels = serializers.IntegerField()
    ordered = serializers.IntegerField(help_text="Labels asked in more than one order.")
    flipped = serializers.IntegerField(help_text="Of those, how many changed with the order.")
    stale = serializers.IntegerField(help_text="Labels made under an older guideline.")
    calls = serializers.IntegerField()
    unparsable = serializers.IntegerField()
    failed = serializers.IntegerField()
    unknown = serializers.IntegerField(help_text="Calls that died in flight; they stay charged.")
    spent_micros = serializers.IntegerField()
    per_label_micros = serializers.FloatField(allow_null=True)
    agreed = serializers.IntegerField(help_text="Pairs on which a person said the same.")
    shared = serializers.IntegerField(help_text="Pairs that both labelled, neither a tie.")

    class Meta:
        list_serializer_class = Judges


class JudgeQuery(Body):
    stage = serializers.ChoiceField(choices=Stage.choices, required=False)
    provider = serializers.ChoiceField(choices=Provider.choices, required=False)


EXAMPLE = OpenApiExample(
    "A model behind a connection",
    value={
        "name": "critic",
        "provider": "openai-compatible",
        "connection": 1,
        "model": "qwen3-32b",
        "price_per_1k_input_micros": 150,
        "price_per_1k_output_micros": 600,
    },
    request_only=True,
)


class JudgeList(APIView):
    @described(StandingOutput, filters(JudgeQuery))
    def get(self, request: Request, slug: str) -> Response:
        """The judges with their figures, oldest first."""
        project = project_for(request.user, slug, Action.SEE_QUALITY)
        wish = read_query(request, JudgeQuery)
        return paged(request, selectors.listed_judges(project).filter(**wish), StandingOutput)

    @extend_schema(request=JudgeBody, responses={201: JudgeOutput}, examples=[EXAMPLE])
    def post(self, request: Request, slug: str) -> Response:
        """Add a judge. Without a price it cannot be asked; 0 is a price."""
        project = project_for(request.user, slug, Action.TRAIN)
        values = read_body(request, JudgeBody)
        connection = _own(Connection, project.pk, values.pop("connection", None))
        prompt = _own(Prompt, project.pk, values.pop("prompt", None))
        if connection is None and values["provider"] in ASKED:
            raise InvalidInput(_("Name the connection through which it is asked."))
        judge = services.create_judge(
            project=project,
            connection=connection,
            prompt=prompt,
            price_known=any(name in values for name in PRICES),
            **values,
        )
        return Response(JudgeOutput(judge).data, status=status.HTTP_201_CREATED)


def _own(model: type[Any], project: int, key: int | None) -> Any:
    """A row of the project; none where none is named."""
    if key is None:
        return None
    row = model.objects.filter(project=project, pk=key).first()
    if row is None:
        what = model._meta.verbose_name
        raise NotFound(_("There is no such %(what)s in this project.") % {"what": what})
    return row


class JudgeView(APIView):
    @extend_schema(responses=StandingOutput)
    def get(self, request: Request, slug: str, judge_id: int) -> Response:
        """One judge with its figures."""
        project = project_for(request.user, slug, Action.SEE_QUALITY)
        return _standing(selectors.judge_in(project, judge_id))

    @extend_schema(request=ChangedJudge, responses=StandingOutput)
    def patch(self, request: Request, slug: str, judge_id: int) -> Response:
        """Say what calls cost from now on (researchers); retire or bring back (who manages)."""
        user = person_of(request)
        project = project_for(user, slug, Action.TRAIN)
        judge = selectors.judge_in(project, judge_id)
        values = read_body(request, ChangedJudge, partial=True)
        if "stage" in values:
            project_for(user, slug, Action.MANAGE_PROJECT)
        if "prices" in values:
            changing.set_prices(judge=judge, actor=user, **values["prices"])
        if stage := values.get("stage"):
            act = changing.retire if stage == Stage.RETIRED else changing.bring_back
            act(judge=judge, actor=user)
        return _standing(judge)


def _standing(judge: Judge) -> Response:
    return Response(StandingOutput(selectors.standings([judge])[0]).data)


P = "projects/<slug:slug>/judges/"
urlpatterns: list[URLPattern] = [
    path(P, JudgeList.as_view(), name="judges"),
    path(P + "<int:judge_id>/", JudgeView.as_view(), name="judge"),
]
